"""GPTQ against a textbook recursion, and the properties its users rely on."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

import quantizer.solvers.gptq as gptq_module
from quantizer.errors import CalibrationError
from quantizer.solvers.gptq import Factors, LayerProblem, ordered_factor
from quantizer.solvers.grid import Grid, minmax_grid, round_to_nearest
from quantizer.solvers.hessian import output_error

gptq = partial(gptq_module.gptq, damp_percent=0.01, act_order=True)


def textbook(weight: torch.Tensor, hessian: torch.Tensor, grid: Grid, ridge: float) -> torch.Tensor:
    """Optimal-brain recursion in float64: eliminate one column of H⁻¹ after the other."""
    work = weight.double().clone()
    inverse = torch.linalg.inv(hessian.double() + ridge * torch.eye(len(hessian)).double())
    scale, zero = (part.double() for part in grid.columns(weight.shape[1]))
    quantized = torch.zeros_like(work)
    for j in range(weight.shape[1]):
        code = torch.clamp(torch.round(work[:, j] / scale[:, j]) + zero[:, j], 0, grid.top)
        quantized[:, j] = (code - zero[:, j]) * scale[:, j]
        error = (work[:, j] - quantized[:, j]) / inverse[j, j]
        work -= torch.outer(error, inverse[j])
        inverse = inverse - torch.outer(inverse[:, j], inverse[j]) / inverse[j, j]
        inverse[j, j] = 1.0
    return quantized.float()


@pytest.mark.parametrize(("in_features", "slab"), [(24, 512), (300, 512), (300, 256), (300, 128)])
def test_equals_the_textbook_recursion(
    make_problem: Callable[..., LayerProblem],
    in_features: int,
    slab: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("quantizer.solvers.gptq._SLAB_COLUMNS", slab)
    problem = make_problem(5, in_features, tokens=900)
    grid = minmax_grid(problem.weight, bits=4, group_size=16, sym=False)
    result = gptq(problem, grid, damp_percent=0.01, act_order=False)
    ridge = 0.01 * float(problem.hessian.diagonal().mean())
    expected = textbook(problem.weight, problem.hessian, grid, ridge)
    same = (result.weight.dequantize() - expected).abs() < 1e-6
    assert float(same.float().mean()) > 0.99
    assert result.damp_percent == pytest.approx(0.01)


def test_activation_order_equals_permuting_the_problem(
    make_problem: Callable[..., LayerProblem],
) -> None:
    problem = make_problem(5, 32)
    grid = minmax_grid(problem.weight, bits=4, group_size=8, sym=False)
    order = torch.argsort(problem.hessian.diagonal(), descending=True)
    permuted_grid = Grid(*(part[:, order] for part in grid.columns(32)), group_size=1, bits=4)
    permuted = gptq(
        LayerProblem(problem.weight[:, order], problem.hessian[order][:, order], problem.tokens),
        permuted_grid,
        act_order=False,
    )
    direct = gptq(problem, grid, act_order=True)
    assert torch.equal(direct.weight.codes[:, order], permuted.weight.codes)


@pytest.mark.parametrize("act_order", [True, False])
def test_output_error_falls_well_below_rounding(
    make_problem: Callable[..., LayerProblem], act_order: bool
) -> None:
    problem = make_problem(32, 96)
    grid = minmax_grid(problem.weight, bits=4, group_size=32, sym=False)
    nearest = output_error(
        round_to_nearest(problem.weight, grid).dequantize() - problem.weight, problem.hessian
    )
    solved = gptq(problem, grid, act_order=act_order).weight
    assert output_error(solved.dequantize() - problem.weight, problem.hessian) < 0.7 * nearest


def test_uncorrelated_inputs_leave_nothing_to_feed_back(
    make_problem: Callable[..., LayerProblem],
) -> None:
    problem = LayerProblem(make_problem(8, 24).weight, torch.eye(24), 100)
    grid = minmax_grid(problem.weight, bits=4, group_size=8, sym=False)
    solved = gptq(problem, grid).weight
    assert torch.equal(solved.codes, round_to_nearest(problem.weight, grid).codes)


def test_dead_columns_keep_their_nearest_code_and_disturb_nobody(
    make_problem: Callable[..., LayerProblem],
) -> None:
    dead = (3, 17, 30)
    alive = [k for k in range(32) if k not in dead]
    problem = make_problem(6, 32, dead=dead)
    grid = minmax_grid(problem.weight, bits=4, group_size=8, sym=False)
    solved = gptq(problem, grid).weight
    nearest = round_to_nearest(problem.weight, grid)
    assert torch.equal(solved.codes[:, list(dead)], nearest.codes[:, list(dead)])
    assert bool((solved.dequantize()[:, list(dead)] != 0).any())
    reduced = gptq(
        LayerProblem(problem.weight[:, alive], problem.hessian[alive][:, alive], 400),
        Grid(*(part[:, alive] for part in grid.columns(32)), group_size=1, bits=4),
    ).weight
    assert torch.equal(solved.codes[:, alive], reduced.codes)


def test_without_any_statistics_rounding_remains(make_problem: Callable[..., LayerProblem]) -> None:
    problem = LayerProblem(make_problem(4, 8).weight, torch.zeros(8, 8), 0)
    grid = minmax_grid(problem.weight, bits=4, group_size=8, sym=False)
    assert torch.equal(
        gptq(problem, grid).weight.codes, round_to_nearest(problem.weight, grid).codes
    )


def test_raised_damping_is_reported_and_hopeless_input_refused() -> None:
    weight = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    grid = minmax_grid(weight, bits=4, group_size=3, sym=False)
    near_singular = torch.tensor([[1.0, 1.02, 0.0], [1.02, 1.0, 0.0], [0.0, 0.0, 1.0]])
    result = gptq(LayerProblem(weight, near_singular, 10), grid, damp_percent=0.01)
    assert result.damp_percent == pytest.approx(0.1)
    hopeless = torch.tensor([[1.0, 90.0, 0.0], [90.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    with pytest.raises(CalibrationError):
        gptq(LayerProblem(weight, hopeless, 10), grid, damp_percent=0.01)


@pytest.mark.parametrize("act_order", [True, False])
@pytest.mark.parametrize("dead", [(), (3, 17)])
def test_layers_that_share_a_hessian_share_its_factor_bit_for_bit(
    make_problem: Callable[..., LayerProblem],
    monkeypatch: pytest.MonkeyPatch,
    act_order: bool,
    dead: tuple[int, ...],
) -> None:
    """Query, key and value of different heights, at the two dampings of scarce tokens."""
    hessian = make_problem(1, 48, dead=dead).hessian
    weights = [make_problem(rows, 48, seed=rows).weight for rows in (16, 8, 4)]

    def solve(factors: list[Factors]) -> list[torch.Tensor]:
        found = []
        for weight, known in zip(weights, factors, strict=True):
            grid = minmax_grid(weight, bits=4, group_size=16, sym=False)
            for damp_percent in (0.01, 0.1):
                problem = LayerProblem(weight, hessian, 400, factors=known)
                result = gptq(problem, grid, damp_percent=damp_percent, act_order=act_order)
                assert result.damp_percent == pytest.approx(damp_percent)
                found.append(result.weight.codes)
        return found

    calls: list[object] = []
    original = torch.linalg.cholesky_ex
    monkeypatch.setattr(
        torch.linalg, "cholesky_ex", lambda matrix: calls.append(matrix) or original(matrix)
    )
    alone = solve([{}, {}, {}])
    assert len(calls) == 6
    shared: Factors = {}
    together = solve([shared, shared, shared])
    assert len(calls) == 8
    assert set(shared) == {(0.01, act_order), (0.1, act_order)}
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)


def test_an_order_by_importance_and_none_are_different_factors(
    make_problem: Callable[..., LayerProblem],
) -> None:
    problem = make_problem(4, 24)
    ordered, plain = (
        ordered_factor(problem.hessian, problem.factors, damp_percent=0.01, act_order=order)
        for order in (True, False)
    )
    assert ordered is not None and plain is not None
    assert plain.order.tolist() == list(range(24))
    diagonal = problem.hessian.diagonal()[ordered.order]
    assert torch.equal(diagonal, diagonal.sort(descending=True).values)
    assert ordered_factor(torch.zeros(4, 4), {}, damp_percent=0.01, act_order=True) is None
