"""Keys and values of a text model of transformers that are not copied for every token.

Transformers joins all that is kept with each new token, in new memory: two copies of everything a
layer and a token. Here there is room for more tokens than there are.
"""

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

GROW_BY = 256
"""Tokens of room that are added at once."""


# The class is untyped in transformers.
class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of a layer, each (B, heads, tokens, head_dim), in a larger room."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rooms: list[Tensor] = []

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Keep new keys and values; returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        states = (key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if not self._rooms or self._rooms[0].shape[-2] < end:
            held = self._rooms or states
            self._rooms = [_grown(*each, start, end) for each in zip(held, states, strict=True)]
        for room, new in zip(self._rooms, states, strict=True):
            room[..., start:end, :] = new
        keys, values = (room[..., :end, :] for room in self._rooms)
        self.keys, self.values = keys, values
        return keys, values


def _grown(old: Tensor, new: Tensor, used: int, needed: int) -> Tensor:
    """A room like new for what is needed and some more, with what is used in it."""
    room = new.new_empty(*new.shape[:-2], needed + GROW_BY, new.shape[-1])
    room[..., :used, :] = old[..., :used, :]
    return room


def growing_cache(config: Any) -> DynamicCache:
    """A cache for a model of a config; layers that forget are left to transformers."""
    cache = DynamicCache(config=config)
    cache.layers = [
        GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache
