"""Attention of the quantizer's passes on a card, where heads share keys and values.

CUDA's flash kernel takes no float32, and its memory-efficient one no shared heads: PyTorch would
write all scores out, 0.5 GB for 2,048 tokens and 32 heads, in several kernels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode


class _EveryHead(TorchFunctionMode):
    """Gives every head of a float32 attention on a card its own keys and values."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is scaled_dot_product_attention and kwargs.get("enable_gqa"):
            query, key, value, *rest = args
            if query.dtype == torch.float32:
                repeats = query.shape[1] // key.shape[1]
                key, value = (part.repeat_interleave(repeats, 1) for part in (key, value))
                options = {name: given for name, given in kwargs.items() if name != "enable_gqa"}
                result: Tensor = function(query, key, value, *rest, **options)
                return result
        return function(*args, **kwargs)


@contextmanager
def every_head(device: torch.device) -> Iterator[None]:
    """Spread shared keys and values over their heads in attention that a card computes."""
    if device.type != "cuda":
        yield
        return
    with _EveryHead():
        yield
