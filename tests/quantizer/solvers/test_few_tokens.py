"""What becomes of a layer that few tokens, or none, or strange ones, ever reached."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

import quantizer.solvers.gptq as gptq_module
import quantizer.solvers.rpiq as rpiq_module
from models.int4 import QuantizedWeight
from quantizer.errors import CalibrationError
from quantizer.solvers.gptq import LayerProblem
from quantizer.solvers.grid import hessian_grid, minmax_grid, round_to_nearest
from quantizer.solvers.methods import Method, Settings
from quantizer.solvers.solver import Solution, solve

gptq = partial(gptq_module.gptq, damp_percent=0.01, act_order=True)
rpiq = partial(rpiq_module.rpiq, damp_percent=0.01, rounds=Settings("rpiq").rounds)

MakeProblem = Callable[..., LayerProblem]
COLUMNS = 64

SCARCE = {
    "gptq": ["rtn", "gptq", "gptq"],
    "rpiq": ["rtn", "grid", "gptq", "gptq", "rpiq"],
}
PLENTY = {"gptq": ["rtn", "gptq"], "rpiq": ["rtn", "grid", "gptq", "rpiq"]}


def solved(problem: LayerProblem, held_out: Tensor | None, method: Method) -> Solution:
    chosen = Settings(method=method, group_size=16, damp_percent=0.01)
    return solve(problem, held_out, chosen)


def nearest(problem: LayerProblem) -> Tensor:
    grid = minmax_grid(problem.weight, bits=4, group_size=16, sym=False)
    return round_to_nearest(problem.weight, grid).dequantize()


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
@pytest.mark.parametrize("tokens", [0, 1, 3])
def test_below_a_sixteenth_of_the_columns_it_is_rounded(
    make_problem: MakeProblem, method: Method, tokens: int
) -> None:
    problem = make_problem(8, COLUMNS, tokens=max(tokens, 1))
    if tokens == 0:
        problem = LayerProblem(problem.weight, torch.zeros(COLUMNS, COLUMNS), 0)
    solution = solved(problem, make_problem(8, COLUMNS).hessian, method)
    assert [stage.name for stage in solution.stages] == ["rtn"]
    assert torch.equal(solution.chosen.weight.dequantize(), nearest(problem))
    assert (solution.chosen.error is None) is (tokens == 0)
    assert f"only {tokens} calibration tokens for 64 columns: rounded" in solution.warnings[0]


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
@pytest.mark.parametrize("tokens", [4, 63])
def test_below_the_columns_held_out_error_chooses(
    make_problem: MakeProblem, method: Method, tokens: int
) -> None:
    problem = make_problem(8, COLUMNS, tokens=tokens)
    same, other = make_problem(8, COLUMNS).hessian, make_problem(8, COLUMNS, seed=9).hessian
    names = set()
    for held_out in (problem.hessian, same, other):
        solution = solved(problem, held_out, method)
        assert [stage.name for stage in solution.stages] == SCARCE[method]
        dampings = [s.damp_percent for s in solution.stages if s.name == "gptq"]
        assert dampings == pytest.approx([0.01, 0.1])
        errors = []
        for stage in solution.stages:
            change = (stage.weight.dequantize() - problem.weight).double()
            errors.append(float((change @ held_out.double() * change).sum()))
            assert stage.held_out_error == pytest.approx(errors[-1], rel=1e-3)
        assert solution.chosen is solution.stages[errors.index(min(errors))]
        names.add(solution.chosen.name)
        expected = f"{tokens} calibration tokens for 64 columns: held-out error chose"
        assert solution.warnings == (f"{expected} {solution.chosen.name}",)
    assert len(names) > 1, "the choice depends on the held-out tokens"


@pytest.mark.parametrize("heavy", [False, True])
def test_scarce_refinement_starts_from_the_better_damping(
    make_problem: MakeProblem, heavy: bool
) -> None:
    problem = make_problem(8, COLUMNS, tokens=30)
    grid = hessian_grid(problem.weight, problem.hessian, bits=4, group_size=16, sym=False)
    results = [gptq(problem, grid, damp_percent=share).weight for share in (0.01, 0.1)]
    wanted = results[heavy]
    # Held-out inputs of one direction, along which the wanted start errs less.
    wrong = [result.dequantize() - problem.weight for result in results]
    direction = (wrong[not heavy].square() - wrong[heavy].square()).sum(dim=0).argmax()
    held_out = torch.zeros(COLUMNS, COLUMNS)
    held_out[direction, direction] = 1.0
    solution = solved(problem, held_out, "rpiq")
    share = (0.01, 0.1)[heavy]
    expected = rpiq(problem, wanted, damp_percent=share).weight
    assert torch.equal(solution.stages[-1].weight.codes, expected.codes)
    assert solution.stages[-1].damp_percent == pytest.approx(share)


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
def test_as_many_tokens_as_columns_are_enough(make_problem: MakeProblem, method: Method) -> None:
    problem = make_problem(8, COLUMNS, tokens=COLUMNS)
    solution = solved(problem, make_problem(8, COLUMNS).hessian, method)
    assert [stage.name for stage in solution.stages] == PLENTY[method]
    assert solution.warnings == ()


def test_the_published_method_has_one_start_however_few_the_tokens(
    make_problem: MakeProblem,
) -> None:
    problem = make_problem(8, COLUMNS, tokens=30)
    held_out = make_problem(8, COLUMNS).hessian
    grid = minmax_grid(problem.weight, bits=4, group_size=16, sym=False)
    start = gptq(problem, grid, damp_percent=0.01).weight.dequantize()
    inputs = torch.randn(30, COLUMNS, generator=torch.Generator().manual_seed(0))
    settings = Settings("rpiq-paper", group_size=16, act_order=True)
    for last in (inputs, None):
        solution = solve(problem, held_out, settings, last_inputs=last)
        names = ["rtn", "gptq", "paper"] if last is not None else ["rtn", "gptq"]
        assert [stage.name for stage in solution.stages] == names
        assert solution.chosen is solution.stages[-1]
        assert torch.equal(solution.stages[1].weight.dequantize(), start)
        assert (solution.paper is None) is (last is None)
        assert len(solution.warnings) == (last is None)
    rounded = solve(
        make_problem(8, COLUMNS, tokens=3),
        held_out,
        settings,
        last_inputs=inputs[:3],
    )
    assert (rounded.chosen.name, rounded.paper) == ("rtn", None)


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
@pytest.mark.parametrize("tokens", [20, 400])
def test_dead_columns_are_never_zeroed(
    make_problem: MakeProblem, method: Method, tokens: int
) -> None:
    dead = [0, 17, 63]
    problem = make_problem(8, COLUMNS, tokens=tokens, dead=tuple(dead))
    held_out = make_problem(8, COLUMNS, dead=tuple(dead)).hessian
    for stage in solved(problem, held_out, method).stages:
        weight = stage.weight
        groups = [column // 16 for column in dead]
        scale, zero = weight.scale[:, groups].float(), weight.zero[:, groups]
        every = torch.stack([(code - zero) * scale for code in range(16)])
        least = (every - problem.weight[:, dead]).abs().amin(dim=0)
        got = weight.dequantize()[:, dead]
        torch.testing.assert_close((got - problem.weight[:, dead]).abs(), least, rtol=0, atol=1e-6)
        assert float(got.abs().max()) > 0.05


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
def test_failing_factorizations_raise_the_damping_and_then_the_error(
    make_problem: MakeProblem, method: Method
) -> None:
    weight = make_problem(8, 16).weight
    for negative, needed in ((-0.05, 0.1), (-0.5, 1.0), (-5.0, 10.0)):
        diagonal = torch.ones(16)
        hessian = torch.diag(diagonal)
        # Two columns whose correlation exceeds one by so much: no sum of squares can have it.
        hessian[0, 1] = hessian[1, 0] = 1 - negative
        problem = LayerProblem(weight, hessian, 400)
        solution = solved(problem, torch.eye(16), method)
        dampings = [s.damp_percent for s in solution.stages if s.damp_percent is not None]
        assert max(dampings) == pytest.approx(needed)
    hessian[0, 1] = hessian[1, 0] = 60.0
    with pytest.raises(CalibrationError, match="cannot be factorized even with damping 10"):
        solved(LayerProblem(weight, hessian, 400), torch.eye(16), method)


@pytest.mark.parametrize("method", ["rtn", "gptq", "rpiq"])
def test_flat_groups_and_empty_rows_come_back_as_they_were(
    make_problem: MakeProblem, method: Method
) -> None:
    drawn = make_problem(8, COLUMNS)
    weight = drawn.weight.clone()
    weight[0] = 0
    weight[1, 16:32] = 0
    weight[2] = 0.25  # representable: one scale and one code
    weight[3, :16] = -0.5
    weight[4, 48:] = 2.0**-24
    problem = LayerProblem(weight, torch.eye(COLUMNS), 400)
    # Uncorrelated inputs, so that no error of another column is to be made up for.
    stages = solved(problem, torch.eye(COLUMNS), method).stages
    for stage in stages:
        got = stage.weight.dequantize()
        assert not got[0].any() and not got[1, 16:32].any()
        for part in ((2, slice(0, 64)), (3, slice(0, 16))):
            torch.testing.assert_close(got[part], weight[part], rtol=2**-10, atol=0)
        assert bool((stage.weight.scale > 0).all()) and bool(torch.isfinite(got).all())
    zeros = LayerProblem(torch.zeros(8, COLUMNS), drawn.hessian, 400)
    for stage in solved(zeros, drawn.hessian, method).stages:
        assert not stage.weight.dequantize().any()


def test_an_equal_group_stays_equal_through_every_solver(make_problem: MakeProblem) -> None:
    """With correlated inputs a solver may use the codes, but never breaks the scales."""
    drawn = make_problem(8, COLUMNS)
    weight = torch.full((8, COLUMNS), 0.3)
    problem = LayerProblem(weight, drawn.hessian, 400)
    grid = minmax_grid(weight, bits=4, group_size=16, sym=False)
    start: QuantizedWeight = gptq(problem, grid).weight
    refined = rpiq(problem, start).weight
    for result in (start, refined):
        torch.testing.assert_close(result.dequantize(), weight, rtol=0.1, atol=0)
        assert bool(torch.isfinite(result.scale).all())
