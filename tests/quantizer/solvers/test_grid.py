"""The grid: ranges, zero points, fp16 scales, rounding."""

import pytest
import torch

from quantizer.errors import SettingsError, WeightError
from quantizer.solvers.grid import Grid, hessian_grid, minmax_grid, round_to_nearest


def weights(kind: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    normal = torch.randn(6, 40, generator=generator)
    return {
        "normal": normal,
        "positive": normal.abs() + 0.1,
        "negative": -normal.abs() - 0.1,
        "tiny": normal * 1e-9,
        "large": normal * 1e4,
        "almost positive": normal.abs() - 1e-3,
    }[kind]


KINDS = ["normal", "positive", "negative", "tiny", "large", "almost positive"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sym", [False, True])
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_zero_points_and_scales_can_be_stored(kind: str, sym: bool, bits: int) -> None:
    grid = minmax_grid(weights(kind), bits=bits, group_size=16, sym=sym)
    assert grid.scale.shape == grid.zero.shape == (6, 3)
    assert torch.equal(grid.scale.half().float(), grid.scale)
    assert bool((grid.scale > 0).all())
    assert torch.equal(grid.zero, grid.zero.round())
    assert float(grid.zero.min()) >= 1
    assert float(grid.zero.max()) <= 2**bits - 1
    if sym:
        assert bool((grid.zero == 2 ** (bits - 1)).all())


@pytest.mark.parametrize("kind", ["normal", "positive", "negative", "large", "almost positive"])
def test_rounding_error_is_at_most_half_a_step(kind: str) -> None:
    weight = weights(kind)
    quantized = round_to_nearest(weight, minmax_grid(weight, bits=4, group_size=8, sym=False))
    step = Grid.of(quantized).columns(40)[0]
    # Rounding the zero point and the scale can each push an end of the range out by a little
    # more than half a step; nothing may be further off than one step.
    error = (quantized.dequantize() - weight).abs() / step
    assert float(error.max()) <= 1.0
    assert float(error.median()) <= 0.5
    assert int(quantized.codes.max()) <= 15


def test_a_group_without_negative_values_uses_zero_point_one() -> None:
    weight = torch.tensor([[0.0, 1.4, 0.7, 0.1]])
    grid = minmax_grid(weight, bits=4, group_size=4, sym=False)
    assert grid.zero.item() == 1
    assert grid.scale.item() == pytest.approx(0.1, rel=1e-3)
    codes = round_to_nearest(weight, grid).codes
    assert codes.tolist() == [[1, 15, 8, 2]]


def test_worked_example() -> None:
    # Range -1 .. 2 on 2 bits: scale 1, zero 1; -0.4 rounds to 0 and 1.6 to 2.
    weight = torch.tensor([[-1.0, 2.0, -0.4, 1.6]])
    quantized = round_to_nearest(weight, minmax_grid(weight, bits=2, group_size=4, sym=False))
    assert quantized.scale.item() == 1
    assert quantized.zero.item() == 1
    assert quantized.codes.tolist() == [[0, 3, 1, 3]]
    assert quantized.dequantize().tolist() == [[-1.0, 2.0, 0.0, 2.0]]


@pytest.mark.parametrize("value", [0.37, -0.37, 0.0, 3.0, -250.0])
def test_equal_groups_and_zero_rows_round_trip(value: float) -> None:
    weight = torch.full((2, 20), value)
    quantized = round_to_nearest(weight, minmax_grid(weight, bits=4, group_size=8, sym=False))
    torch.testing.assert_close(quantized.dequantize(), weight, rtol=2**-10, atol=0)


def test_symmetric_zero_rows_round_trip() -> None:
    weight = torch.zeros(2, 8)
    quantized = round_to_nearest(weight, minmax_grid(weight, bits=4, group_size=8, sym=True))
    assert torch.equal(quantized.dequantize(), weight)


def test_ragged_last_group_has_its_own_scale() -> None:
    weight = torch.cat([torch.ones(1, 8), 100 * torch.ones(1, 3)], dim=1)
    grid = minmax_grid(weight, bits=4, group_size=8, sym=False)
    assert grid.scale.shape == (1, 2)
    assert float(grid.scale[0, 1] / grid.scale[0, 0]) == pytest.approx(100, rel=1e-2)


@pytest.mark.parametrize("sym", [False, True])
def test_hessian_grid_never_costs_more_than_minmax(sym: bool) -> None:
    generator = torch.Generator().manual_seed(5)
    weight = torch.randn(16, 40, generator=generator)
    inputs = torch.randn(300, 40, generator=generator) @ torch.randn(40, 40, generator=generator)
    hessian = inputs.T @ inputs / 300
    plain = minmax_grid(weight, bits=3, group_size=16, sym=sym)
    searched = hessian_grid(weight, hessian, bits=3, group_size=16, sym=sym)

    def block_costs(grid: Grid) -> list[torch.Tensor]:
        error = round_to_nearest(weight, grid).dequantize() - weight
        return [
            (inputs[:, start : start + 16] @ error[:, start : start + 16].T).square().sum(dim=0)
            for start in (0, 16, 32)
        ]

    pairs = list(zip(block_costs(searched), block_costs(plain), strict=True))
    assert all(bool((new <= old * (1 + 1e-5)).all()) for new, old in pairs)
    assert sum(float(new.sum()) for new, _ in pairs) < 0.95 * sum(
        float(old.sum()) for _, old in pairs
    )
    assert torch.equal(searched.scale.half().float(), searched.scale)
    assert float(searched.zero.min()) >= 1
    assert float((searched.scale / plain.scale).min()) >= 0.69


def test_hessian_grid_without_statistics_is_minmax() -> None:
    weight = weights("normal")
    plain = minmax_grid(weight, bits=4, group_size=16, sym=False)
    searched = hessian_grid(weight, torch.zeros(40, 40), bits=4, group_size=16, sym=False)
    assert torch.equal(plain.scale, searched.scale)
    assert torch.equal(plain.zero, searched.zero)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 3e6])
def test_unrepresentable_weights_are_refused(bad: float) -> None:
    with pytest.raises(WeightError):
        minmax_grid(torch.tensor([[bad, 1.0]]), bits=4, group_size=2, sym=False)


@pytest.mark.parametrize(("bits", "group_size"), [(1, 8), (9, 8), (4, 0)])
def test_impossible_settings_are_refused(bits: int, group_size: int) -> None:
    with pytest.raises(SettingsError):
        minmax_grid(torch.ones(2, 8), bits=bits, group_size=group_size, sym=False)
