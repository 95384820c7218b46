"""Integer weights and the GPTQ v1 tensors that store them, in both directions.

Layout (GPTQ v1, the form that GPTQModel and Transformers read), for K inputs, N outputs,
group size g and ``per_word = 32 / bits`` codes in one int32:

tensor  | dtype, shape                 | layout
--------|------------------------------|----------------------------------------------------
qweight | int32 (K/per_word, N)        | bits b*j.. of row r hold the code of k = per_word*r+j
qzeros  | int32 (⌈K/g⌉, N/per_word)    | bits b*j.. of column c hold zero-1 of n = per_word*c+j
scales  | float16 (⌈K/g⌉, N)           |
g_idx   | int32 (K,)                   | k // g

Other tools also write the form v2, which stores the zero-point itself, scales of other dtypes,
and zero-points of 0. All of that is read; what is written here is v1 as above.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.int4.weight import QuantizedWeight, group_count, group_index

STORED_BITS = (4, 8)
"""Widths that divide a 32-bit word and that the ecosystem's loaders read."""

TENSOR_NAMES = ("qweight", "qzeros", "scales", "g_idx")


def pack(weight: QuantizedWeight) -> dict[str, Tensor]:
    """Return the four GPTQ v1 tensors of a weight.

    Raises:
        CheckpointError: the width has no packed form, the shape does not divide into whole
            words, a code or zero-point is out of range, a scale is not finite and positive, or
            the columns do not stand in the order of the inputs.
    """
    check_storable(weight)
    per_word = 32 // weight.bits
    in_features = weight.codes.shape[1]
    return {
        "qweight": pack_last(weight.codes, per_word).t().contiguous(),
        "qzeros": pack_last((weight.zero - 1).t(), per_word),
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
    _check_shapes(qweight, qzeros, scales, 32 // bits, group_size)
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
    # Tools that keep a zero-point of 0 subtract 1 from every field by one subtraction from the
    # whole word, whose borrow runs into the next field. One addition undoes exactly that.
    ones = zero_offset * sum(1 << shift for shift in range(0, 32, bits))
    words = (qzeros.to(torch.int64) + ones) % 2**32
    return unpack_last(_as_int32(words), bits).to(torch.int32)


def require_stored_bits(bits: int) -> None:
    """Refuse a width that has no packed form.

    Raises:
        CheckpointError: bits is neither 4 nor 8.
    """
    if bits not in STORED_BITS:
        raise CheckpointError(
            f"{bits}-bit weights cannot be stored: the GPTQ v1 file holds 4 or 8 bits; "
            "choose 4 or 8, or keep the result in memory"
        )


def require_word_multiple(in_features: int, out_features: int, bits: int) -> None:
    """Refuse shapes that do not fill whole 32-bit words.

    Raises:
        CheckpointError: in_features or out_features is no multiple of 32 / bits.
    """
    per_word = 32 // bits
    for what, size in (("inputs", in_features), ("outputs", out_features)):
        if size % per_word:
            raise CheckpointError(
                f"{size} {what} do not fill whole 32-bit words: a GPTQ v1 file at {bits} bits "
                f"needs a multiple of {per_word}; pad the layer with zeros or keep it unquantized"
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
    qweight: Tensor, qzeros: Tensor, scales: Tensor, per_word: int, group_size: int
) -> None:
    if qweight.dtype != torch.int32 or qzeros.dtype != torch.int32:
        raise CheckpointError(
            f"qweight is {qweight.dtype} and qzeros {qzeros.dtype}: a GPTQ v1 file holds int32; "
            "convert the checkpoint"
        )
    words, out_features = qweight.shape
    groups = group_count(words * per_word, group_size)
    if tuple(qzeros.shape) != (groups, out_features // per_word) or tuple(scales.shape) != (
        groups,
        out_features,
    ):
        raise CheckpointError(
            f"qzeros {tuple(qzeros.shape)} and scales {tuple(scales.shape)} do not match qweight "
            f"{tuple(qweight.shape)} at group size {group_size}: check quantize_config.json"
        )


def pack_last(values: Tensor, per_word: int) -> Tensor:
    """Put per_word neighbours of the last dimension into one int32, lowest bits first.

    values: whole numbers in 0 .. 2**(32 / per_word) - 1.
    """
    bits = 32 // per_word
    # Place by place, so that only whole words are held besides the values. The highest place
    # reaches the sign bit, which is wanted.
    words = values[..., ::per_word].to(torch.int32, copy=True)
    for place in range(1, per_word):
        words |= values[..., place::per_word].to(torch.int32) << (bits * place)
    return words.contiguous()


def unpack_last(words: Tensor, bits: int) -> Tensor:
    """Undo ``pack_last``; the result is uint8 in 0 .. 2**bits - 1."""
    per_word = 32 // bits
    values = torch.empty((*words.shape, per_word), dtype=torch.uint8, device=words.device)
    for place in range(per_word):
        # The shift is arithmetic, but the mask drops the copied sign bits.
        values[..., place] = (words >> (bits * place)) & (2**bits - 1)
    return values.flatten(-2)


def _as_int32(words: Tensor) -> Tensor:
    """Keep the bits of unsigned words up to 2**32 - 1 in an int32."""
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)
