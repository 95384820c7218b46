"""One layer from its statistics to the codes that are stored: stages, gate and few-token rule."""

from dataclasses import dataclass

from torch import Tensor

from models.int4.packing import STORED_BITS, pack, unpack, whole_words
from models.int4.weight import QuantizedWeight
from quantizer.solvers.few_tokens import (
    dampings,
    rounded_warning,
    scarce,
    scarce_warning,
    too_few,
)
from quantizer.solvers.gptq import GptqResult, LayerProblem, gptq
from quantizer.solvers.grid import Grid, hessian_grid, minmax_grid, round_to_nearest
from quantizer.solvers.hessian import output_error
from quantizer.solvers.methods import Settings
from quantizer.solvers.rpiq import rpiq
from quantizer.solvers.rpiq_paper import PaperReport, rpiq_paper


@dataclass(frozen=True, slots=True)
class Stage:
    """One candidate for a layer, measured as it will be read back from the file.

    error, held_out_error: J per token on the fitting and the held-out sequences; None without
        tokens.
    codes_changed: codes that differ from the stage before.
    """

    name: str
    weight: QuantizedWeight
    error: float | None
    held_out_error: float | None
    codes_changed: int
    damp_percent: float | None = None
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class Solution:
    """The chosen stage, all stages in the order they were computed, and what to warn of.

    paper: what ``rpiq-paper`` did off the grid and what stayed on it.
    """

    chosen: Stage
    stages: tuple[Stage, ...]
    warnings: tuple[str, ...]
    paper: PaperReport | None = None

    @property
    def weight(self) -> QuantizedWeight:
        """The chosen weight, which `models.int4.Int4Linear` can run."""
        return self.chosen.weight


def solve(
    problem: LayerProblem,
    held_out: Tensor | None,
    settings: Settings,
    *,
    last_inputs: Tensor | None = None,
    proposed: GptqResult | None = None,
) -> Solution:
    """Quantize one layer.

    held_out: Hessian (in, in) of the held-out sequences, None where they sent it no token.

    last_inputs: (tokens, in) on the last fitting sequence, which ``rpiq-paper`` alone reads.

    proposed: what ``propose`` made of the same problem, where it was asked before; its grid and
        codes are then not computed again.

    ``rtn``, ``gptq`` and ``rpiq-paper`` give what their name says. ``rpiq`` keeps, of all stages,
    the one with the least held-out error. With fewer tokens than columns the held-out error also
    chooses for ``gptq``, between two dampings; with fewer than columns / 16 the layer is rounded.

    Raises:
        CalibrationError: the Hessian cannot be factorized.
        WeightError: the weight cannot be represented.
        CheckpointError: the layer's shape cannot be stored.
    """
    columns = problem.weight.shape[1]
    plain = minmax_grid(
        problem.target, bits=settings.bits, group_size=settings.group_size, sym=settings.sym
    )
    trail = _Trail(problem, held_out)
    trail.add("rtn", round_to_nearest(problem.target, plain))
    if too_few(problem.tokens, columns):
        return _rounded(trail, settings)

    grid = _grid(problem, plain, settings) if proposed is None else Grid.of(proposed.weight)
    if settings.grid != "minmax":
        trail.add("grid", round_to_nearest(problem.target, grid))
    if settings.method == "rtn":
        return Solution(trail.stages[-1], tuple(trail.stages), ())

    solved = []
    for damp_percent in dampings(settings, problem.tokens, columns):
        result = proposed
        if result is None or damp_percent != settings.damp_percent:
            result = gptq(problem, grid, damp_percent=damp_percent, act_order=settings.act_order)
        trail.add("gptq", result.weight, damp_percent=result.damp_percent)
        solved.append((trail.stages[-1], result))
    if settings.method == "rpiq":
        start = min(solved, key=lambda pair: _judged(pair[0]))[1]
        refined = rpiq(
            problem, start.weight, damp_percent=start.damp_percent, rounds=settings.rounds
        )
        trail.add(
            "rpiq",
            refined.weight,
            damp_percent=refined.damp_percent,
            rounds=len(refined.trace) - 1,
        )
    if settings.method == "rpiq-paper":
        return _as_published(trail, solved[0][1], settings, last_inputs)
    return _gated(trail, settings)


def propose(problem: LayerProblem, settings: Settings) -> GptqResult:
    """What GPTQ makes of a layer, without the cost of measuring it.

    Raises:
        CalibrationError: the Hessian cannot be factorized.
        WeightError: the weight cannot be represented.
    """
    plain = minmax_grid(
        problem.target, bits=settings.bits, group_size=settings.group_size, sym=settings.sym
    )
    if too_few(problem.tokens, problem.weight.shape[1]):
        return GptqResult(round_to_nearest(problem.target, plain), settings.damp_percent)
    return gptq(
        problem,
        _grid(problem, plain, settings),
        damp_percent=settings.damp_percent,
        act_order=settings.act_order,
    )


class _Trail:
    """Stages in order, each packed, read back and measured."""

    def __init__(self, problem: LayerProblem, held_out: Tensor | None) -> None:
        self.problem, self.held_out = problem, held_out
        self.stages: list[Stage] = []

    def add(
        self,
        name: str,
        weight: QuantizedWeight,
        *,
        damp_percent: float | None = None,
        rounds: int | None = None,
    ) -> None:
        stored = _as_stored(weight)
        change = stored.dequantize() - self.problem.target
        changed = int((stored.codes != self.stages[-1].weight.codes).sum()) if self.stages else 0
        self.stages.append(
            Stage(
                name=name,
                weight=stored,
                error=output_error(change, self.problem.hessian) if self.problem.tokens else None,
                held_out_error=(
                    None if self.held_out is None else output_error(change, self.held_out)
                ),
                codes_changed=changed,
                damp_percent=damp_percent,
                rounds=rounds,
            )
        )


def _as_stored(weight: QuantizedWeight) -> QuantizedWeight:
    """Send a weight through its file form, so that nothing but the stored is ever judged.

    Widths without a file form, which are only ever evaluated in memory, pass as they are, and so
    do shapes whose codes of 3 bits fill no whole words.
    """
    if weight.bits not in STORED_BITS:
        return weight
    if 32 % weight.bits and any(size % whole_words(weight.bits) for size in weight.shape):
        return weight
    return unpack(pack(weight), bits=weight.bits, group_size=weight.group_size)


def _grid(problem: LayerProblem, plain: Grid, settings: Settings) -> Grid:
    if settings.grid == "minmax":
        return plain
    return hessian_grid(
        problem.target,
        problem.hessian,
        bits=settings.bits,
        group_size=settings.group_size,
        sym=settings.sym,
    )


def _rounded(trail: _Trail, settings: Settings) -> Solution:
    tokens, columns = trail.problem.tokens, trail.problem.weight.shape[1]
    warnings = () if settings.method == "rtn" else (rounded_warning(tokens, columns),)
    return Solution(trail.stages[0], tuple(trail.stages), warnings)


def _as_published(
    trail: _Trail, start: GptqResult, settings: Settings, last_inputs: Tensor | None
) -> Solution:
    """Refine by the published method and keep its result on the grid, whatever it is worth."""
    stages = trail.stages
    if last_inputs is None:
        warning = "the last calibration sequence sent no token here: GPTQ's result is kept"
        return Solution(stages[-1], tuple(stages), (warning,))
    result = rpiq_paper(
        trail.problem,
        start.weight,
        last_inputs,
        trail.held_out,
        rounds=settings.rounds,
        hessian=settings.rpiq_hessian,
        damp_percent=start.damp_percent,
    )
    trail.add("paper", result.weight, damp_percent=start.damp_percent, rounds=result.report.rounds)
    return Solution(stages[-1], tuple(stages), (), result.report)


def _gated(trail: _Trail, settings: Settings) -> Solution:
    """Choose by held-out error where the method or the scarcity of tokens asks for it."""
    stages = tuple(trail.stages)
    tokens, columns = trail.problem.tokens, trail.problem.weight.shape[1]
    few = scarce(tokens, columns)
    if settings.method == "gptq" and not few:
        return Solution(stages[-1], stages, ())
    if trail.held_out is None:
        warning = "no held-out tokens: the result of the last stage is kept unjudged"
        return Solution(stages[-1], stages, (warning,))
    chosen = min(stages, key=_judged)  # the earliest of equals, as every stage must improve
    warnings = (scarce_warning(tokens, columns, chosen.name),) if few else ()
    return Solution(chosen, stages, warnings)


def _judged(stage: Stage) -> float:
    if stage.held_out_error is not None:
        return stage.held_out_error
    return float("inf") if stage.error is None else stage.error
