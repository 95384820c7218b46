"""The methods that ``quantizer compare`` tries on one layer, all from the same statistics."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from quantizer.errors import SettingsError
from quantizer.run.walked import Observed
from quantizer.solvers.gptq import LayerProblem
from quantizer.solvers.hessian import output_error
from quantizer.solvers.methods import DEFAULTS, Settings
from quantizer.solvers.rpiq_paper import PaperReport, rpiq_paper
from quantizer.solvers.solver import Stage, solve

RTN, GPTQ, GPTQ_HESSIAN = "rtn", "gptq", "gptq+hessian"
RPIQ, RPIQ_GAMMA_0, PAPER = "rpiq", "rpiq-gamma-0", "rpiq-paper"

MEANINGS = {
    RTN: "round to nearest on the min/max grid",
    GPTQ: "plain GPTQ: on the min/max grid, columns in their own order",
    GPTQ_HESSIAN: "GPTQ with activation order and static groups on the Hessian-weighted grid",
    RPIQ_GAMMA_0: "closed-loop RPIQ on the grid, aiming at the layer's own weight (γ = 0)",
    RPIQ: "closed-loop RPIQ on the grid, aiming at the target whose γ the driving walk chose",
    PAPER: "RPIQ as published, started from gptq; on the grid it is a low-bit weight, off the "
    "grid it is not",
}
"""Every method by its name on the command line, in the order of reports."""

_MEASURED_STAGE = {
    RTN: "rtn",
    GPTQ: "gptq",
    GPTQ_HESSIAN: "gptq",
    RPIQ_GAMMA_0: "rpiq",
    RPIQ: "rpiq",
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of a comparison: a whole model that one method makes at one width.

    bits:    of the codes; an off-grid variant has no codes, only its start had.
    place:   of the method in the report's order.
    rounds:  of ``rpiq-paper``, 0 for other methods.
    on_grid: False for the interpolated weight of ``rpiq-paper``.
    """

    bits: int
    place: int
    rounds: int
    on_grid: bool
    method: str

    @property
    def label(self) -> str:
        """What tables and plots call it; the bits stand apart."""
        if self.method != PAPER:
            return self.method
        return f"{PAPER} {self.rounds} rounds, " + ("on grid" if self.on_grid else "off grid")

    @property
    def name(self) -> str:
        """What it is called where widths stand side by side."""
        return f"{self.label}, {self.bits} bits"

    @property
    def folder(self) -> str:
        """A folder name of its own."""
        return re.sub(r"[^a-z0-9]+", "-", self.name)


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer of one variant.

    j, j_val: output error per token against the full-precision weight, on the fitting and on the
        held-out sequences; None without tokens.
    codes_changed: share of codes that differ from where the method started (rounding for GPTQ,
        GPTQ for both refinements); None for rounding, and off the grid.
    gamma_correction: whether the method aimed at a corrected target, so that J is not its goal.
    paper: what ``rpiq-paper`` reports.
    """

    layer: str
    kind: str
    j: float | None
    j_val: float | None
    codes_changed: float | None
    gamma_correction: bool
    paper: PaperReport | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A layer as one variant has it. weight: dense (out, in) float32."""

    variant: Variant
    weight: Tensor
    row: LayerRow


@dataclass(frozen=True, slots=True)
class ComparedMethod:
    """One method at one width; the published RPIQ yields two variants for each count of rounds.

    settings: of every other method, and of the GPTQ that ``rpiq-paper`` starts from.
    rounds:   of ``rpiq-paper``, 0 for other methods.
    """

    method: str
    settings: Settings
    rounds: int = 0

    @property
    def name(self) -> str:
        """Method, rounds and width: whose cost is told apart from others'."""
        rounds = f" {self.rounds} rounds" if self.rounds else ""
        return f"{self.method}{rounds}, {self.settings.bits} bits"

    def variants(self) -> tuple[Variant, ...]:
        """The variants that it makes."""
        place = list(MEANINGS).index(self.method)
        sides = (True, False) if self.method == PAPER else (True,)
        return tuple(
            Variant(self.settings.bits, place, self.rounds, on_grid, self.method)
            for on_grid in sides
        )

    def solve(self, observed: Observed) -> list[Attempt]:
        """Quantize a layer that a walk has met; one attempt for each of the variants.

        Raises:
            QuantizerError: see ``solvers.solver.solve`` and ``solvers.rpiq_paper``.
        """
        own = _alone(observed.problem, corrected=self.method == RPIQ)
        solution = solve(own, observed.held_out, self.settings)
        if self.method == PAPER:
            return self._refine_as_published(observed, own, solution.chosen)
        weight = solution.chosen.weight.dequantize()
        changed = None
        if self.method != RTN:
            reached = solution.chosen.name == _MEASURED_STAGE[self.method]
            changed = solution.chosen.codes_changed / weight.numel() if reached else 0.0
        return [self._attempt(observed, self.variants()[0], weight, changed, None)]

    def _refine_as_published(
        self, observed: Observed, problem: LayerProblem, start: Stage
    ) -> list[Attempt]:
        on, off = self.variants()
        if observed.last_inputs is None or start.name != "gptq":
            # Too few tokens for GPTQ, hence nothing to refine.
            weight = start.weight.dequantize()
            return [
                self._attempt(observed, on, weight, 0.0, None),
                self._attempt(observed, off, weight, None, None),
            ]
        result = rpiq_paper(
            problem,
            start.weight,
            observed.last_inputs,
            observed.held_out,
            rounds=self.rounds,
            hessian=self.settings.rpiq_hessian,
            damp_percent=start.damp_percent or self.settings.damp_percent,
        )
        report = result.report
        weight = result.weight.dequantize()
        return [
            self._attempt(observed, on, weight, report.codes_changed, report),
            self._attempt(observed, off, result.off_grid, None, report),
        ]

    def _attempt(
        self,
        observed: Observed,
        variant: Variant,
        weight: Tensor,
        codes_changed: float | None,
        paper: PaperReport | None,
    ) -> Attempt:
        problem, held_out = observed.problem, observed.held_out
        change = weight - problem.weight
        row = LayerRow(
            layer=observed.name,
            kind=kind_of(observed.name),
            j=output_error(change, problem.hessian) if problem.tokens else None,
            j_val=None if held_out is None else output_error(change, held_out),
            codes_changed=codes_changed,
            gamma_correction=self.method == RPIQ and problem.shifted is not None,
            paper=paper,
        )
        return Attempt(variant, weight, row)


def compared_methods(
    methods: Sequence[str], bits: Sequence[int], *, group_size: int, paper_rounds: Sequence[int]
) -> list[ComparedMethod]:
    """Every method at every width, in the order of reports.

    Raises:
        SettingsError: a method is unknown or named twice, or a number is out of range.
    """
    _check_methods(methods)
    if not bits or len(set(bits)) != len(bits) or not all(2 <= width <= 8 for width in bits):
        given = ",".join(map(str, bits))
        raise SettingsError(
            lambda name: (
                f"{name('bits')} {given or 'nothing'} cannot be compared; give some of 2 to 8"
            )
        )
    if not paper_rounds or min(paper_rounds) < 1 or len(set(paper_rounds)) != len(paper_rounds):
        given = ",".join(map(str, paper_rounds))
        raise SettingsError(
            lambda name: (
                f"{name('paper_rounds')} {given or 'nothing'} refine nothing; give 5 or 5,20"
            )
        )
    result = []
    for width in bits:
        for method in sorted(methods, key=list(MEANINGS).index):
            settings = settings_of(method, width, group_size)
            counts = paper_rounds if method == PAPER else (0,)
            result += [ComparedMethod(method, settings, rounds) for rounds in counts]
    return result


def settings_of(method: str, bits: int, group_size: int) -> Settings:
    """How the solver runs a method: by the table of defaults, but for what its name says.

    Made anew for each rather than from one another, so that each has its own default damping.
    ``rpiq-paper`` starts from GPTQ with what the table gives the published method.
    """
    if method == RTN:
        return Settings("rtn", bits, group_size)
    if method == GPTQ:
        return Settings("gptq", bits, group_size, grid="minmax", act_order=False)
    if method == GPTQ_HESSIAN:
        return Settings("gptq", bits, group_size, grid="hessian", act_order=True)
    if method == RPIQ_GAMMA_0:
        return Settings("rpiq", bits, group_size, asymmetric_target="0")
    if method == RPIQ:
        return Settings("rpiq", bits, group_size)
    paper = DEFAULTS["rpiq-paper"]
    return Settings(
        "gptq",
        bits,
        group_size,
        grid=paper.grid,
        act_order=paper.act_order,
        damp_percent=paper.damp_percent,
        rpiq_hessian=paper.rpiq_hessian,
    )


def kind_of(layer: str) -> str:
    """The kind of a layer: its name without the block's, the same in every block."""
    return re.sub(r"^.*\.\d+\.", "", layer)


def _check_methods(methods: Sequence[str]) -> None:
    known = ",".join(MEANINGS)
    if not methods:
        raise SettingsError(lambda name: f"{name('methods')} names none; give some of {known}")
    unknown = next((method for method in methods if method not in MEANINGS), None)
    if unknown is not None:
        raise SettingsError(
            lambda name: (
                f"{name('methods')} names {unknown!r}, which is unknown; give some of {known}"
            )
        )
    if len(set(methods)) != len(methods):
        raise SettingsError(
            lambda name: f"{name('methods')} names one method twice; give each once"
        )


def _alone(problem: LayerProblem, *, corrected: bool) -> LayerProblem:
    """The problem without the factors that the driving walk has, which would hide their cost."""
    return replace(problem, shifted=problem.shifted if corrected else None, factors={})
