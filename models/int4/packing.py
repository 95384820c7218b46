"""Integer weights and the GPTQ v1 tensors that store them, in both directions.

Layout (GPTQ v1, the form that GPTQModel and Transformers read), for K inputs, N outputs,
group size g and b bits of a code:

tensor  | dtype, shape                 | layout
--------|------------------------------|----------------------------------------------------
qweight | int32 (K*b/32, N)            | each column is one string of bits, of which b*k.. hold the
        |                              | code of k
qzeros  | int32 (⌈K/g⌉, N*b/32)        | each row is one string of bits, of which b*n.. hold zero-1
        |                              | of n
scales  | float16 (⌈K/g⌉, N)           |
g_idx   | int32 (K,)                   | k // g

The string of bits runs through the words in order, in each from the lowest bit upwards. At 4 and 8
bits a word holds 8 or 4 whole codes. At 3 bits 32 codes fill three words, and the codes 10 and 21
of them lie across two.
Source: gptqmodel/nn_modules/qlinear/__init__.py of https://github.com/ModelCloud/GPTQModel (7.6).

Other tools also write the form v2, which stores the zero-point itself, scales of other dtypes,
and zero-points of 0. All of that is read; what is written here is v1 as above.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.int4.weight import QuantizedWeight, group_count, group_index

STORED_BITS = (3, 4, 8)
"""Widths that are written and read."""

STORED_WIDTHS = "3, 4 or 8"
"""`STORED_BITS` in words, for messages."""

TENSOR_NAMES = ("qweight", "qzeros", "scales", "g_idx")


def pack(weight: QuantizedWeight) -> dict[str, Tensor]:
    """Return the four GPTQ v1 tensors of a weight.

    Raises:
        CheckpointError: the width has no packed form, the shape does not divide into whole
            words, a code or zero-point is out of range, a scale is not finite and positive, or
            the columns do not stand in the order of the inputs.
    """
    check_storable(weight)
    in_features = weight.codes.shape[1]
    return {
        "qweight": pack_last(weight.codes, weight.bits).t().contiguous(),
        "qzeros": pack_last((weight.zero - 1).t(), weight.bits),
        "scales": weight.scale.t().to(torch.float16).contiguous(),
        "g_idx": group_index(in_features, weight.group_size, device=weight.codes.device).to(
            torch.int32
        ),
    }


def unpack(
    tensors: Mapping[str, Tensor], *, bits: int, group_size: int, zero_offset: int = 1
) -> QuantizedWeight:
    """Read GPTQ tensors back.

    tensors:     ``qweight``, ``qzeros``, ``scales`` and, if present, ``g_idx``.
    zero_offset: what the file subtracts from zero-points: 1 in the form v1, 0 in v2.

    Raises:
        CheckpointError: a tensor is missing or of the wrong shape or dtype, the groups are not
            ``k // group_size``, or a stored value cannot belong to a grid.
    """
    zero = check_stored(tensors, bits=bits, group_size=group_size, zero_offset=zero_offset)
    return QuantizedWeight(
        codes=unpack_last(tensors["qweight"].t(), bits),
        scale=tensors["scales"].t().to(torch.float32).contiguous(),
        zero=zero,
        group_size=group_size,
        bits=bits,
    )


def check_stored(
    tensors: Mapping[str, Tensor], *, bits: int, group_size: int, zero_offset: int = 1
) -> Tensor:
    """Check everything about GPTQ tensors but codes and zero-points, which can take any value.

    Returns the zero-points, (out, groups) int32.

    Raises:
        CheckpointError: as for `unpack`.
    """
    require_stored_bits(bits)
    missing = [name for name in TENSOR_NAMES[:3] if name not in tensors]
    if missing:
        raise CheckpointError(
            f"quantized layer lacks {', '.join(missing)}: copy the whole checkpoint again"
        )
    qweight, qzeros, scales = (tensors[name] for name in TENSOR_NAMES[:3])
    _check_shapes(qweight, qzeros, scales, bits, group_size)
    stored = tensors.get("g_idx")
    if stored is not None:
        in_features = qweight.shape[0] * 32 // bits
        expected = group_index(in_features, group_size, device=stored.device)
        if not torch.equal(stored.to(torch.int64), expected):
            raise CheckpointError(
                f"g_idx is not k // {group_size}: the layer was quantized with desc_act=true; "
                "load the folder with load_model, or quantize it again with static groups"
            )
    check_scale(scales)
    return stored_zeros(qzeros, bits, zero_offset).t().contiguous()


def stored_zeros(qzeros: Tensor, bits: int, zero_offset: int) -> Tensor:
    """Return the zero-points of ``qzeros``, (groups, out) int32 in 0 .. 2**bits - 1.

    zero_offset: what the file subtracts from zero-points: 1 in the form v1, 0 in v2.
    """
    if 32 % bits:  # fields lie across words: every tool counts each of them for itself
        zeros: Tensor = (unpack_last(qzeros, bits).to(torch.int32) + zero_offset) % 2**bits
        return zeros
    # Tools that keep a zero-point of 0 subtract 1 from every field by one subtraction from the
    # whole word, whose borrow runs into the next field. One addition undoes exactly that.
    ones = zero_offset * sum(1 << shift for shift in range(0, 32, bits))
    words = (qzeros.to(torch.int64) + ones) % 2**32
    return unpack_last(_as_int32(words), bits).to(torch.int32)


def require_stored_bits(bits: int) -> None:
    """Refuse a width that has no packed form.

    Raises:
        CheckpointError: bits is none of `STORED_BITS`.
    """
    if bits not in STORED_BITS:
        raise CheckpointError(
            f"{bits}-bit weights cannot be stored: the GPTQ v1 file holds {STORED_WIDTHS} bits; "
            "choose one of them, or keep the result in memory"
        )


def whole_words(bits: int) -> int:
    """How many values of a width fill whole 32-bit words: 8 of 4 bits, 4 of 8, 32 of 3."""
    return 32 // math.gcd(bits, 32)


def require_together(words: int, bits: int) -> None:
    """Refuse words that hold a part of a value: those of 3 bits come in threes.

    Raises:
        CheckpointError: they do.
    """
    together = whole_words(bits) * bits // 32
    if words % together:
        raise CheckpointError(
            f"{words} words hold no whole values of {bits} bits, which take {together} words "
            "together: check bits in the quantization config"
        )


def require_word_multiple(in_features: int, out_features: int, bits: int) -> None:
    """Refuse shapes that do not fill whole 32-bit words.

    Raises:
        CheckpointError: in_features or out_features is no multiple of `whole_words`.
    """
    multiple = whole_words(bits)
    for what, size in (("inputs", in_features), ("outputs", out_features)):
        if size % multiple:
            raise CheckpointError(
                f"{size} {what} do not fill whole 32-bit words: a GPTQ v1 file at {bits} bits "
                f"needs a multiple of {multiple}; pad the layer with zeros or keep it unquantized"
            )


def check_storable(weight: QuantizedWeight) -> None:
    """Refuse a weight that the file forms cannot hold, or that loaders would read differently.

    Raises:
        CheckpointError: as for `pack`.
    """
    require_stored_bits(weight.bits)
    if weight.input_order is not None:
        raise CheckpointError(
            "the groups follow the activations, which is read but not written here: "
            "quantize the layer with static groups"
        )
    out_features, in_features = weight.shape
    require_word_multiple(in_features, out_features, weight.bits)
    expected = (out_features, group_count(in_features, weight.group_size))
    if tuple(weight.scale.shape) != expected or tuple(weight.zero.shape) != expected:
        raise CheckpointError(
            f"scale {tuple(weight.scale.shape)} and zero {tuple(weight.zero.shape)} do not match "
            f"codes {tuple(weight.codes.shape)} at group size {weight.group_size}: "
            f"both must be {expected}"
        )
    if int(weight.codes.max()) >= 2**weight.bits:
        raise CheckpointError(
            f"code {int(weight.codes.max())} does not fit into {weight.bits} bits: "
            "clamp codes to the grid before packing"
        )
    _check_grid(weight.zero, weight.scale, weight.bits)


def check_scale(scale: Tensor) -> None:
    """Refuse scales that would poison a product.

    Raises:
        CheckpointError: a scale is no floating-point number, not finite, or not positive.
    """
    if not scale.is_floating_point():
        raise CheckpointError(f"scales are {scale.dtype}, no floating-point numbers: restore them")
    if not bool(torch.isfinite(scale).all()) or not bool((scale > 0).all()):
        raise CheckpointError(
            "a scale is NaN, infinite or not positive: "
            "the layer must be quantized again from sound weights"
        )


def _check_grid(zero: Tensor, scale: Tensor, bits: int) -> None:
    # A stored zero-1 of -1 would borrow from its neighbours, and loaders disagree on 2**bits.
    low, high = int(zero.min()), int(zero.max())
    if low < 1 or high > 2**bits - 1:
        raise CheckpointError(
            f"zero-points {low}..{high} leave 1..{2**bits - 1}: the GPTQ v1 file stores "
            "zero-1 and loaders disagree beyond that; rebuild the grid with zero at least 1"
        )
    half = scale.to(torch.float16)
    check_scale(half)
    if not torch.equal(half.to(torch.float32), scale.to(torch.float32)):
        raise CheckpointError(
            "a scale is not representable in float16, so the stored weight would differ: "
            "round scales to float16 before codes are computed"
        )


def _check_shapes(
    qweight: Tensor, qzeros: Tensor, scales: Tensor, bits: int, group_size: int
) -> None:
    if qweight.dtype != torch.int32 or qzeros.dtype != torch.int32:
        raise CheckpointError(
            f"qweight is {qweight.dtype} and qzeros {qzeros.dtype}: a GPTQ v1 file holds int32; "
            "convert the checkpoint"
        )
    words, out_features = qweight.shape
    require_together(words, bits)
    groups = group_count(words * 32 // bits, group_size)
    if tuple(qzeros.shape) != (groups, out_features * bits // 32) or tuple(scales.shape) != (
        groups,
        out_features,
    ):
        raise CheckpointError(
            f"qzeros {tuple(qzeros.shape)} and scales {tuple(scales.shape)} do not match qweight "
            f"{tuple(qweight.shape)} at group size {group_size}: check quantize_config.json"
        )


def pack_last(values: Tensor, bits: int) -> Tensor:
    """Put the values of the last dimension into int32 words as one string of bits, lowest first.

    values: whole numbers in 0 .. 2**bits - 1, a multiple of `whole_words` of them.
    Returns int32 (..., values * bits / 32).
    """
    many = whole_words(bits)
    blocks = *values.shape[:-1], values.shape[-1] // many
    words = torch.zeros((*blocks, many * bits // 32), dtype=torch.int32, device=values.device)
    # Place by place, so that only whole words are held besides the values. The highest place
    # reaches the sign bit, which is wanted.
    for place in range(many):
        word, shift = divmod(place * bits, 32)
        value = values[..., place::many].to(torch.int32)
        words.select(-1, word).bitwise_or_(value << shift)
        if shift + bits > 32:
            words.select(-1, word + 1).bitwise_or_(value >> (32 - shift))
    return words.flatten(-2)


def unpack_last(words: Tensor, bits: int) -> Tensor:
    """Undo ``pack_last``; the result is uint8 in 0 .. 2**bits - 1.

    Raises:
        CheckpointError: there are fewer words than whole values take.
    """
    many = whole_words(bits)
    together = many * bits // 32
    require_together(words.shape[-1], bits)
    words = words.reshape(*words.shape[:-1], words.shape[-1] // together, together)
    values = torch.empty((*words.shape[:-1], many), dtype=torch.uint8, device=words.device)
    for place in range(many):
        word, shift = divmod(place * bits, 32)
        here = min(bits, 32 - shift)
        # The shift is arithmetic, but the mask drops the copied sign bits.
        value = (words[..., word] >> shift) & (2**here - 1)
        if here < bits:
            value = value | (words[..., word + 1] & (2 ** (bits - here) - 1)) << here
        values[..., place] = value
    return values.flatten(-2)


def _as_int32(words: Tensor) -> Tensor:
    """Keep the bits of unsigned words up to 2**32 - 1 in an int32."""
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)
