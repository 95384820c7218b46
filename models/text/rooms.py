"""Keys and values of a text, in rooms that are larger than what is held."""

import torch
from torch import Tensor

FIRST_ROOM = 256
"""Tokens for which there is room at first; it doubles when it is full."""


class Rooms:
    """Keys and values of every layer, each layer's in one tensor (2, heads, room, head_dim).

    A token that fits allocates and copies nothing of what is held.
    """

    def __init__(
        self,
        layers: int,
        heads: int,
        head_dim: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
        cleared: bool = False,
    ) -> None:
        """heads: that keys and values have. Memory is taken when the first token comes.

        cleared: whether what is not held yet is 0, so that it can be read and weighed with 0: what
            lies in new memory may be NaN.
        """
        empty = torch.empty(2, heads, 0, head_dim, dtype=dtype, device=device)
        self.layers: list[Tensor] = [empty] * layers
        self.length = 0
        self._cleared = cleared

    @property
    def room(self) -> int:
        """Tokens for which there is room."""
        return self.layers[0].shape[2]

    def make_room(self, tokens: int) -> None:
        """See to it that so many tokens fit; doubles, so that a long text seldom copies."""
        if tokens <= self.room:
            return
        room = max(FIRST_ROOM, self.room)
        while room < tokens:
            room *= 2
        # Layer by layer: of no more than one are the old and the new room there at once.
        for index, old in enumerate(self.layers):
            two, heads, _, width = old.shape
            make = old.new_zeros if self._cleared else old.new_empty
            new = make((two, heads, room, width))
            new[:, :, : self.length] = old[:, :, : self.length]
            self.layers[index] = new
