"""Integer weights as the blocks of 32 that llama.cpp computes with.

type | values of a block                 | bytes | what it takes
-----|-----------------------------------|-------|-------------------------------------------
Q4_1 | d·q + m, q in 0 .. 15             | 20    | 3 or 4 bits with any zero-point
Q4_0 | d·(q − 8), q in 0 .. 15           | 18    | 3 or 4 bits, every zero-point 4 or 8 (symmetric)
Q8_0 | d·q, q in −128 .. 127             | 34    | 8 bits, every zero-point 128 (symmetric)

d and m are float16; a nibble's low half holds element j, its high half element j + 16. Our weight
``scale·(code − zero)`` has one scale for a group of 32, 64, 128 …, so the blocks of a group repeat
it: d = scale and m = −scale·zero. Codes are taken as they are, and nothing is quantized again.

How exact that is: our scales are float16 already, so d is exact and only m is rounded, by at most
half a unit in its last place, 2⁻¹¹·scale·zero (2⁻²⁵ where float16 has only denormals). Q4_0 and
Q8_0 have no m and are exact. `most_rounding` derives the bound, for scales of other tools too.
Source: https://github.com/ggml-org/llama.cpp (ggml/src/ggml-common.h, ggml-quants.c)
"""

import torch
from torch import Tensor

from models.int4.weight import QuantizedWeight
from quantizer.errors import ExportError

BLOCK = 32
"""Neighbours in a row that share a scale in all three types."""

_UNIT = 2.0**-11  # half a unit in the last place of a float16, relative to its value
_DENORMAL = 2.0**-25  # the same where a float16 is denormal, absolute
_FLOAT32 = 2.0**-24


def block_kind(bits: int, zero: Tensor) -> str:
    """Choose the type for a layer's bits and zero-points.

    Raises:
        ExportError: no type has 8 bits with zero-points of their own.
    """
    is_symmetric = bool((zero == 2 ** (bits - 1)).all())
    if bits in (3, 4):
        return "Q4_0" if is_symmetric else "Q4_1"
    if bits == 8 and is_symmetric:
        return "Q8_0"
    raise ExportError(
        f"GGUF has no type for {bits} bits with zero-points of their own, but for 8 bits with sym "
        "and for 3 and 4 bits: quantize the model again with either"
    )


def check_groups(in_features: int, group_size: int) -> None:
    """Refuse groups that no blocks of 32 fit into.

    Raises:
        ExportError: a block would reach into two groups, or end behind the row.
    """
    if group_size % BLOCK and group_size < in_features:
        raise ExportError(
            f"groups of {group_size} inputs do not divide into GGUF's blocks of {BLOCK}: quantize "
            f"the model again with a group size of {BLOCK}, 64 or 128"
        )
    if in_features % BLOCK:
        raise ExportError(
            f"{in_features} inputs do not divide into GGUF's blocks of {BLOCK}: the model cannot "
            "be written as GGUF"
        )


def pack_blocks(weight: QuantizedWeight, kind: str) -> Tensor:
    """Return the blocks of a weight as bytes, (out, in / 32 · bytes of a block) uint8.

    kind: what `block_kind` chose.

    Raises:
        ExportError: a group is no multiple of 32, follows the activations, or has a scale or
            minimum beyond float16.
    """
    if weight.input_order is not None:
        raise ExportError(
            "the groups follow the activations (desc_act with g_idx), and GGUF's blocks lie side "
            "by side: quantize the model again with static groups"
        )
    out_features, in_features = weight.shape
    check_groups(in_features, weight.group_size)
    scale, zero = _of_blocks(weight)
    codes = weight.codes.reshape(out_features, -1, BLOCK)
    parts = [_half_bytes(scale)]
    if kind == "Q8_0":
        parts.append(codes ^ 128)  # the same bits as code − 128 has as a signed byte
    else:
        if kind == "Q4_0":
            codes = codes + (8 - 2 ** (weight.bits - 1))  # from the zero-point of 3 bits to 8
        else:
            parts.append(_half_bytes(-scale * zero))
        parts.append(codes[..., : BLOCK // 2] | codes[..., BLOCK // 2 :] << 4)
    return torch.cat(parts, dim=-1).reshape(out_features, -1)


def most_rounding(weight: QuantizedWeight) -> Tensor:
    """By how much at most a weight read from its blocks differs, (out, blocks of 32) float32.

    With u = 2⁻¹¹ and any code q: |d − s| ≤ max(u·s, 2⁻²⁵), 0 where the scale s is a float16, and
    |m + d₀·z| ≤ max(u·s·z, 2⁻²⁵). So the difference is at most q·|d − s| + |m + s·z|, and what
    computing d·q + m in float32 adds: 2⁻²⁴ of its largest value, which is below s·(q + z).
    """
    scale, zero = _of_blocks(weight)
    top = float(2**weight.bits - 1)
    exact = scale.to(torch.float16).to(torch.float32) == scale
    of_scale = torch.where(exact, 0.0, (scale * _UNIT).clamp_min(_DENORMAL))
    middle = float(2 ** (weight.bits - 1))
    if bool((zero == middle).all()):
        return of_scale * middle + scale * top * _FLOAT32
    of_minimum = (scale * zero * _UNIT).clamp_min(_DENORMAL)
    return of_scale * top + of_minimum + scale * (top + zero) * _FLOAT32


def _of_blocks(weight: QuantizedWeight) -> tuple[Tensor, Tensor]:
    """Scale and zero-point of every block, each (out, in / 32) float32."""
    starts = torch.arange(0, weight.shape[1], BLOCK, device=weight.codes.device)
    group = starts // weight.group_size
    return weight.scale.to(torch.float32)[:, group], weight.zero.to(torch.float32)[:, group]


def _half_bytes(values: Tensor) -> Tensor:
    """Numbers (out, blocks) as the bytes of their float16, (out, blocks, 2)."""
    half = values.to(torch.float16)
    if not bool(torch.isfinite(half).all()):
        raise ExportError(
            "a scale or minimum is beyond what float16 holds, which GGUF's blocks store: quantize "
            "the model again from sound weights"
        )
    return half.contiguous().view(torch.uint8).reshape(*values.shape, 2)
