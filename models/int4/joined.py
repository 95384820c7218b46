"""Linear layers that read the same input, multiplied at once.

A decoded token costs a product for each layer, and each product has a cost of its own besides the
weights that it reads. Joined layers have one weight, concatenated along the outputs; each of them
goes on with its part of that one storage, so that nothing is held twice.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.int4 import kernels
from models.int4.linear import Int4Linear

JOINT = 64
"""Outputs at multiples of which the layouts of all kernels can be cut."""


class Joined:
    """One or more linear layers with the same inputs as one.

    Numbers are those of the layers by themselves. A layer that is moved, cast or loaded anew
    afterwards no longer shares its weight with this, which keeps the old one.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        """Join the weights of layers, at least one, which are `nn.Linear` or `Int4Linear`."""
        self._layers = tuple(layers)
        self._weight: Tensor | None = None
        self._kernel: kernels.KernelWeight | None = None
        self._bias: Tensor | None = None
        self._most_rows = 0
        if all(type(layer) is nn.Linear for layer in layers):
            self._join_dense()
        elif all(isinstance(layer, Int4Linear) for layer in layers):
            self._join_int4()

    def __call__(self, x: Tensor) -> Tensor:
        """Multiply (rows, in); returns (rows, all outputs), those of the first layer first."""
        if self._weight is not None:
            return functional.linear(x, self._weight, self._bias)
        if self._kernel is not None and x.dtype is torch.bfloat16 and len(x) <= self._most_rows:
            product = kernels.kernel_matmul(x, self._kernel)
            return product if self._bias is None else product + self._bias.to(product.dtype)
        products = [layer(x) for layer in self._layers]
        return products[0] if len(products) == 1 else torch.cat(products, dim=-1)

    def _join_dense(self) -> None:
        layers = [layer for layer in self._layers if isinstance(layer, nn.Linear)]
        biases = [layer.bias for layer in layers]
        if (
            len({layer.weight.dtype for layer in layers}) > 1
            or len({b is None for b in biases}) > 1
        ):
            return
        self._weight, self._bias = layers[0].weight, biases[0]
        if len(layers) == 1:
            return
        self._bias = None if biases[0] is None else torch.cat([b.detach() for b in biases])
        self._weight = torch.cat([layer.weight.detach() for layer in layers])
        parts = torch.split(self._weight, [layer.out_features for layer in layers])
        for layer, part in zip(layers, parts, strict=True):
            layer.weight = nn.Parameter(part, requires_grad=False)

    def _join_int4(self) -> None:
        layers = [layer for layer in self._layers if isinstance(layer, Int4Linear)]
        biases = [layer.bias for layer in layers if layer.bias is not None]
        weights = [weight for layer in layers if (weight := layer.kernel_weight()) is not None]
        if len(weights) < len(layers) or len(biases) not in (0, len(layers)):
            return
        self._most_rows = kernels.most_rows(layers[0].scales.device)
        if len(layers) == 1:
            self._kernel, self._bias = weights[0], layers[0].bias
            return
        sizes = {weight.group_size for weight in weights}
        if len(sizes) > 1 or any(layer.out_features % JOINT for layer in layers):
            return
        packed = torch.cat([weight.packed for weight in weights])
        scales_and_zeros = torch.cat([weight.scales_and_zeros for weight in weights], dim=1)
        rows = [weight.packed.shape[0] for weight in weights]
        for layer, part in zip(layers, torch.split(packed, rows), strict=True):
            layer.lie_in(part)
        self._kernel = kernels.KernelWeight(packed, scales_and_zeros, sizes.pop())
        self._bias = torch.cat(biases) if biases else None
