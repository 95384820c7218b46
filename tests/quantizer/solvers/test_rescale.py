"""The rescaling step of RPIQ, and every step as the whole refinement runs it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import quantizer.solvers.gptq as gptq_module
import quantizer.solvers.rpiq as rpiq_module
from models.int4 import QuantizedWeight
from quantizer.solvers import rpiq as module
from quantizer.solvers.gptq import LayerProblem
from quantizer.solvers.grid import Grid, hessian_grid, minmax_grid, round_to_nearest
from quantizer.solvers.rpiq import BlockState, rescale_step

gptq = partial(gptq_module.gptq, damp_percent=0.01, act_order=True)
rpiq = partial(rpiq_module.rpiq, damp_percent=0.01, rounds=4)

MakeProblem = Callable[..., LayerProblem]
SHARES = (0.9, 0.95, 1.05, 1.1)
SMALLEST, LARGEST = 2.0**-24, 65504.0


def state_of(problem: LayerProblem, weight: QuantizedWeight) -> BlockState:
    scale, zero = Grid.of(weight).columns(problem.weight.shape[1])
    residual = (weight.dequantize() - problem.weight) @ problem.hessian
    return BlockState(
        weight.codes.float(), scale.clone(), zero, residual, problem.hessian, Grid.of(weight).top
    )


def groups_of(problem: LayerProblem, group_size: int, ridge: float) -> list[Any]:
    live = module._live_by_importance(problem.hessian)
    return module._groups(problem.hessian, live, group_size, ridge)


def ridge_of(problem: LayerProblem) -> float:
    diagonal = problem.hessian.diagonal()
    return 0.01 * float(diagonal[diagonal > 0].mean())


def row_errors(state: BlockState, problem: LayerProblem) -> Tensor:
    error = (state.value() - problem.weight).double()
    return (error @ problem.hessian.double() * error).sum(dim=1)


def check_storable(state: BlockState) -> None:
    assert bool(torch.isfinite(state.scale).all()) and bool((state.scale > 0).all())
    assert torch.equal(state.scale, state.scale.half().float())
    assert torch.equal(state.codes, state.codes.round())
    assert float(state.codes.min()) >= 0 and float(state.codes.max()) <= state.top


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize(
    ("columns", "group_size", "dead"),
    [
        (48, 16, ()),
        (64, 32, (2, 40)),
        (40, 16, (33, 39)),  # ragged, with dead columns in the short group
        (48, 16, tuple(range(16, 32))),  # a group that calibration never used
        (150, 150, (7,)),  # one group, wider than the usual block
    ],
)
def test_no_row_gets_worse_and_the_residual_stays_true(
    make_problem: MakeProblem,
    seed: int,
    bits: int,
    columns: int,
    group_size: int,
    dead: tuple[int, ...],
) -> None:
    problem = make_problem(12, columns, seed=seed, dead=dead)
    grid = minmax_grid(problem.weight, bits=bits, group_size=group_size, sym=False)
    state = state_of(problem, round_to_nearest(problem.weight, grid))
    groups = groups_of(problem, group_size, ridge_of(problem))
    old_scale, codes, first = state.scale.clone(), state.codes.clone(), row_errors(state, problem)
    before = first
    for _ in range(3):
        rescale_step(state, groups)
        after = row_errors(state, problem)
        assert bool((after <= before * (1 + 1e-6)).all())
        before = after
        check_storable(state)
        residual = (state.value() - problem.weight).double() @ problem.hessian.double()
        size = float(residual.abs().max())
        torch.testing.assert_close(state.residual.double(), residual, rtol=1e-4, atol=1e-5 * size)
    assert float(before.sum()) < 0.9 * float(first.sum())
    assert torch.equal(state.codes[:, list(dead)], codes[:, list(dead)])
    for start in range(0, columns, group_size):
        group = state.scale[:, start : start + group_size]
        assert torch.equal(group, group[:, :1].expand_as(group)), "one scale a group"
        if set(range(start, start + group_size)) <= set(dead):
            assert torch.equal(group, old_scale[:, start : start + group_size])
    moved = (state.scale != old_scale).any(dim=1)
    assert bool(moved.any())


def direct(
    problem: LayerProblem, value: Tensor, scale: Tensor, zero: Tensor, group_size: int, ridge: float
) -> tuple[Tensor, Tensor]:
    """One row, in float64: search all four scales of each group; return scale and value."""
    H, W = problem.hessian.double(), problem.weight[0].double()
    value, scale = value.double().clone(), scale.double().clone()
    for first in range(0, len(W), group_size):
        g = torch.arange(first, min(first + group_size, len(W)))
        g = g[torch.argsort(H.diagonal()[g], descending=True)]
        damped = H[g][:, g] + ridge * torch.eye(len(g)).double()
        optimum = value[g] - torch.linalg.solve(damped, H[g] @ (value - W))
        candidates = [(0.0, float(scale[first]), value[g])]
        for share in SHARES:
            s = float(torch.tensor(float(scale[first]) * share).half())
            work, inverse = optimum.clone(), torch.linalg.inv(damped)
            found = torch.zeros_like(work)
            for j in range(len(g)):
                code = torch.clamp(torch.round(work[j] / s) + zero[g[j]], 0, 15)
                found[j] = (code - zero[g[j]]) * s
                work -= (work[j] - found[j]) / inverse[j, j] * inverse[j]
                inverse = inverse - torch.outer(inverse[:, j], inverse[j]) / inverse[j, j]
                inverse[j, j] = 1.0
            d = found - value[g]
            change = float(2 * d @ (H[g] @ (value - W)) + d @ H[g][:, g] @ d)
            candidates.append((change, s, found))
        _, s, value[g] = min(candidates, key=lambda candidate: candidate[0])
        scale[first : first + group_size] = s
    return scale, value


@pytest.mark.parametrize("seed", range(30))
def test_it_is_a_direct_search_over_the_four_scales(make_problem: MakeProblem, seed: int) -> None:
    problem = make_problem(1, 10, seed=seed)
    grid = minmax_grid(problem.weight, bits=4, group_size=4, sym=False)
    state = state_of(problem, round_to_nearest(problem.weight, grid))
    ridge = ridge_of(problem)
    scale, value = direct(problem, state.value()[0], state.scale[0], state.zero[0], 4, ridge)
    rescale_step(state, groups_of(problem, 4, ridge))
    torch.testing.assert_close(state.scale[0].double(), scale, rtol=0, atol=0)
    torch.testing.assert_close(state.value()[0].double(), value, rtol=1e-6, atol=1e-9)


def test_nothing_moves_where_the_weight_is_met_exactly(make_problem: MakeProblem) -> None:
    drawn = make_problem(6, 32)
    grid = minmax_grid(drawn.weight, bits=4, group_size=16, sym=False)
    start = round_to_nearest(drawn.weight, grid)
    problem = LayerProblem(start.dequantize(), drawn.hessian, drawn.tokens)
    state = state_of(problem, start)
    rescale_step(state, groups_of(problem, 16, ridge_of(problem)))
    assert torch.equal(state.value(), start.dequantize())


@pytest.mark.parametrize("scale", [LARGEST, 62000.0, SMALLEST, 3 * SMALLEST])
@pytest.mark.parametrize("share", [0.9, 1.0, 1.1])
def test_scales_stay_in_fp16_at_its_limits(
    make_problem: MakeProblem, scale: float, share: float
) -> None:
    """The target asks for a scale beyond either end of what fp16 holds."""
    drawn = make_problem(8, 32)
    codes = torch.randint(0, 16, (8, 32), generator=torch.Generator().manual_seed(0))
    stored = torch.tensor(scale).half().float().expand(8, 2).clone()
    grid = Grid(stored, torch.full((8, 2), 7.0), group_size=16, bits=4)
    start = grid.weight(codes.to(torch.uint8))
    problem = LayerProblem(start.dequantize() * share, drawn.hessian, drawn.tokens)
    state = state_of(problem, start)
    before = row_errors(state, problem)
    rescale_step(state, groups_of(problem, 16, ridge_of(problem)))
    check_storable(state)
    assert bool(torch.isfinite(state.residual).all())
    after = row_errors(state, problem)
    assert bool((after <= before * (1 + 1e-6)).all())
    if share == 0.9 and scale >= 62000:
        assert bool((state.scale < stored[0, 0]).all()) and float(after.sum()) < float(before.sum())
    if share == 1.1 and scale == LARGEST:
        assert bool((state.scale <= LARGEST).all())
    refined = rpiq(problem, start)
    assert bool((refined.weight.scale > 0).all())
    assert bool(torch.isfinite(refined.weight.dequantize()).all())
    assert refined.trace[-1] <= refined.trace[0] * (1 + 1e-6)


@pytest.mark.parametrize(
    ("columns", "group_size"), [(256, 16), (256, 32), (300, 48), (320, 160), (300, 512)]
)
def test_no_step_of_a_whole_refinement_raises_any_row(
    make_problem: MakeProblem, monkeypatch: pytest.MonkeyPatch, columns: int, group_size: int
) -> None:
    """Every call is measured in float64 by the change of J that its block's change makes."""
    seen: dict[str, int] = {}

    def watch(name: str) -> None:
        original = getattr(module, name)

        def watched(state: BlockState, *rest: Any) -> None:
            H, residual = state.hessian.double(), state.residual.double()
            value = state.value().double()
            original(state, *rest)
            d = state.value().double() - value
            terms = 2 * d * residual + d * (d @ H)
            size = (2 * d * residual).abs().sum(dim=1) + 1e-30
            assert bool((terms.sum(dim=1) <= 1e-6 * size).all()), name
            drift = state.residual.double() - (residual + d @ H)
            assert float(drift.abs().max()) <= 1e-4 * float(residual.abs().max() + 1)
            assert float(state.codes.min()) >= 0 and float(state.codes.max()) <= 15, name
            seen[name] = seen.get(name, 0) + 1

        monkeypatch.setattr(module, name, watched)

    steps = ("block_step", "coordinate_step", "rescale_step", "refit_step")
    for name in steps:
        watch(name)
    dead = (1, 5, columns - 1)
    problem = make_problem(8, columns, tokens=900, dead=dead)
    grid = hessian_grid(problem.weight, problem.hessian, bits=4, group_size=group_size, sym=False)
    start = gptq(problem, grid).weight
    result = rpiq(problem, start)
    assert set(seen) == set(steps)
    blocks, rounds = len(module.column_blocks(columns, group_size)), len(result.trace) - 1
    assert seen["block_step"] == seen["refit_step"] == blocks * rounds
    assert seen["rescale_step"] == blocks
    scale = result.weight.scale
    assert scale.shape == (8, -(-columns // group_size))
    assert torch.equal(scale, scale.half().float()) and bool((scale > 0).all())
    assert torch.equal(result.weight.zero, grid.zero)
    assert result.trace[-1] < result.trace[0]


def test_rescaling_leaves_optima_that_the_other_steps_cannot(
    make_problem: MakeProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not a law, only what the step is there for: J after all rounds, with it and without.
    ratios = []
    for seed in range(4):
        problem = make_problem(16, 128, tokens=600, seed=seed)
        start = gptq(problem, minmax_grid(problem.weight, bits=3, group_size=32, sym=False)).weight
        with_it = rpiq(problem, start).trace[-1]
        with monkeypatch.context() as patch:
            patch.setattr(module, "_RESCALING_ROUNDS", 0)
            ratios.append(with_it / rpiq(problem, start).trace[-1])
    assert max(ratios) < 1.0
    assert sum(ratios) / 4 < 0.99
