"""Products of activations with quantized weights, and the rule that chooses between them.

Two ways give the same numbers up to rounding:

* PyTorch's own int4 kernels, which read the weight once at 4 bits. They are the fast way when
  few rows are multiplied (decoding), because that is bound by memory traffic.
* Dequantize a slice of the outputs and multiply it with the dense product. It accepts every
  shape and dtype, and is the fast way when many rows share the cost of dequantizing (prefill).

PyTorch computes ``(code - 8) * scale + zero`` with a float zero, so the asymmetric grid
``(code - z) * scale`` is ``zero = (8 - z) * scale``: exactly, up to the kernel's rounding of
scales and zeros to bfloat16. Codes of 8 bits are two of 4 there, on a processor.
Operators: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.int4.packing import unpack_last
from models.int4.weight import QuantizedWeight, group_index

CPU_KERNEL_MAX_ROWS = 80
"""Rows up to which the CPU kernel beats dequantize-and-GEMM at every shape that
scripts/bench_int4.py tries (one core with AVX-512; at 96 rows the shapes disagree)."""

CUDA_KERNEL_MAX_ROWS = 32
"""Rows up to which the CUDA kernel is used. Not measured yet: scripts/bench_int4.py tells."""

INNER_K_TILES = 8
TILE_OUTPUTS = 8
"""Outputs of a tile; a slice of the layout holds whole tiles."""

KERNEL_GROUP_SIZES = (32, 64, 128, 256)
SLICE_ELEMENTS = 1 << 20
"""Weights dequantized at a time, so that a slice stays in the cache and memory stays flat."""


@dataclass(frozen=True, slots=True)
class KernelWeight:
    """A weight in the layout of PyTorch's int4 kernel for one kind of device.

    packed: the codes; the layout belongs to the kernel.
    scales_and_zeros: (groups, out, 2) bfloat16, the scale and ``(8 - zero) * scale``.
    halves: whether a code of 8 bits is two of 4: the outputs are twice as many, first those of
        the upper halves, then those of the lower ones, which are to be added to them.
    """

    packed: Tensor
    scales_and_zeros: Tensor
    group_size: int
    halves: bool = False


def kernel_refusal(
    device: torch.device, in_features: int, out_features: int, group_size: int, bits: int
) -> str | None:
    """Say why the int4 kernel cannot take a layer, or None if it can."""
    if bits > 4:
        return f"{bits} bits"
    if kernel_group_size(in_features, group_size) is None:
        if in_features % group_size:
            return f"{in_features} inputs are not whole groups of {group_size}"
        return f"group size {group_size} is not one of {KERNEL_GROUP_SIZES}, nor several of them"
    if device.type == "cpu":
        return None if out_features % 16 == 0 else f"{out_features} outputs, not a multiple of 16"
    if device.type == "cuda":
        return _cuda_refusal(device, in_features, out_features)
    return f"no int4 kernel for device {device.type}"


def _cuda_refusal(device: torch.device, in_features: int, out_features: int) -> str | None:
    if torch.cuda.get_device_capability(device) < (8, 0):
        return "the GPU is older than compute capability 8.0"
    if in_features % (INNER_K_TILES * 16):
        return f"{in_features} inputs, not a multiple of {INNER_K_TILES * 16}"
    return (
        None if out_features % TILE_OUTPUTS == 0 else f"{out_features} outputs, not a multiple of 8"
    )


def kernel_group_size(in_features: int, group_size: int) -> int | None:
    """The largest of the kernel's group sizes that both divides; None where there is none.

    A group of another size, or a last one that is shorter, is then several of the kernel's groups
    that share a scale.
    """
    both = math.gcd(in_features, group_size)
    return max((size for size in KERNEL_GROUP_SIZES if both % size == 0), default=None)


def use_kernel(device: torch.device, dtype: torch.dtype, rows: int) -> bool:
    """Tell whether the int4 kernel is the better way for a layer that qualifies for it.

    Only bfloat16: with float32 activations the CPU kernel is slower than a dense product, and
    the CUDA kernel takes nothing else.
    """
    if dtype != torch.bfloat16:
        return False
    return 0 < rows <= most_rows(device)


def most_rows(device: torch.device) -> int:
    """Rows up to which the int4 kernel of a device is the better way."""
    return CUDA_KERNEL_MAX_ROWS if device.type == "cuda" else CPU_KERNEL_MAX_ROWS


def by_halves(device: torch.device, bits: int) -> bool:
    """Whether codes are multiplied as two of 4 bits, where the kernel takes a layer of 4 bits.

    Of a card the layout is read back for prefill, which knows no halves.
    """
    return bits == 8 and device.type == "cpu"


def build_kernel_weight(weight: QuantizedWeight) -> KernelWeight:
    """Lay a weight out for the kernel of the device it lies on.

    The caller has asked `kernel_refusal`, and `by_halves` where it has more than 4 bits.
    """
    if weight.bits == 8:
        return _two_halves(weight)
    codes = weight.codes
    if codes.device.type == "cuda":
        # Two codes a byte, the even one in the high half.
        pairs = (codes[:, ::2] << 4 | codes[:, 1::2]).contiguous()
        packed = torch.ops.aten._convert_weight_to_int4pack(pairs, INNER_K_TILES)
    else:
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.to(torch.int32), 1)
    scales_and_zeros, size = kernel_scales(
        weight.scale.t(), weight.zero.t(), codes.shape[1], weight.group_size
    )
    return KernelWeight(packed, scales_and_zeros, size)


def _two_halves(weight: QuantizedWeight) -> KernelWeight:
    """A weight of 8 bits as two of 4: ``code − z = 16·(upper − 8) + lower − (z − 128)``."""
    scale, zero = weight.scale, weight.zero
    halves = QuantizedWeight(
        codes=torch.cat([weight.codes >> 4, weight.codes & 15]),
        scale=torch.cat([16 * scale, scale]),
        zero=torch.cat([torch.full_like(zero, 8), zero - 128]),
        group_size=weight.group_size,
        bits=4,
    )
    return replace(build_kernel_weight(halves), halves=True)


def kernel_scales(
    scale: Tensor, zero: Tensor, in_features: int, group_size: int
) -> tuple[Tensor, int]:
    """Scales and zeros as the kernel reads them, and the size of its groups.

    scale: (groups, out), any floating dtype. zero: (groups, out), zero-points.
    Returns (kernel's groups, out, 2) bfloat16.
    """
    size = kernel_group_size(in_features, group_size) or group_size
    scale = scale.to(torch.float32)
    pairs = torch.stack((scale, (8 - zero.to(torch.float32)) * scale), dim=-1)
    if size != group_size:
        first = torch.arange(0, in_features, size, device=scale.device)
        pairs = pairs[first // group_size]
    return pairs.contiguous().to(torch.bfloat16), size


def kernel_matmul(x: Tensor, weight: KernelWeight) -> Tensor:
    """Multiply (rows, in) bfloat16 by the transposed weight; returns (rows, out) bfloat16."""
    # Named to the overload: finding it anew takes a tenth of a small product.
    multiply = (
        torch.ops.aten._weight_int4pack_mm.default
        if x.is_cuda
        else torch.ops.aten._weight_int4pack_mm_for_cpu.default
    )
    product: Tensor = multiply(
        x.contiguous(), weight.packed, weight.group_size, weight.scales_and_zeros
    )
    if weight.halves:
        upper, lower = product.chunk(2, dim=-1)
        return upper + lower
    return product


def kernel_is_enough(device: torch.device) -> bool:
    """Tell whether codes can be read back out of the kernel's layout on a device.

    On CUDA the file's layout can then be dropped, which halves what a model holds. The CPU's
    layout differs with the processor's vector width, so there both are kept.
    """
    return device.type == "cuda"


def kernel_codes(packed: Tensor, outputs: slice = slice(None)) -> Tensor:
    """Read codes out of the kernel's layout where `kernel_is_enough`.

    outputs: begins and ends at multiples of 8.
    Returns (outputs, in) uint8.
    """
    first, last, _ = outputs.indices(packed.shape[0] * TILE_OUTPUTS)
    return unpack_cuda(packed[first // TILE_OUTPUTS : last // TILE_OUTPUTS])


def outputs_at_once(in_features: int) -> int:
    """Outputs of a slice of about `SLICE_ELEMENTS` weights, a multiple of 16."""
    return max(16, SLICE_ELEMENTS // in_features // 16 * 16)


def dequantize_matmul(
    x: Tensor,
    codes: Callable[[slice], Tensor],
    zeros: Tensor,
    scales: Tensor,
    *,
    group_size: int,
) -> Tensor:
    """Multiply by a packed weight, dequantizing a slice of the outputs at a time.

    x:      (rows, in), any floating dtype.
    codes:  gives the codes of some outputs, (in, outputs) integers; slices begin at multiples
            of 16.
    zeros:  (groups, out) float32 zero-points (not zero-1).
    scales: (groups, out) float16 or float32.
    Returns (rows, out) in the dtype of x.
    """
    out_features = scales.shape[1]
    width = outputs_at_once(x.shape[-1])
    product = x.new_empty(x.shape[0], out_features)
    for start in range(0, out_features, width):
        part = slice(start, min(start + width, out_features))
        weight = dequantize_columns(codes(part), zeros[:, part], scales[:, part], group_size)
        product[:, part] = x @ weight.to(x.dtype)
    return product


def file_codes(qweight: Tensor, bits: int) -> Tensor:
    """Return the codes (in, out), whole numbers, of ``qweight`` (in * bits / 32, out) int32."""
    if 32 % bits:  # codes lie across words
        return unpack_last(qweight.t(), bits).t()
    shifts = torch.arange(0, 32, bits, device=qweight.device, dtype=torch.int32)
    codes: Tensor = (qweight.unsqueeze(1) >> shifts[:, None]) & (2**bits - 1)
    return codes.reshape(-1, qweight.shape[1])  # from (words, per_word, out)


def dequantize_columns(codes: Tensor, zeros: Tensor, scales: Tensor, group_size: int) -> Tensor:
    """Return the weight of some outputs, transposed, as (in, out) float32."""
    in_features = codes.shape[0]
    scales = scales.to(torch.float32)
    if in_features % group_size:
        group = group_index(in_features, group_size, device=codes.device)
        return (codes - zeros[group]) * scales[group]
    grouped = codes.reshape(in_features // group_size, group_size, -1).to(torch.float32)
    return grouped.sub_(zeros[:, None]).mul_(scales[:, None]).reshape(in_features, -1)


def unpack_cuda(packed: Tensor) -> Tensor:
    """Read the codes out of the CUDA kernel's layout, so that no second copy has to be held.

    `torch.ops.aten._convert_weight_to_int4pack` cuts the weight into tiles of 8 outputs by 128
    inputs (`INNER_K_TILES` tiles of 16), each held by the 32 lanes of a warp. Lane l has the codes
    of output l // 4; each of its words has eight codes of 32 neighbouring inputs. From the lowest
    bits upwards they are those of the inputs 0, 8, 16, 24, 1, 9, 17, 25 behind 2 * (l % 4).
    Source: aten/src/ATen/native/cuda/int4mm.cu of https://github.com/pytorch/pytorch (2.13).

    packed: (out / 8, in / 128, 32, 4) int32, or some of its tiles of outputs.
    Returns (out, in) uint8.
    """
    tiles, deep, _, words = packed.shape
    shifts = torch.arange(0, 32, 4, dtype=torch.int32, device=packed.device)
    codes = ((packed.unsqueeze(-1) >> shifts) & 15).to(torch.uint8)
    # Input within 32: 16 * upper + 8 * middle + 2 * lane + odd.
    codes = codes.view(tiles, deep, TILE_OUTPUTS, 4, words, 2, 2, 2)
    # Now (tile, deep, output, lane, word, odd, upper, middle).
    codes = codes.permute(0, 2, 1, 4, 6, 7, 3, 5)
    return codes.reshape(tiles * TILE_OUTPUTS, -1)
