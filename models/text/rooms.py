"""Keys and values of a text, in rooms that are larger than what is held."""

from collections.abc import Sequence

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
    ) -> None:
        """heads: that keys and values have. Memory is taken when the first token comes."""
        empty = torch.empty(2, heads, 0, head_dim, dtype=dtype, device=device)
        self.layers: list[Tensor] = [empty] * layers
        self.length = 0

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
            new = old.new_empty(two, heads, room, width)
            new[:, :, : self.length] = old[:, :, : self.length]
            self.layers[index] = new

    def held(self) -> Sequence[tuple[Tensor, Tensor]]:
        """Keys and values of every layer as they are held, each (heads, tokens, head_dim)."""
        return [(keys[:, : self.length], values[:, : self.length]) for keys, values in self.layers]
