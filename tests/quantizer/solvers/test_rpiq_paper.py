"""RPIQ as published: the literal iteration, and what its result is on and off the grid."""

from functools import partial

import pytest
import torch
from torch import Tensor

import quantizer.solvers.gptq as gptq_module
import quantizer.solvers.rpiq_paper as rpiq_paper_module
from models.int4 import QuantizedWeight
from quantizer.errors import SettingsError
from quantizer.solvers.gptq import LayerProblem
from quantizer.solvers.grid import Grid, minmax_grid, nearest_code, round_to_nearest
from quantizer.solvers.hessian import mean_diagonal, output_error
from quantizer.solvers.rpiq_paper import HessianChoice, PaperResult

gptq = partial(gptq_module.gptq, damp_percent=0.01, act_order=True)
rpiq_paper = partial(rpiq_paper_module.rpiq_paper, rounds=5, hessian="last", damp_percent=0.01)

GROUP = 16
ALL_ROUNDS_SHARE = 1 - 0.99**5  # 4.9 %: what five steps of 1 % add up to


def draw(
    *,
    out: int = 12,
    columns: int = 48,
    tokens: int = 200,
    dead: tuple[int, ...] = (),
    seed: int = 0,
) -> tuple[LayerProblem, Tensor, Tensor]:
    """A problem over three batches, the last batch, and a held-out Hessian."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.eye(columns) + 0.4 * torch.randn(columns, columns, generator=generator)
    inputs = torch.randn(4 * tokens, columns, generator=generator) @ mixing
    inputs[:, list(dead)] = 0
    weight = torch.randn(out, columns, generator=generator) * 0.1
    fit, unseen = inputs[: 3 * tokens], inputs[3 * tokens :]
    problem = LayerProblem(weight, fit.T @ fit / len(fit), len(fit))
    return problem, fit[-tokens:], unseen.T @ unseen / tokens


def start_of(problem: LayerProblem, bits: int = 4) -> QuantizedWeight:
    grid = minmax_grid(problem.weight, bits=bits, group_size=GROUP, sym=False)
    return gptq(problem, grid, act_order=False).weight


def literal(
    problem: LayerProblem,
    start: QuantizedWeight,
    X: Tensor,
    *,
    rounds: int,
    step: float,
    hessian: HessianChoice,
    damp_percent: float,
) -> tuple[Tensor, list[float]]:
    """The published iteration word for word, with activations, in float64; per-token Γ."""
    X = X.double()
    W, B = problem.weight.double(), start.dequantize().double()
    whole = X.T @ X / len(X) if hessian == "last" else problem.hessian.double()
    ridge = damp_percent * mean_diagonal(whole)
    scale, zero = (part.double() for part in Grid.of(start).columns(W.shape[1]))
    Y, Y_q = X @ W.T, X @ B.T
    trace = [float((Y - Y_q).square().sum()) / len(X)]
    for _ in range(rounds):
        for first in range(0, W.shape[1], GROUP):
            i = slice(first, first + GROUP)
            H_i = len(X) * (whole[i, i] + ridge * torch.eye(whole[i, i].shape[0]).double())
            D_i = Y - (Y_q - X[:, i] @ B[:, i].T)
            optimum = torch.linalg.solve(H_i, X[:, i].T @ D_i).T
            codes = nearest_code(optimum, scale[:, i], zero[:, i], Grid.of(start).top)
            new = B[:, i] + step * ((codes - zero[:, i]) * scale[:, i] - B[:, i])
            Y_q += X[:, i] @ (new - B[:, i]).T
            B[:, i] = new
        trace.append(float((Y - Y_q).square().sum()) / len(X))
    return B, trace


@pytest.mark.parametrize("hessian", ["last", "global"])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_published_iteration(hessian: HessianChoice, seed: int) -> None:
    problem, last, _ = draw(seed=seed)
    start = start_of(problem)
    result = rpiq_paper(problem, start, last, None, hessian=hessian)
    kept = result.report.kept_round
    assert kept >= 4
    expected, trace = literal(
        problem, start, last, rounds=kept, step=0.01, hessian=hessian, damp_percent=0.01
    )
    torch.testing.assert_close(result.off_grid.double(), expected, rtol=0, atol=1e-6)
    assert result.trace[: kept + 1] == pytest.approx(trace, rel=1e-4)


def test_a_full_step_on_a_fine_grid_is_block_least_squares() -> None:
    # The errors that the first block must make up for lie in the others, on a coarse grid.
    problem, last, _ = draw(columns=32)
    fine = minmax_grid(3 * problem.weight, bits=8, group_size=GROUP, sym=False)
    start = round_to_nearest(problem.weight + 0.05, fine)
    result = rpiq_paper(problem, start, last, None, rounds=1, step=1.0, damp_percent=0.0)
    G = last.double().T @ last.double() / len(last)
    E = start.dequantize().double() - problem.weight.double()
    for first in range(0, 32, GROUP):
        i = slice(first, first + GROUP)
        optimum = E[:, i] - torch.linalg.solve(G[i, i], (E @ G)[:, i].T).T
        got = result.off_grid[:, i].double() - problem.weight[:, i].double()
        halfway = 0.5 * fine.scale[:, first // GROUP].double()
        assert bool(((got - optimum).abs() <= halfway[:, None] * 1.001).all())
        E[:, i] = got
    assert result.trace[1] < 0.2 * result.trace[0]


def test_five_steps_of_a_hundredth_go_a_twentieth_of_the_way() -> None:
    # One block and no damping: its optimum is the weight itself in every round.
    problem, last, _ = draw(columns=GROUP)
    grid = minmax_grid(problem.weight, bits=3, group_size=GROUP, sym=False)
    start = start_of(problem, bits=3)
    goal = round_to_nearest(problem.weight, grid)
    way = goal.dequantize() - start.dequantize()
    assert int((way != 0).sum()) > 20
    # The last batch sees all columns alike, so that rounding to nearest is what lowers Γ.
    last = torch.linalg.qr(last).Q * 10
    result = rpiq_paper(problem, start, last, None, damp_percent=0.0)
    assert result.report.kept_round == 5
    torch.testing.assert_close(
        result.off_grid - start.dequantize(), ALL_ROUNDS_SHARE * way, rtol=1e-4, atol=1e-6
    )
    assert torch.equal(result.weight.codes, start.codes)


@pytest.mark.parametrize("bits", [3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_gamma_falls_off_the_grid_and_the_codes_stay(seed: int, bits: int) -> None:
    problem, last, held_out = draw(seed=seed)
    start = start_of(problem, bits)
    report = rpiq_paper(problem, start, last, held_out).report
    assert report.off_grid.last < report.start.last
    assert report.codes_changed < 0.01
    assert report.on_grid.last == pytest.approx(report.start.last, rel=0.02)
    assert report.grid_trace[report.kept_round] == pytest.approx(report.on_grid.last, rel=1e-4)


def full_steps(seed: int, rounds: int = 30) -> PaperResult:
    problem, last, held_out = draw(seed=seed)
    return rpiq_paper(problem, start_of(problem, 2), last, held_out, rounds=rounds, step=1.0)


@pytest.mark.parametrize("seed", range(3))
def test_it_stops_when_gamma_no_longer_falls_and_restores_the_best(seed: int) -> None:
    result = full_steps(seed)
    report = result.report
    assert report.rounds < 30  # whole steps on a coarse grid settle or turn worse
    assert report.kept_round == report.rounds - 1
    assert report.trace[-1] >= report.trace[report.kept_round]
    falling = report.trace[: report.kept_round + 1]
    assert list(falling) == sorted(falling, reverse=True)
    assert report.off_grid.last == pytest.approx(min(report.trace), rel=1e-4)
    again = full_steps(seed, rounds=max(report.kept_round, 1))
    if report.kept_round:
        assert torch.equal(again.off_grid, result.off_grid)


def test_the_report_measures_what_is_returned() -> None:
    problem, last, held_out = draw()
    start = start_of(problem)
    result = rpiq_paper(problem, start, last, held_out, step=1.0)
    G = last.T @ last / len(last)
    for errors, weight in (
        (result.report.start, start.dequantize()),
        (result.report.off_grid, result.off_grid),
        (result.report.on_grid, result.weight.dequantize()),
    ):
        change = weight - problem.weight
        assert errors.last == pytest.approx(output_error(change, G), rel=1e-5)
        assert errors.all == pytest.approx(output_error(change, problem.hessian), rel=1e-5)
        assert errors.held_out == pytest.approx(output_error(change, held_out), rel=1e-5)
    changed = result.weight.codes != start.codes
    assert result.report.codes_changed == pytest.approx(float(changed.float().mean()))
    assert result.report.to_dict()["on_grid"]["last"] == result.report.on_grid.last


@pytest.mark.parametrize("hessian", ["last", "global"])
def test_columns_without_inputs_keep_their_value(hessian: HessianChoice) -> None:
    problem, last, _ = draw(dead=(3, 20))
    last = last.clone()
    last[:, 40] = 0  # used by earlier batches, not by the last
    grid = minmax_grid(3 * problem.weight, bits=8, group_size=GROUP, sym=False)
    start = round_to_nearest(problem.weight + 0.05, grid)  # far enough off to be worth moving
    result = rpiq_paper(problem, start, last, None, step=1.0, hessian=hessian)
    untouched = [3, 20, 40]
    assert torch.equal(result.weight.codes[:, untouched], start.codes[:, untouched])
    assert torch.equal(result.off_grid[:, untouched], start.dequantize()[:, untouched])
    assert result.report.codes_changed > 0.5


def test_a_ragged_last_group_and_a_batch_without_any_input() -> None:
    problem, last, _ = draw(columns=40)
    assert rpiq_paper(problem, start_of(problem), last, None).trace[-1] > 0
    start = start_of(problem)
    silent = rpiq_paper(problem, start, torch.zeros(5, 40), None)
    assert torch.equal(silent.weight.codes, start.codes)
    assert silent.report.kept_round == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [({"rounds": 0}, "rounds 0"), ({"step": 0.0}, "step 0.0"), ({"step": 1.5}, "step 1.5")],
)
def test_numbers_out_of_range_are_named(change: dict[str, float], words: str) -> None:
    problem, last, _ = draw()
    with pytest.raises(SettingsError, match=words):
        rpiq_paper(problem, start_of(problem), last, None, **change)  # type: ignore[arg-type]


def test_a_batch_without_tokens_is_refused() -> None:
    problem, last, _ = draw()
    with pytest.raises(SettingsError, match="has no token"):
        rpiq_paper(problem, start_of(problem), last[:0], None)
