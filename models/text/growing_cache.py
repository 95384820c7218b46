"""Keys and values of a text model of transformers that are not copied for every token.

Transformers joins all that is kept with each new token, in new memory: two copies of everything a
layer and a token. Here there is room for more tokens than there are.
"""

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

GROW_BY = 256
"""Tokens of room that are added at once."""


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of a layer, each (B, heads, tokens, head_dim), in a larger room."""

    def __init__(self) -> None:
        super().__init__()
        self._room: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Keep new keys and values; returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if self._room is None or self._room[0].shape[-2] < end:
            self._room = tuple(
                _grown(old, new, start, end)
                for old, new in ((self.keys, key_states), (self.values, value_states))
            )
        for room, new in zip(self._room, (key_states, value_states), strict=True):
            room[..., start:end, :] = new
        self.keys, self.values = (room[..., :end, :] for room in self._room)
        return self.keys, self.values


def _grown(old: Tensor, new: Tensor, used: int, needed: int) -> Tensor:
    """A room like new for what is needed and some more, with what is used in it."""
    room = new.new_empty(*new.shape[:-2], needed + GROW_BY, new.shape[-1])
    if used:
        room[..., :used, :] = old
    return room


def growing_cache(config: Any) -> DynamicCache:
    """A cache for a model of a config; layers that forget are left to transformers."""
    cache = DynamicCache(config=config)
    cache.layers = [
        GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache
