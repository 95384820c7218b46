"""The asymmetric target: its correction, the statistics behind it, and the choice of γ."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

import quantizer.solvers.gptq as gptq_module
from quantizer.errors import CalibrationError
from quantizer.solvers.gptq import Factors
from quantizer.solvers.grid import minmax_grid
from quantizer.solvers.hessian import CrossAccumulator, HessianAccumulator
from quantizer.solvers.methods import Settings
from quantizer.solvers.solver import solve
from quantizer.solvers.target import (
    GAMMAS,
    LayerStatistics,
    choose,
    correction,
    multiplies_early,
    own_factor,
    pull,
)

gptq = partial(gptq_module.gptq, damp_percent=0.01, act_order=True)

TOKENS, COLUMNS, ROWS = 300, 24, 6


def both_paths(
    seed: int = 0, dead: tuple[int, ...] = (), dead_exact: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor, Tensor]:
    """A weight, its full-precision inputs X̃, and inputs X that errors before it have changed."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.eye(COLUMNS) + 0.3 * torch.randn(COLUMNS, COLUMNS, generator=generator)
    exact = torch.randn(TOKENS, COLUMNS, generator=generator) @ mixing
    wrong = torch.eye(COLUMNS) + 0.05 * torch.randn(COLUMNS, COLUMNS, generator=generator)
    quantized = exact @ wrong + 0.1 * torch.randn(TOKENS, COLUMNS, generator=generator)
    quantized[:, list(dead)] = 0
    exact[:, list(dead_exact)] = 0
    return torch.randn(ROWS, COLUMNS, generator=generator) * 0.1, exact, quantized


def statistics_of(
    exact: Tensor,
    quantized: Tensor,
    *,
    followed: int = TOKENS,
    damp_percent: float = 0.01,
    early: Tensor | None = None,
) -> LayerStatistics:
    whole = HessianAccumulator(COLUMNS)
    whole.add(quantized)
    cross = CrossAccumulator(COLUMNS, weight=early)
    cross.add(exact[:followed], quantized[:followed])
    hessian = paired = whole.mean()
    if followed < TOKENS:
        part = HessianAccumulator(COLUMNS)
        part.add(quantized[:followed])
        paired = part.mean()
    return LayerStatistics(
        hessian=hessian,
        tokens=TOKENS,
        held_out=None,
        held_out_tokens=0,
        judged_tokens=0,
        shift=cross.mean(),
        paired=paired,
        damp_percent=damp_percent,
        multiplied=early is not None,
    )


@pytest.mark.parametrize("gamma", GAMMAS)
def test_equal_paths_leave_the_weight_as_it_is(gamma: float) -> None:
    weight, exact, _ = both_paths()
    problem = statistics_of(exact, exact.clone()).problem(weight, gamma)
    assert torch.equal(problem.target, weight)


def test_full_correction_is_least_squares_in_float64() -> None:
    weight, exact, quantized = both_paths()
    target = statistics_of(exact, quantized, damp_percent=1e-9).problem(weight, 1.0).target
    outputs = exact.double() @ weight.double().T
    least = torch.linalg.lstsq(quantized.double(), outputs).solution.T
    assert float((least - weight).abs().max()) > 0.02
    torch.testing.assert_close(target.double(), least, rtol=0, atol=2e-5)


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
def test_on_a_fine_grid_the_solvers_reach_least_squares(method: str) -> None:
    weight, exact, quantized = both_paths(seed=1)
    outputs = exact.double() @ weight.double().T

    def distance(value: Tensor) -> float:
        return float((outputs - quantized.double() @ value.double().T).square().sum())

    least = distance(torch.linalg.lstsq(quantized.double(), outputs).solution.T)
    settings = Settings(method=method, bits=8, group_size=8, grid="minmax")  # type: ignore[arg-type]
    found = {}
    for gamma in GAMMAS:
        statistics = statistics_of(exact, quantized, damp_percent=1e-6)
        # Rows that a file can hold come in eights.
        problem = statistics.problem(weight.repeat(4, 1), gamma)
        solved = solve(problem, None, settings).chosen.weight.dequantize()
        found[gamma] = distance(solved[:ROWS])
    assert distance(weight) > 1.3 * least
    assert found[1.0] - least < 0.01 * (distance(weight) - least)
    # Half the way to a minimum leaves a quarter of what lies above it.
    assert found[0.5] - least == pytest.approx((found[0.0] - least) / 4, rel=0.1)


def test_j_against_the_corrected_target_differs_from_the_objective_by_a_constant() -> None:
    """``‖X̃Wᵀ − XQᵀ‖² − tr((W' − Q) H (W' − Q)ᵀ)`` does not depend on Q."""
    weight, exact, quantized = both_paths(seed=2)
    target = statistics_of(exact, quantized, damp_percent=1e-9).problem(weight, 1.0).target.double()
    H = quantized.double().T @ quantized.double()
    differences = []
    for seed in range(4):
        noise = torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(seed))
        Q = weight.double() + 0.1 * noise.double()
        wanted = exact.double() @ weight.double().T - quantized.double() @ Q.T
        error = target - Q
        differences.append(float(wanted.square().sum() - (error @ H * error).sum()))
    assert differences == pytest.approx([differences[0]] * 4, rel=1e-3)


def test_dead_columns_get_no_correction_but_their_lost_inputs_are_made_up_for() -> None:
    dead = (3, 17)
    weight, exact, quantized = both_paths(dead=dead)
    statistics = statistics_of(exact, quantized, damp_percent=1e-9)
    target = statistics.problem(weight, 1.0).target
    assert statistics.dead_columns == 2
    assert torch.equal(target[:, list(dead)], weight[:, list(dead)])
    alive = [k for k in range(COLUMNS) if k not in dead]
    outputs = exact.double() @ weight.double().T
    least = torch.linalg.lstsq(quantized[:, alive].double(), outputs).solution.T
    torch.testing.assert_close(target[:, alive].double(), least, rtol=0, atol=2e-5)


def test_a_column_that_is_dead_only_in_full_precision_is_no_special_case() -> None:
    weight, exact, quantized = both_paths(dead_exact=(5,))
    target = statistics_of(exact, quantized, damp_percent=1e-9).problem(weight, 1.0).target
    least = torch.linalg.lstsq(quantized.double(), exact.double() @ weight.double().T).solution.T
    torch.testing.assert_close(target.double(), least, rtol=0, atol=2e-5)


def test_the_correction_is_damped_as_the_text_says() -> None:
    _, exact, quantized = both_paths()
    statistics = statistics_of(exact, quantized, damp_percent=0.05)
    assert statistics.shift is not None
    H = statistics.hessian.double()
    ridge = 0.05 * float(H.diagonal().mean())
    expected = statistics.shift.double() @ torch.linalg.inv(H + ridge * torch.eye(COLUMNS).double())
    got = correction(statistics.shift, statistics.hessian, 0.05)
    torch.testing.assert_close(got.double(), expected, rtol=0, atol=1e-5)


def test_a_subset_of_tokens_is_corrected_by_its_own_hessian() -> None:
    weight, exact, quantized = both_paths()
    # The tokens that are not followed are of another size, so that their Hessian would show.
    quantized[100:] *= 5
    subset = statistics_of(exact, quantized, followed=100).problem(weight, 1.0)
    alone = statistics_of(exact[:100], quantized[:100]).problem(weight, 1.0)
    torch.testing.assert_close(subset.target, alone.target)
    H = quantized.T @ quantized / TOKENS  # what Q is fitted to stays that of all tokens
    torch.testing.assert_close(subset.hessian, H, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("missing", ["gamma", "path", "tokens"])
def test_without_a_share_a_path_or_tokens_the_weight_is_the_target(missing: str) -> None:
    weight, exact, quantized = both_paths()
    statistics = statistics_of(exact, quantized)
    if missing == "path":
        statistics.shift = statistics.paired = None
    if missing == "tokens":
        statistics.tokens = 0
    assert statistics.problem(weight, 0.0 if missing == "gamma" else 1.0).target is weight


def test_two_shares_are_one_correction_and_one_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, exact, quantized = both_paths()
    grid = minmax_grid(weight, bits=4, group_size=8, sym=False)
    alone = [gptq(statistics_of(exact, quantized).problem(weight, gamma), grid) for gamma in GAMMAS]
    calls = []
    original = torch.linalg.cholesky_ex
    monkeypatch.setattr(
        torch.linalg, "cholesky_ex", lambda *args: calls.append(args) or original(*args)
    )
    statistics = statistics_of(exact, quantized)
    together = [gptq(statistics.problem(weight, gamma), grid) for gamma in GAMMAS]
    assert len(calls) == 1
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one.weight.codes, other.weight.codes)
    half, full = (statistics.problem(weight, gamma).target - weight for gamma in (0.5, 1.0))
    torch.testing.assert_close(2 * half, full, rtol=1e-5, atol=1e-7)


def test_a_subset_keeps_its_factor_away_from_that_of_all_tokens() -> None:
    weight, exact, quantized = both_paths()
    quantized[100:] *= 5
    statistics = statistics_of(exact, quantized, followed=100)
    grid = minmax_grid(weight, bits=4, group_size=8, sym=False)
    after = gptq(statistics.problem(weight, 1.0), grid)
    # The same target and Hessian without anything known before.
    fresh = statistics.problem(weight, 1.0)
    fresh.factors.clear()
    assert torch.equal(after.weight.codes, gptq(fresh, grid).weight.codes)


@pytest.mark.parametrize("followed", [100, TOKENS])
def test_multiplying_early_gives_the_same_targets(followed: int) -> None:
    weight, exact, quantized = both_paths(dead=(4,))
    late = statistics_of(exact, quantized, followed=followed)
    early = statistics_of(exact, quantized, followed=followed, early=weight)
    assert late.shift is not None and early.shift is not None
    assert (late.shift.shape, early.shift.shape) == ((COLUMNS, COLUMNS), (ROWS, COLUMNS))
    for gamma in GAMMAS:
        one, other = (s.problem(weight, gamma).target for s in (late, early))
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert float((early.problem(weight, 1.0).target - weight).abs().max()) > 1e-3


def test_only_lone_layers_with_many_inputs_and_few_outputs_are_multiplied_early() -> None:
    assert multiplies_early([4096], 14336)
    assert not multiplies_early([4096], 4096)
    assert not multiplies_early([7168], 14336)
    assert not multiplies_early([4096, 1024, 1024], 14336)
    assert not multiplies_early([128], 352)


def test_a_subset_is_factorized_once_and_every_layer_pulled_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weight, exact, quantized = both_paths()
    weights = [weight, weight.flip(1)]
    alone = [
        [statistics_of(exact, quantized, followed=100).problem(w, gamma).target for gamma in GAMMAS]
        for w in weights
    ]
    calls: list[str] = []
    for module, name in ((torch.linalg, "cholesky_ex"), (torch, "cholesky_solve")):
        original = getattr(module, name)
        monkeypatch.setattr(
            module,
            name,
            lambda *args, name=name, original=original: calls.append(name) or original(*args),
        )
    statistics = statistics_of(exact, quantized, followed=100)
    for _ in range(2):
        for w, wanted in zip(weights, alone, strict=True):
            for gamma, target in zip(GAMMAS, wanted, strict=True):
                assert torch.equal(statistics.problem(w, gamma).target, target)
    assert sorted(calls) == ["cholesky_ex", "cholesky_solve", "cholesky_solve"]
    # A tensor of equal values at another place is another layer's.
    statistics.problem(weight.clone(), 1.0)
    assert len(calls) == 4


@pytest.mark.parametrize("dead", [(), (3, 17)])
def test_a_subset_is_pulled_to_least_squares_over_live_columns(dead: tuple[int, ...]) -> None:
    weight, exact, quantized = both_paths(dead=dead)
    statistics = statistics_of(exact, quantized, followed=200, damp_percent=1e-9)
    target = statistics.problem(weight, 1.0).target
    assert torch.equal(target[:, list(dead)], weight[:, list(dead)])
    alive = [k for k in range(COLUMNS) if k not in dead]
    outputs = exact[:200].double() @ weight.double().T
    least = torch.linalg.lstsq(quantized[:200, alive].double(), outputs).solution.T
    assert float((least - weight[:, alive]).abs().max()) > 0.02
    torch.testing.assert_close(target[:, alive].double(), least, rtol=0, atol=5e-5)


def test_a_subset_is_pulled_by_whatever_factor_was_found() -> None:
    hessian, shift = torch.diag(torch.tensor([1.0, 3.0])), torch.tensor([[2.0, 8.0], [0.0, 0.0]])
    live, lower = own_factor(hessian, 0.5)  # of the mean 2: plus 1
    for factor in (lower, lower.double()):
        found = pull(torch.tensor([[2.0, 5.0]]) @ shift, live, factor)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, torch.tensor([[2.0, 4.0]]))
    with pytest.raises(CalibrationError, match="damp_percent"):
        own_factor(torch.tensor([[1.0, 90.0], [90.0, 1.0]]), 0.01)
    none = pull(torch.ones(3, 2), *own_factor(torch.zeros(2, 2), 0.01))
    assert none.tolist() == [[0.0, 0.0]] * 3


def test_a_correction_that_cannot_be_factorized_is_an_error() -> None:
    hopeless = torch.tensor([[1.0, 90.0], [90.0, 1.0]])
    with pytest.raises(CalibrationError, match="damp_percent"):
        correction(torch.ones(2, 2), hopeless, 0.01)
    known: Factors = {}
    raised = torch.tensor([[1.0, 1.02], [1.02, 1.0]])
    correction(torch.ones(2, 2), raised, 0.01, known)
    assert known[(0.01, True)].factor.ridge == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ({0.0: 1.0, 0.5: 1.0, 1.0: 1.0}, 0.5),  # a tie
        ({0.0: 2.0, 0.5: 1.0, 1.0: 1.5}, 0.5),  # the usual share is best
        ({0.0: 2.0, 0.5: 1.0, 1.0: 0.89}, 1.0),  # a clear gain
        ({0.0: 2.0, 0.5: 1.0, 1.0: 0.91}, 0.5),  # a small one
        ({0.0: 1.0, 0.5: 1.2, 1.0: 3.0}, 0.0),  # a clear loss by correcting
        ({0.0: 1.0, 0.5: 1.05, 1.0: 3.0}, 0.5),  # a small one
        ({0.0: 0.5, 0.5: 1.0, 1.0: 0.4}, 1.0),  # the best of two clear ones
        ({0.0: 1.0, 1.0: 0.99}, 1.0),  # two candidates without the usual
        ({0.0: 0.99, 1.0: 1.0}, 0.0),
        ({0.0: 1.0, 0.5: 0.95}, 0.5),
        ({0.0: 0.8, 0.5: 1.0}, 0.0),
        ({0.0: 0.0, 0.5: 0.0, 1.0: 0.0}, 0.5),
    ],
)
def test_choose(errors: dict[float, float], chosen: float) -> None:
    assert choose(errors) == chosen


def test_cross_moments_do_not_depend_on_batching_and_refuse_nan() -> None:
    _, exact, quantized = both_paths()
    whole, parts = CrossAccumulator(COLUMNS), CrossAccumulator(COLUMNS)
    whole.add(exact.view(3, 100, COLUMNS), quantized.view(3, 100, COLUMNS))
    for one, other in zip(exact.split(70), quantized.split(70), strict=True):
        parts.add(one, other)
    expected = (exact - quantized).double().T @ quantized.double() / TOKENS
    assert whole.tokens == parts.tokens == TOKENS
    for accumulator in (whole, parts):
        torch.testing.assert_close(accumulator.mean().double(), expected, rtol=1e-4, atol=1e-6)
    assert not CrossAccumulator(4).mean().any()
    exact[7, 3] = math.nan
    with pytest.raises(CalibrationError, match="NaN"):
        whole.add(exact, quantized)
