"""A rotary decoder of transformers, step by step over kept keys and values.

The same layers as transformers runs, without what it carries for other uses: on a processor that
decodes 50 tokens a second, its own loop takes a third of the time.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from models.grouped_attention import attend_once


class KeptStates:
    """Keys and values of every layer, each (shared heads, tokens, head_dim), after rotation.

    There is room for more tokens than there are, so that one more copies nothing.
    """

    GROW_BY = 256

    def __init__(self) -> None:
        self._rooms: list[tuple[Tensor, Tensor]] = []
        self._lengths: list[int] = []
        self._is_shared = False

    @property
    def length(self) -> int:
        """Tokens that are kept."""
        return self._lengths[0] if self._lengths else 0

    def fork(self) -> "KeptStates":
        """The same states, to be continued in another way; copied as soon as either goes on."""
        twin = KeptStates()
        twin._rooms, twin._lengths = list(self._rooms), list(self._lengths)
        twin._is_shared = self._is_shared = True
        return twin

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append new tokens to a layer's; returns all of them."""
        if self._is_shared:
            self._rooms = [_copied(room) for room in self._rooms]
            self._is_shared = False
        if layer == len(self._rooms):
            empty = key[:, :0]
            self._rooms.append((empty, empty))
            self._lengths.append(0)
        start, end = self._lengths[layer], self._lengths[layer] + key.shape[1]
        if self._rooms[layer][0].shape[1] < end:
            self._rooms[layer] = self._grown(self._rooms[layer], key, start, end)
        keys, values = self._rooms[layer]
        keys[:, start:end], values[:, start:end] = key, value
        self._lengths[layer] = end
        return keys[:, :end], values[:, :end]

    def _grown(
        self, held: tuple[Tensor, Tensor], like: Tensor, used: int, needed: int
    ) -> tuple[Tensor, Tensor]:
        heads, _, width = like.shape
        room = like.new_empty(2, heads, needed + self.GROW_BY, width)
        for new, old in zip(room, held, strict=True):
            new[:, :used] = old[:, :used]
        return room[0], room[1]


def _copied(room: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return room[0].clone(), room[1].clone()


def run_decoder(
    decoder: Any,
    hidden: Tensor,
    positions: Tensor,
    kept: KeptStates,
    *,
    added: Sequence[Tensor] = (),
    places: Tensor | None = None,
) -> Tensor:
    """Run all layers on new tokens behind those that are kept, and keep the new ones too.

    hidden:    (1, T, width) embeddings.
    positions: (1, T), or (3, 1, T) where a token has three.
    added:     the i-th, (N, width), is added behind layer i at ``places`` (N,).

    Returns (1, T, width), normalized.
    """
    cos, sin = decoder.rotary_emb(hidden, position_ids=positions)
    mask = _mask(hidden, kept.length)
    for index, layer in enumerate(decoder.layers):
        normed = layer.input_layernorm(hidden)
        hidden = hidden + _attend(layer.self_attn, normed, cos, sin, mask, kept, index)
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        if index < len(added) and places is not None:
            hidden = hidden.index_add(1, places, added[index].to(hidden.dtype)[None])
    normed_last: Tensor = decoder.norm(hidden)
    return normed_last


def _mask(hidden: Tensor, past: int) -> Tensor | None:
    """Which of the past + T tokens each of T new ones may see, (T, past + T); None for all."""
    new = hidden.shape[1]
    if new == 1:
        return None
    rows = torch.arange(past, past + new, device=hidden.device)[:, None]
    return torch.arange(past + new, device=hidden.device)[None, :] <= rows


def _attend(
    attention: Any,
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    mask: Tensor | None,
    kept: KeptStates,
    index: int,
) -> Tensor:
    """Attention of one layer; x is (1, T, width)."""
    heads = (x.shape[1], -1, attention.head_dim)
    query, key, value = (
        projection(x).view(heads)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    if hasattr(attention, "q_norm"):
        query, key = attention.q_norm(query), attention.k_norm(key)
    # (heads, T, head_dim)
    query, key = (_rotate(part.transpose(0, 1), cos[0], sin[0]) for part in (query, key))
    key, value = kept.extend(index, key, value.transpose(0, 1))
    if mask is None:  # one new token
        seen = attend_once(query[None], key[None], value[None], scale=attention.scaling)
    else:
        # A mask keeps a card from the kernel that knows groups of heads.
        repeats = query.shape[0] // key.shape[0]
        if repeats > 1:
            key, value = (part.repeat_interleave(repeats, dim=0) for part in (key, value))
        seen = functional.scaled_dot_product_attention(
            query[None], key[None], value[None], attn_mask=mask, scale=attention.scaling
        )
    out: Tensor = attention.o_proj(seen[0].transpose(0, 1).reshape(1, x.shape[1], -1))
    return out


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn (heads, T, head_dim) by the angles of its positions, cos and sin (T, head_dim)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
