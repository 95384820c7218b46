"""The GPTQ v1 layout against an oracle that places every bit in plain Python."""

import dataclasses
import random

import pytest
import torch

from models.errors import CheckpointError
from models.int4 import QuantizedWeight, pack, unpack


def random_weight(
    out_features: int, in_features: int, group_size: int, bits: int = 4, seed: int = 0
) -> QuantizedWeight:
    generator = torch.Generator().manual_seed(seed)
    groups = -(-in_features // group_size)
    top = 2**bits
    return QuantizedWeight(
        codes=torch.randint(0, top, (out_features, in_features), generator=generator).to(
            torch.uint8
        ),
        scale=(torch.rand(out_features, groups, generator=generator) + 0.1).half().float(),
        zero=torch.randint(1, top, (out_features, groups), generator=generator).to(torch.int32),
        group_size=group_size,
        bits=bits,
    )


def bits_of(word: int) -> list[int]:
    """The 32 bits of a signed word, lowest first."""
    unsigned = word % 2**32
    return [(unsigned >> position) % 2 for position in range(32)]


def field(word: int, position: int, bits: int) -> int:
    """The number held by ``bits`` bits of a word, starting at bit ``position * bits``."""
    chosen = bits_of(word)[position * bits : (position + 1) * bits]
    return sum(bit << weight for weight, bit in enumerate(chosen))


@pytest.mark.parametrize(
    ("out_features", "in_features", "group_size", "bits"),
    [(8, 16, 8, 4), (16, 24, 16, 4), (24, 64, 32, 4), (8, 16, 8, 8), (4, 12, 8, 8)],
)
def test_every_bit_lies_where_the_format_says(
    out_features: int, in_features: int, group_size: int, bits: int
) -> None:
    weight = random_weight(out_features, in_features, group_size, bits)
    tensors = pack(weight)
    per_word = 32 // bits
    groups = (in_features + group_size - 1) // group_size

    assert tensors["qweight"].shape == (in_features // per_word, out_features)
    assert tensors["qzeros"].shape == (groups, out_features // per_word)
    assert tensors["scales"].shape == (groups, out_features)
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {
        "qweight": torch.int32,
        "qzeros": torch.int32,
        "scales": torch.float16,
        "g_idx": torch.int32,
    }
    qweight, qzeros = tensors["qweight"].tolist(), tensors["qzeros"].tolist()
    for k in range(in_features):
        for n in range(out_features):
            assert field(qweight[k // per_word][n], k % per_word, bits) == int(weight.codes[n, k])
    for group in range(groups):
        for n in range(out_features):
            stored = field(qzeros[group][n // per_word], n % per_word, bits)
            assert stored == int(weight.zero[n, group]) - 1
            assert float(tensors["scales"][group, n]) == float(weight.scale[n, group])
    assert tensors["g_idx"].tolist() == [k // group_size for k in range(in_features)]


def test_symmetric_zero_is_the_well_known_word() -> None:
    weight = random_weight(8, 8, 8)
    weight = dataclasses.replace(weight, zero=torch.full((8, 1), 8, dtype=torch.int32))
    assert pack(weight)["qzeros"].tolist() == [[0x77777777]]


def test_unpack_reads_words_written_by_hand() -> None:
    rng = random.Random(1)
    codes = [[rng.randrange(16) for _ in range(8)] for _ in range(8)]  # [n][k]
    zeros = [rng.randrange(1, 16) for _ in range(8)]

    def word(values: list[int]) -> int:
        unsigned = sum(value * 16**place for place, value in enumerate(values))
        return unsigned - 2**32 if unsigned >= 2**31 else unsigned

    tensors = {
        "qweight": torch.tensor([[word(codes[n]) for n in range(8)]], dtype=torch.int32),
        "qzeros": torch.tensor([[word([z - 1 for z in zeros])]], dtype=torch.int32),
        "scales": torch.full((1, 8), 0.5, dtype=torch.float16),
        "g_idx": torch.zeros(8, dtype=torch.int32),
    }
    weight = unpack(tensors, bits=4, group_size=8)
    assert weight.codes.tolist() == codes
    assert weight.zero.flatten().tolist() == zeros
    expected = [[(codes[n][k] - zeros[n]) * 0.5 for k in range(8)] for n in range(8)]
    assert weight.dequantize().tolist() == expected


@pytest.mark.parametrize("bits", [4, 8])
def test_pack_then_unpack_is_the_identity_with_a_short_last_group(bits: int) -> None:
    weight = random_weight(16, 40, 32, bits)
    again = unpack(pack(weight), bits=bits, group_size=32)
    assert torch.equal(again.codes, weight.codes)
    assert torch.equal(again.zero, weight.zero)
    assert torch.equal(again.scale, weight.scale)
    assert torch.equal(again.dequantize(), weight.dequantize())


def test_dequantize_uses_the_scale_of_the_short_last_group() -> None:
    weight = random_weight(8, 24, 16)
    dense = weight.dequantize()
    for n in range(8):
        for k in range(24):
            expected = (int(weight.codes[n, k]) - int(weight.zero[n, k // 16])) * float(
                weight.scale[n, k // 16]
            )
            assert float(dense[n, k]) == pytest.approx(expected, abs=0)


@pytest.mark.parametrize("bits", [2, 5])
def test_widths_without_a_file_form_are_refused(bits: int) -> None:
    weight = random_weight(8, 16, 8, bits)
    assert weight.dequantize().shape == (8, 16)
    with pytest.raises(CheckpointError, match=f"{bits}-bit weights cannot be stored"):
        pack(weight)


@pytest.mark.parametrize(
    ("out_features", "in_features", "what"), [(12, 16, "12 outputs"), (8, 20, "20 inputs")]
)
def test_shapes_that_do_not_fill_words_are_refused_with_the_reason(
    out_features: int, in_features: int, what: str
) -> None:
    with pytest.raises(CheckpointError, match=f"{what} do not fill whole 32-bit words"):
        pack(random_weight(out_features, in_features, 8))


@pytest.mark.parametrize("zero", [0, 16])
def test_zero_points_that_loaders_disagree_on_are_refused(zero: int) -> None:
    weight = random_weight(8, 8, 8)
    weight.zero[3, 0] = zero
    with pytest.raises(CheckpointError, match="zero-points"):
        pack(weight)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0, -1.0, 1e6])
def test_unsound_scales_are_refused_by_both_directions(bad: float) -> None:
    weight = random_weight(8, 8, 8)
    tensors = pack(weight)
    tensors["scales"][0, 2] = bad
    weight.scale[2, 0] = bad
    with pytest.raises(CheckpointError, match="scale"):
        pack(weight)
    with pytest.raises(CheckpointError, match="scale"):
        unpack(tensors, bits=4, group_size=8)


def test_a_scale_that_float16_would_change_is_refused() -> None:
    weight = random_weight(8, 8, 8)
    weight.scale[0, 0] = 0.1  # not a float16 value
    with pytest.raises(CheckpointError, match="not representable in float16"):
        pack(weight)


def test_a_code_beyond_the_grid_is_refused() -> None:
    weight = random_weight(8, 8, 8)
    weight.codes[0, 0] = 16
    with pytest.raises(CheckpointError, match="code 16 does not fit"):
        pack(weight)


def test_activation_ordered_groups_are_refused() -> None:
    tensors = pack(random_weight(8, 16, 8))
    tensors["g_idx"] = tensors["g_idx"].flip(0)
    with pytest.raises(CheckpointError, match="desc_act"):
        unpack(tensors, bits=4, group_size=8)


def test_missing_and_misshapen_tensors_are_named() -> None:
    tensors = pack(random_weight(8, 16, 8))
    with pytest.raises(CheckpointError, match="lacks qzeros"):
        unpack(
            {name: tensors[name] for name in ("qweight", "scales", "g_idx")}, bits=4, group_size=8
        )
    with pytest.raises(CheckpointError, match="group size 16"):
        unpack(tensors, bits=4, group_size=16)
