"""Which kernel PyTorch 2.13 takes for attention on a card of compute capability 8.x.

On these the order is flash, memory-efficient, and the plain one, which writes all scores out.
Source: aten/src/ATen/native/transformers/cuda/sdp_utils.cpp and sdp_utils_cpp.h (2.13).
"""

import torch
from torch import Tensor

_WIDEST_HEAD = 256
_HALVES = (torch.float16, torch.bfloat16)


def chosen_kernel(query: Tensor, key: Tensor, value: Tensor, *, masked: bool, causal: bool) -> str:
    """``flash``, ``efficient`` or ``math``; tensors are (batch, heads, positions, width)."""
    if _flash(query, key, value, masked=masked, causal=causal):
        return "flash"
    return "efficient" if _efficient(query, key, value) else "math"


def _flash(query: Tensor, key: Tensor, value: Tensor, *, masked: bool, causal: bool) -> bool:
    width = query.shape[-1]
    return (
        not masked
        and query.dtype in _HALVES
        and width == value.shape[-1] <= _WIDEST_HEAD
        and not (causal and query.shape[-2] != key.shape[-2])
        and query.shape[1] % key.shape[1] == 0
        and _dense(query, key, value)
    )


def _efficient(query: Tensor, key: Tensor, value: Tensor) -> bool:
    # Rows of 16 bytes; unlike flash it takes no grouped heads.
    aligned = 16 // query.dtype.itemsize
    return (
        query.dtype in (*_HALVES, torch.float32)
        and query.shape[-1] % aligned == 0
        and value.shape[-1] % aligned == 0
        and query.shape[1] == key.shape[1] == value.shape[1]
        and _dense(query, key, value)
    )


def _dense(*tensors: Tensor) -> bool:
    """Batches alike, nothing empty, rows contiguous."""
    return (
        len({t.shape[0] for t in tensors}) == 1
        and all(t.dim() == 4 and t.shape[-2] > 0 for t in tensors)
        and all(t.stride(-1) == 1 or t.shape[-1] == 1 for t in tensors)
    )
