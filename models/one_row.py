"""A product of one row with a large full-precision matrix, as a language head's, on a processor.

PyTorch gives bfloat16 products to oneDNN, also those of one row, for which its own kernel needs
half to two thirds of the time where the matrix does not fit into the caches. Which of both is taken
can be said only for the whole process.
"""

import threading
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGE_BYTES = 32 << 20
"""From here on a matrix is read from memory; smaller ones are as fast in both ways."""

_switching = threading.Lock()


def head_logits(head: nn.Module, hidden: Tensor) -> Tensor:
    """What a head (vocabulary, width) makes of hidden (rows, width): (rows, vocabulary).

    The same numbers in both ways, but for the order of sums: about one in 10,000 is rounded to
    another neighbour.
    """
    if not (type(head) is nn.Linear and _is_faster(head, hidden)):
        logits: Tensor = head(hidden)
        return logits
    # Other threads that multiply many rows just now are slower for this product, and not wrong.
    onednn: Any = torch.backends.mkldnn
    with _switching:
        before = onednn.enabled
        onednn.enabled = False
        try:
            return functional.linear(hidden, head.weight)
        finally:
            onednn.enabled = before


def _is_faster(head: nn.Linear, hidden: Tensor) -> bool:
    """Whether PyTorch's own kernel is the faster one, and head and input are what it takes."""
    return (
        hidden.shape[0] == 1
        and hidden.device.type == "cpu"
        and hidden.dtype == head.weight.dtype == torch.bfloat16
        and getattr(head, "bias", None) is None
        and head.weight.nbytes >= LARGE_BYTES
    )
