"""Scaled dot-product attention with grouped key and value heads."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.grouped_attention import attend_once


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """Attend with H query heads over K key and value heads, each serving H/K in a row.

    Args:
        query: (B, H, T, head_dim). key, value: (B, K, S, head_dim).
        mask: (B, 1, T, S), True where attention is allowed; instead of it, ``causal``.
    Returns:
        (B, H, T, head_dim)
    """
    if query.shape[2] == 1 and mask is None and not query.requires_grad:
        return attend_once(query, key, value)
    if query.device.type == "cpu" and (query.requires_grad or _is_small(query, key)):
        # PyTorch's flash kernel for CPUs takes three times as long as plain products for the few
        # hundred patches of a small model, and far longer in its backward pass.
        return _plain(query, key, value, mask, causal)
    if query.device.type == "cuda" and (mask is not None or query.dtype == torch.float32):
        # The kernel that takes masks and float32 takes no groups of heads: PyTorch would fall back
        # to plain products, which hold all the scores.
        key, value = _every_head(query, key), _every_head(query, value)
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=causal,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def _is_small(query: Tensor, key: Tensor) -> bool:
    """Whether many queries meet so few keys that all their scores may be held at once."""
    return query.shape[-2] >= 64 and query.shape[-2] * key.shape[-2] <= 2**20


def _every_head(query: Tensor, shared: Tensor) -> Tensor:
    """Keys or values (B, K, S, head_dim) for each of the H heads of the query."""
    repeat = query.shape[1] // shared.shape[1]
    return shared if repeat == 1 else shared.repeat_interleave(repeat, 1)


def _plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    key, value = _every_head(query, key), _every_head(query, value)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if causal:
        new, total = scores.shape[-2:]
        mask = torch.ones(new, total, dtype=torch.bool, device=query.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    out: Tensor = scores.softmax(-1).to(value.dtype) @ value
    return out
