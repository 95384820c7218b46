"""Int4 weights: their file form, PyTorch's kernels for them, and the layer that uses both."""

from models.int4.linear import Int4Linear, replace_linear
from models.int4.packing import pack, unpack
from models.int4.weight import QuantizedWeight

__all__ = ["Int4Linear", "QuantizedWeight", "pack", "replace_linear", "unpack"]
