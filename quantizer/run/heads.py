"""Attention of transformers' models on a card, where heads share keys and values.

CUDA's flash kernel takes no float32, and its memory-efficient one no shared heads: PyTorch would
write all scores out, 0.5 GB for 2,048 tokens and 32 heads, in several kernels.
"""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

NAME = "sdpa_every_head"


def spread_shared_heads(model: nn.Module) -> None:
    """Let a model's attention spread shared keys and values over their heads in float32.

    Our own models do so by themselves; of others those know how whose attention transformers
    looks up by the name that their configuration says.
    """
    sharing: list[Any] = [
        part
        for part in model.modules()
        if getattr(part, "num_key_value_groups", 1) > 1 and hasattr(part, "config")
    ]
    if not sharing:
        return
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    for part in sharing:
        part.config._attn_implementation = NAME


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> Any:
    """Attend as transformers does; tensors are (batch, heads, tokens, width)."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    repeats = query.shape[1] // key.shape[1]
    if query.dtype == torch.float32 and repeats > 1:
        key, value = (part.repeat_interleave(repeats, 1) for part in (key, value))
        # Of the module it asks whether heads are shared, which they no longer are.
        module = SimpleNamespace(is_causal=getattr(module, "is_causal", True))
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
