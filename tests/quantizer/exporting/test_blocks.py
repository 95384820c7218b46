"""Blocks hold the very codes; what float16 costs stays within the bound that is stated."""

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from models.int4.weight import QuantizedWeight
from quantizer.errors import ExportError
from quantizer.exporting.blocks import block_kind, check_groups, most_rounding, pack_blocks


def weight(
    bits: int = 4,
    group_size: int = 64,
    in_features: int = 256,
    *,
    sym: bool = False,
    spread: float = 8.0,
    half: bool = True,
) -> QuantizedWeight:
    """Random codes on a random grid; spread: of the scales, in powers of two."""
    generator = torch.Generator().manual_seed(in_features + group_size)
    groups = -(-in_features // group_size)
    codes = torch.randint(0, 2**bits, (24, in_features), generator=generator, dtype=torch.uint8)
    scale = 2.0 ** (torch.randn(24, groups, generator=generator) * spread / 3 - 6)
    zero = torch.randint(1, 2**bits, (24, groups), generator=generator, dtype=torch.int32)
    if sym:
        zero = torch.full_like(zero, 2 ** (bits - 1))
    return QuantizedWeight(codes, scale.half().float() if half else scale, zero, group_size, bits)


def read_back(packed: torch.Tensor, kind: str) -> torch.Tensor:
    """What llama.cpp's own Python package makes of the blocks."""
    return torch.from_numpy(dequantize(packed.numpy(), GGMLQuantizationType[kind]))


def meant(quantized: QuantizedWeight) -> torch.Tensor:
    """The weight by its definition, in float64."""
    out_features, in_features = quantized.codes.shape
    dense = torch.empty(out_features, in_features, dtype=torch.float64)
    for column in range(in_features):
        group = column // quantized.group_size
        scale, zero = quantized.scale[:, group].double(), quantized.zero[:, group].double()
        dense[:, column] = scale * (quantized.codes[:, column].double() - zero)
    return dense


@pytest.mark.parametrize(("group_size", "in_features"), [(32, 256), (64, 256), (128, 416)])
def test_only_the_minimum_is_rounded(group_size: int, in_features: int) -> None:
    quantized = weight(group_size=group_size, in_features=in_features)
    packed = pack_blocks(quantized, block_kind(4, quantized.zero))
    assert packed.shape == (24, in_features // 32 * 20)
    difference = (read_back(packed, "Q4_1").double() - meant(quantized)).abs()
    scale, zero = (
        one.repeat_interleave(group_size, 1)[:, :in_features].double()
        for one in (quantized.scale, quantized.zero)
    )
    # Half a unit of float16's last place in scale·zero, and of float32's in the sum.
    half_unit = (scale * zero * 2.0**-11).clamp_min(2.0**-25)
    assert bool((difference <= half_unit + scale * 30 * 2.0**-24).all())
    assert float(difference.max()) > 0
    bound = most_rounding(quantized).repeat_interleave(32, 1).double()
    assert bool((difference <= bound).all())
    assert bool((bound <= half_unit * 1.001 + scale * 31 * 2.0**-24).all())
    # Far below a step of the grid, whatever the zero-point.
    assert float((difference / scale)[scale > 2**-14].max()) < 15 * 2**-11


def test_powers_of_two_as_zero_points_cost_nothing() -> None:
    quantized = weight(spread=2.0)
    zero = torch.tensor([1, 2, 4, 8], dtype=torch.int32).repeat(24, 1)
    quantized = QuantizedWeight(quantized.codes, quantized.scale, zero, 64)
    read = read_back(pack_blocks(quantized, "Q4_1"), "Q4_1")
    assert torch.equal(read.double(), meant(quantized))


@pytest.mark.parametrize(("bits", "kind", "block_bytes"), [(4, "Q4_0", 18), (8, "Q8_0", 34)])
def test_symmetric_weights_are_exact(bits: int, kind: str, block_bytes: int) -> None:
    quantized = weight(bits, sym=True)
    assert block_kind(bits, quantized.zero) == kind
    packed = pack_blocks(quantized, kind)
    assert packed.shape == (24, 8 * block_bytes)
    assert torch.equal(read_back(packed, kind).double(), meant(quantized))


@pytest.mark.parametrize(("bits", "sym"), [(4, False), (4, True), (8, True)])
def test_scales_of_other_tools_stay_within_the_bound(bits: int, sym: bool) -> None:
    quantized = weight(bits, sym=sym, half=False)
    kind = block_kind(bits, quantized.zero)
    difference = (read_back(pack_blocks(quantized, kind), kind).double() - meant(quantized)).abs()
    bound = most_rounding(quantized).repeat_interleave(32, 1).double()
    assert bool((difference <= bound).all())
    assert float((difference / bound).max()) > 0.5


def test_the_bytes_of_one_block_by_hand() -> None:
    codes = torch.arange(32, dtype=torch.uint8).remainder(16)[None]
    quantized = QuantizedWeight(
        codes, torch.tensor([[0.5]]), torch.tensor([[3]], dtype=torch.int32), 32
    )
    (packed,) = pack_blocks(quantized, "Q4_1").tolist()
    halves = np.array([0.5, -1.5], np.float16).tobytes()
    assert bytes(packed[:4]) == halves
    # Element j in the low half, element j + 16 in the high half: here both are j.
    assert packed[4:] == [j * 17 for j in range(16)]


def test_what_has_no_blocks_is_refused() -> None:
    with pytest.raises(ExportError, match="8 bits with zero-points of their own"):
        block_kind(8, weight(8).zero)
    for group_size, in_features in ((16, 256), (48, 256)):
        with pytest.raises(ExportError, match=f"groups of {group_size} inputs do not divide"):
            check_groups(in_features, group_size)
    with pytest.raises(ExportError, match="100 inputs do not divide"):
        check_groups(100, 128)
    check_groups(96, 96)
    check_groups(96, 128)
    ordered = weight()
    permuted = QuantizedWeight(
        ordered.codes, ordered.scale, ordered.zero, 64, 4, torch.randperm(256)
    )
    with pytest.raises(ExportError, match="g_idx"):
        pack_blocks(permuted, "Q4_1")
    large = QuantizedWeight(ordered.codes, ordered.scale * 0 + 60000.0, ordered.zero, 64)
    with pytest.raises(ExportError, match="beyond what float16 holds"):
        pack_blocks(large, "Q4_1")


@pytest.mark.parametrize("group_size", [32, 64])
def test_three_bits_are_held_by_four(group_size: int) -> None:
    quantized = weight(3, group_size)
    assert block_kind(3, quantized.zero) == "Q4_1"
    packed = pack_blocks(quantized, "Q4_1")
    difference = (read_back(packed, "Q4_1").double() - meant(quantized)).abs()
    bound = most_rounding(quantized).repeat_interleave(32, 1).double()
    assert bool((difference <= bound).all()) and float(difference.max()) > 0
    scale = quantized.scale.repeat_interleave(group_size, 1).double()
    assert float((difference / scale)[scale > 2**-14].max()) < 7 * 2**-11


def test_symmetric_three_bits_lose_nothing() -> None:
    quantized = weight(3, sym=True)
    assert block_kind(3, quantized.zero) == "Q4_0"
    packed = pack_blocks(quantized, "Q4_0")
    assert torch.equal(read_back(packed, "Q4_0").double(), meant(quantized))
