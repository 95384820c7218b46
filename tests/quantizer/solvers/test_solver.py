"""Stages, gate and few-token rule of one layer."""

from collections.abc import Callable

import pytest
import torch

import quantizer.solvers.solver as solver
from models.errors import CheckpointError
from quantizer.solvers.gptq import LayerProblem
from quantizer.solvers.grid import minmax_grid, round_to_nearest
from quantizer.solvers.methods import Method, Settings
from quantizer.solvers.solver import Solution, propose, solve

MakeProblem = Callable[..., LayerProblem]


def settings(method: Method, **changes: object) -> Settings:
    return Settings(method=method, group_size=16, **changes)  # type: ignore[arg-type]


def measured(solution: Solution, hessian: torch.Tensor, weight: torch.Tensor) -> float:
    error = (solution.chosen.weight.dequantize() - weight).double()
    return float((error @ hessian.double() * error).sum())


def test_methods_order_as_expected(make_problem: MakeProblem) -> None:
    problem = make_problem(16, 64)
    held_out = make_problem(16, 64).hessian  # the same distribution
    found = {
        method: measured(
            solve(problem, held_out, settings(method)), problem.hessian, problem.weight
        )
        for method in ("rtn", "gptq", "rpiq")
    }
    assert found["rpiq"] < 0.95 * found["gptq"]
    assert found["gptq"] < 0.8 * found["rtn"]


def test_stages_are_reported_in_order(make_problem: MakeProblem) -> None:
    problem = make_problem(16, 64)
    solution = solve(problem, problem.hessian, settings("rpiq"))
    assert [stage.name for stage in solution.stages] == ["rtn", "grid", "gptq", "rpiq"]
    errors = [stage.error or 0.0 for stage in solution.stages]
    assert errors == sorted(errors, reverse=True)
    assert solution.chosen.name == "rpiq"
    assert solution.chosen.rounds is not None and 1 <= solution.chosen.rounds <= 4
    assert all(stage.codes_changed > 0 for stage in solution.stages[1:])
    for stage in solution.stages:
        delta = stage.weight.dequantize() - problem.weight
        expected = float((delta @ problem.hessian * delta).sum())
        assert stage.error == pytest.approx(expected, rel=1e-4)
    plain = minmax_grid(problem.weight, bits=4, group_size=16, sym=False)
    nearest = round_to_nearest(problem.weight, plain)
    assert torch.equal(solution.stages[0].weight.dequantize(), nearest.dequantize())


@pytest.mark.parametrize("seed", range(6))
def test_the_gate_never_keeps_what_is_worse_on_held_out_data(
    make_problem: MakeProblem, seed: int
) -> None:
    problem = make_problem(8, 32, seed=seed)
    # Held-out inputs of another distribution: fitting the calibration data does not help there.
    foreign = make_problem(8, 32, seed=seed + 100).hessian
    solution = solve(problem, foreign, settings("rpiq"))
    kept = measured(solution, foreign, problem.weight)
    for stage in solution.stages:
        delta = stage.weight.dequantize() - problem.weight
        assert kept <= float((delta @ foreign * delta).sum()) * (1 + 1e-5)


def test_the_gate_refuses_an_overfitted_layer(make_problem: MakeProblem) -> None:
    # Held-out inputs weigh just the columns that calibration left out of account.
    problem = make_problem(8, 32)
    hessian = problem.hessian.clone()
    hessian[16:, :] *= 1e-4
    hessian[:, 16:] *= 1e-4
    problem = LayerProblem(problem.weight, hessian, 400)
    opposite = torch.diag(torch.cat([torch.full((16,), 1e-6), torch.ones(16)]))
    # Little damping, because a ridge alone would keep the layer from overfitting so far.
    solution = solve(problem, opposite, settings("rpiq", damp_percent=1e-4))
    assert solution.chosen.name in ("rtn", "grid")
    plain = solve(problem, opposite, settings("gptq"))
    assert plain.chosen.name == "gptq"


def test_without_held_out_tokens_the_last_stage_is_kept_with_a_warning(
    make_problem: MakeProblem,
) -> None:
    solution = solve(make_problem(8, 32), None, settings("rpiq"))
    assert solution.chosen.name == "rpiq"
    assert solution.chosen.held_out_error is None
    assert "no held-out tokens" in solution.warnings[0]


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
def test_very_few_tokens_leave_rounding(make_problem: MakeProblem, method: Method) -> None:
    problem = make_problem(8, 64, tokens=3)
    solution = solve(problem, problem.hessian, settings(method))
    assert solution.chosen.name == "rtn"
    assert "only 3 calibration tokens for 64 columns" in solution.warnings[0]


def test_scarce_tokens_let_held_out_error_choose_among_two_dampings(
    make_problem: MakeProblem,
) -> None:
    problem = make_problem(8, 64, tokens=20)
    held_out = make_problem(8, 64, tokens=400).hessian
    solution = solve(problem, held_out, settings("gptq"))
    assert [stage.name for stage in solution.stages] == ["rtn", "gptq", "gptq"]
    assert [stage.damp_percent for stage in solution.stages[1:]] == pytest.approx([0.01, 0.1])
    assert solution.chosen.held_out_error == min(s.held_out_error or 0 for s in solution.stages)
    assert "held-out error chose" in solution.warnings[0]


def test_rounding_needs_no_statistics(make_problem: MakeProblem) -> None:
    weight = make_problem(8, 32).weight
    solution = solve(LayerProblem(weight, torch.zeros(32, 32), 0), None, settings("rtn"))
    assert solution.chosen.error is None
    assert solution.warnings == ()


def test_symmetric_weights_have_zero_eight(make_problem: MakeProblem) -> None:
    problem = make_problem(8, 32)
    solution = solve(problem, problem.hessian, settings("rpiq", sym=True))
    assert bool((solution.chosen.weight.zero == 8).all())


def test_shapes_that_no_file_can_hold_are_refused(make_problem: MakeProblem) -> None:
    problem = make_problem(6, 32)
    with pytest.raises(CheckpointError):
        solve(problem, problem.hessian, settings("rtn"))


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
@pytest.mark.parametrize("tokens", [3, 20, 400])
def test_what_was_proposed_is_not_computed_again(
    make_problem: MakeProblem, method: Method, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make_problem(8, 64, tokens=tokens)
    held_out = make_problem(8, 64, tokens=400).hessian
    chosen = settings(method)
    alone = solve(problem, held_out, chosen)
    proposed = propose(problem, chosen)
    calls = []
    for name in ("hessian_grid", "gptq"):
        original = getattr(solver, name)
        monkeypatch.setattr(
            solver,
            name,
            lambda *args, name=name, original=original, **more: (
                calls.append(name) or original(*args, **more)
            ),
        )
    again = solve(problem, held_out, chosen, proposed=proposed)
    # With few tokens a second damping is tried, which nobody proposed.
    assert calls == (["gptq"] if tokens == 20 else [])
    assert [stage.name for stage in again.stages] == [stage.name for stage in alone.stages]
    for one, other in zip(alone.stages, again.stages, strict=True):
        assert torch.equal(one.weight.codes, other.weight.codes)
        assert torch.equal(one.weight.scale, other.weight.scale)
        assert (one.error, one.held_out_error) == (other.error, other.held_out_error)
        assert one.damp_percent == other.damp_percent
    assert again.chosen.name == alone.chosen.name
