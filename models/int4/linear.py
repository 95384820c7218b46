"""A linear layer whose weight is held at 3, 4 or 8 bits."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import CheckpointError
from models.int4 import kernels
from models.int4.packing import (
    TENSOR_NAMES,
    check_stored,
    pack,
    pack_last,
    require_stored_bits,
    require_word_multiple,
    stored_zeros,
    unpack,
)
from models.int4.weight import QuantizedWeight, group_count, group_index

CHECKED_OUTPUTS = 1024
"""Outputs on which the kernel is compared with dequantizing; whole tiles of every kernel."""

log = logging.getLogger(__name__)


class Int4Linear(nn.Module):
    """Drop-in for `nn.Linear` that reads GPTQ tensors and multiplies by them.

    Buffers ``qweight``, ``qzeros``, ``scales``, ``g_idx`` and ``bias`` are those of the file
    (`models.int4.packing`); zero_offset is 1 for the form v1 and 0 for v2. A layer whose groups
    follow the activations has its rows of ``qweight`` sorted by group, and ``input_order`` (in,)
    int64 says which input each of them reads.

    The layout of the int4 kernel is built at the first call that wants it and is not part of the
    state dict. On CUDA it replaces ``qweight``, which is then None: prefill reads the codes out of
    the kernel's layout, and the state dict and a move to another device bring the file's layout
    back. A CPU keeps both, twice the int4 bytes.

    Raises:
        CheckpointError: the width cannot be stored or the shape does not fill 32-bit words.
    """

    qweight: Tensor | None
    qzeros: Tensor
    scales: Tensor
    g_idx: Tensor
    bias: Tensor | None
    input_order: Tensor | None
    kernel_packed: Tensor | None
    kernel_scales_and_zeros: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        group_size: int,
        bias: bool,
        bits: int = 4,
        *,
        zero_offset: int = 1,
        ordered: bool = False,
    ) -> None:
        super().__init__()
        require_stored_bits(bits)
        require_word_multiple(in_features, out_features, bits)
        self.in_features = in_features
        self.out_features = out_features
        self.group_size = group_size
        self.bits = bits
        self.zero_offset = zero_offset
        self._kernel_is_right = True
        groups = group_count(in_features, group_size)
        int32 = torch.int32
        self.register_buffer(
            "qweight", torch.zeros(in_features * bits // 32, out_features).to(int32)
        )
        self.register_buffer("qzeros", torch.zeros(groups, out_features * bits // 32, dtype=int32))
        self.register_buffer("scales", torch.ones(groups, out_features, dtype=torch.float16))
        g_idx = torch.empty(in_features, dtype=int32)
        if not g_idx.is_meta:  # division on the meta device takes milliseconds, and says nothing
            g_idx.copy_(group_index(in_features, group_size))
        self.register_buffer("g_idx", g_idx)
        self.register_buffer("bias", torch.zeros(out_features) if bias else None)
        self.register_buffer("input_order", torch.arange(in_features) if ordered else None)
        self.register_buffer("kernel_packed", None, persistent=False)
        self.register_buffer("kernel_scales_and_zeros", None, persistent=False)

    @classmethod
    def from_quantized(cls, weight: QuantizedWeight, bias: Tensor | None) -> "Int4Linear":
        """Build the layer from a quantized weight (out, in) and its bias (out,) or None.

        Raises:
            CheckpointError: the weight cannot be stored, see `pack`; zero-points of 0 cannot.
        """
        order = weight.input_order
        tensors = pack(replace(weight, input_order=None))
        out_features, in_features = weight.shape
        layer = cls(
            in_features,
            out_features,
            weight.group_size,
            bias is not None,
            weight.bits,
            ordered=order is not None,
        )
        if order is not None:
            tensors["input_order"] = order
        if bias is not None:
            tensors["bias"] = bias.detach()
        layer.load_state_dict(tensors, assign=True)
        return layer

    def quantized(self) -> QuantizedWeight:
        """Return the weight as integers, with all that it takes to build the layer again.

        Raises:
            CheckpointError: the stored tensors are no valid grid.
        """
        weight = unpack(
            self._stored(),
            bits=self.bits,
            group_size=self.group_size,
            zero_offset=self.zero_offset,
        )
        return replace(weight, input_order=self.input_order)

    def check(self) -> None:
        """Check the loaded tensors without reading the codes.

        Raises:
            CheckpointError: the stored tensors are no valid grid.
        """
        check_stored(
            self._stored(),
            bits=self.bits,
            group_size=self.group_size,
            zero_offset=self.zero_offset,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Multiply (..., in) in any floating dtype; returns (..., out) in the same dtype."""
        rows = x.reshape(-1, self.in_features)
        if self.input_order is not None:
            rows = rows[:, self.input_order]
        if self._kernel_fits() and kernels.use_kernel(x.device, x.dtype, rows.shape[0]):
            product = kernels.kernel_matmul(rows, self._kernel_weight())
        else:
            product = self.dequantize_matmul(rows)
        if self.bias is not None:
            product = product + self.bias.to(product.dtype)
        return product.reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Describe the layer in one line for `print(model)`."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bits={self.bits}, group_size={self.group_size}, bias={self.bias is not None}"
        )

    def _stored(self) -> dict[str, Tensor]:
        own = {name: getattr(self, name) for name in TENSOR_NAMES}
        return own | {"qweight": self._file_qweight()}

    def _file_qweight(self) -> Tensor:
        """Return the codes as in the file, (in * bits / 32, out) int32."""
        if self.qweight is not None:
            return self.qweight
        assert self.kernel_packed is not None, "one of the two layouts is always there"
        words = self.scales.new_empty(
            self.in_features * self.bits // 32, self.out_features, dtype=torch.int32
        )
        step = kernels.outputs_at_once(self.in_features)
        for start in range(0, self.out_features, step):
            part = slice(start, min(start + step, self.out_features))
            codes = kernels.kernel_codes(self.kernel_packed, part)
            words[:, part] = pack_last(codes, self.bits).t()
        return words

    def _codes(self, part: slice) -> Tensor:
        """Return the codes of some outputs, (in, outputs), from the layout that is there."""
        if self.qweight is not None:
            return kernels.file_codes(self.qweight[:, part], self.bits)
        assert self.kernel_packed is not None, "one of the two layouts is always there"
        return kernels.kernel_codes(self.kernel_packed, part).t()

    def kernel_difference(self) -> float | None:
        """Compare the kernel with dequantizing on one row of inputs and some of the outputs.

        Returns the root mean square of the difference, as a share of the product's own; about
        0.005 by rounding. None where the kernel is not used.

        Raises:
            RuntimeError: the kernel cannot run here at all.
        """
        if not self._kernel_fits():
            return None
        part = slice(0, min(self.out_features, CHECKED_OUTPUTS))
        zeros = stored_zeros(self.qzeros, self.bits, self.zero_offset)[:, part]
        codes, scales = self._codes(part), self.scales[:, part]
        weight = QuantizedWeight(
            codes=codes.t().to(torch.uint8).contiguous(),
            scale=scales.t().to(torch.float32).contiguous(),
            zero=zeros.t().contiguous(),
            group_size=self.group_size,
            bits=self.bits,
        )
        x = torch.randn(1, self.in_features, generator=torch.Generator().manual_seed(0))
        x = x.to(scales.device, torch.bfloat16)
        by_kernel = kernels.kernel_matmul(x, kernels.build_kernel_weight(weight)).float()
        dense = kernels.dequantize_columns(codes, zeros, scales, self.group_size)
        exact = x.float() @ dense
        size = exact.square().mean().sqrt()
        return float((by_kernel - exact).square().mean().sqrt() / size.clamp(min=1e-30))

    def distrust_kernel(self) -> None:
        """Use the kernel no more: dequantize for every product."""
        self._restore_file_layout()
        self._kernel_is_right = False

    def prepare(self) -> None:
        """Build the kernel's layout now where it takes the place of the file's.

        A model is then held once from the start, and its first answer waits for nothing.
        """
        if self._kernel_fits() and kernels.kernel_is_enough(self.scales.device):
            self._kernel_weight()

    def _kernel_fits(self) -> bool:
        if not self._kernel_is_right:
            return False
        device = self.scales.device
        bits = 4 if kernels.by_halves(device, self.bits) else self.bits
        refusal = kernels.kernel_refusal(
            device, self.in_features, self.out_features, self.group_size, bits
        )
        return refusal is None

    def _kernel_weight(self) -> kernels.KernelWeight:
        if self.kernel_packed is None:
            weight = self.quantized()
            built = kernels.build_kernel_weight(weight)
            self.kernel_packed = built.packed
            self.kernel_scales_and_zeros = built.scales_and_zeros
            if kernels.kernel_is_enough(self.scales.device):
                self._drop_file_layout(weight)
        if self.kernel_scales_and_zeros is None:  # those of joined layers lie together
            zeros = stored_zeros(self.qzeros, self.bits, self.zero_offset)
            self.kernel_scales_and_zeros, _ = kernels.kernel_scales(
                self.scales, zeros, self.in_features, self.group_size
            )
        size = kernels.kernel_group_size(self.in_features, self.group_size)
        return kernels.KernelWeight(
            self.kernel_packed,
            self.kernel_scales_and_zeros,
            size or self.group_size,
            halves=self.bits == 8,
        )

    def kernel_weight(self) -> kernels.KernelWeight | None:
        """The weight as the kernel reads it, in the order of the inputs; None without a kernel.

        None for 8 bits, too, whose halves cannot be joined with other layers.
        """
        usable = self._kernel_fits() and self.input_order is None and self.bits < 8
        return self._kernel_weight() if usable else None

    def lie_in(self, packed: Tensor) -> None:
        """Let the codes in the kernel's layout be those of ``packed``, which hold them too.

        packed: equal to ``kernel_packed``; a part of what several layers share.
        """
        self.kernel_packed, self.kernel_scales_and_zeros = packed, None

    def _drop_file_layout(self, weight: QuantizedWeight) -> None:
        """Let go of ``qweight`` if the kernel's layout gives the same codes back."""
        assert self.kernel_packed is not None
        step = kernels.outputs_at_once(self.in_features)
        for start in range(0, self.out_features, step):
            part = slice(start, min(start + step, self.out_features))
            if not torch.equal(kernels.kernel_codes(self.kernel_packed, part), weight.codes[part]):
                log.warning(
                    "this build of PyTorch lays int4 weights out in an unknown way: they are "
                    "held twice, which needs twice the memory"
                )
                return
        self.qweight = None

    def _restore_file_layout(self) -> None:
        """Bring ``qweight`` back and let go of the kernel's layout."""
        self.qweight = self._file_qweight()
        self.kernel_packed = None
        self.kernel_scales_and_zeros = None

    def dequantize_matmul(self, rows: Tensor) -> Tensor:
        """Multiply (rows, in), already in ``input_order``, without the kernel and the bias.

        Returns (rows, out).
        """
        zeros = stored_zeros(self.qzeros, self.bits, self.zero_offset).to(torch.float32)
        return kernels.dequantize_matmul(
            rows, self._codes, zeros, self.scales, group_size=self.group_size
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Int4Linear":
        """Move the layer, but keep the stored scales at float16 and drop the kernel's layout.

        A cast of the whole model to bfloat16 would round the scales away from the file, and the
        kernel's layout belongs to one device.
        """
        stored = self.scales
        self._restore_file_layout()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.scales.dtype != stored.dtype:
            target = self.scales.device
            empty = stored.is_meta and target.type != "meta"
            self.scales = torch.empty_like(stored, device=target) if empty else stored.to(target)
        return self

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        """Load new tensors and forget the kernel's layout of the old ones."""
        self._restore_file_layout()
        super()._load_from_state_dict(*args, **kwargs)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """Save the file's layout, whichever is held."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.qweight is None:
            destination[f"{prefix}qweight"] = self._file_qweight()


def replace_linear(parent: nn.Module, name: str, layer: Int4Linear) -> None:
    """Put a layer in the place of the submodule with a dotted name.

    Raises:
        CheckpointError: there is no such linear layer, or it is of another shape.
    """
    path, _, leaf = name.rpartition(".")
    try:
        owner = parent.get_submodule(path)
    except AttributeError:
        owner = parent
    old = getattr(owner, leaf, None)
    if not isinstance(old, nn.Linear):
        raise CheckpointError(
            f"{name} is quantized in the checkpoint but is no linear layer of this model: "
            "the folder's config.json belongs to another model"
        )
    if (old.in_features, old.out_features) != (layer.in_features, layer.out_features):
        raise CheckpointError(
            f"{name} is {layer.in_features} -> {layer.out_features} in the checkpoint but "
            f"{old.in_features} -> {old.out_features} by config.json: restore the folder's files"
        )
    setattr(owner, leaf, layer)
