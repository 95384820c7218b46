"""``report.md`` of a comparison: tables with header rows, one fact a cell, plots told in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.int4.packing import STORED_BITS, STORED_WIDTHS
from quantizer.compare.comparison import CompareJob, Comparison
from quantizer.compare.costs import Cost
from quantizer.compare.figures import (
    changed_by_label,
    gamma_note,
    mean,
    mean_ratios,
    percent_change,
    rows_by_kind,
)
from quantizer.compare.methods import (
    GPTQ,
    GPTQ_HESSIAN,
    MEANINGS,
    PAPER,
    RPIQ,
    Variant,
    settings_of,
)
from quantizer.compare.plots import Plot
from quantizer.report.text import table
from quantizer.solvers.methods import Settings

_NONE = "not measured"


def markdown(comparison: Comparison, drawn: Sequence[Plot]) -> str:
    """The report for people: tables with header rows, one fact a cell, plots told in words."""
    job = comparison.job
    exact = comparison.exact.result
    low, high = exact["interval_95"]
    parts = [
        f"# Comparison of quantization methods on {job.model}",
        _how_it_was_made(comparison),
        "## Methods",
        _methods_table(job),
        "## Perplexity",
        f"The full-precision model has perplexity {exact['value']:.4f} (95 % interval "
        f"{low:.4f} to {high:.4f}) on {exact['items']} windows of {exact['seq_len']} tokens of "
        f"{job.data}, BOS: {exact['bos']}. The gap is what a method loses to it. Changes are "
        "paired: both models read the same windows, and windows are resampled together. "
        f"{_TWO_REFERENCES}",
    ]
    for bits in job.bits:
        unstored = "" if bits in STORED_BITS else _UNSTORED_NOTE
        parts += [f"### {bits} bits", unstored, _perplexity_table(comparison, bits)]
    parts += [
        "## Output error by kind of layer",
        "J is the squared output error per token against the full-precision weight on all fitting "
        "sequences, J_val the same on the held-out ones. Each cell is the mean over the layers of "
        "a kind of the reduction against gptq's at the same width: 12 % means that the error is "
        "0.88 of gptq's.",
        gamma_note(comparison),
    ]
    for bits in job.bits:
        for field, name in (("j", "J"), ("j_val", "J_val")):
            parts += [f"### {name} at {bits} bits", _reduction_table(comparison, bits, field)]
    parts += ["## Codes changed", _CHANGED_NOTE]
    for bits in job.bits:
        parts += [f"### {bits} bits", _changed_table(comparison, bits)]
    if PAPER in job.methods:
        parts += ["## RPIQ as published, off the grid and on it", _PAPER_NOTE]
        for bits in job.bits:
            parts += [
                f"### {variant.rounds} rounds at {bits} bits\n\n{_paper_table(comparison, variant)}"
                for variant in comparison.at(bits)
                if variant.method == PAPER and variant.on_grid
            ]
    parts += ["## Seconds and memory", _COST_NOTE, _cost_table(comparison.costs), "## Plots"]
    for plot in drawn:
        parts.append(
            f"### {plot.title}\n\n![{_one_line(plot.title)}; told in words below]"
            f"({plot.name}.png)\n\n{_one_line(plot.description)}\n\n"
            f"The same plot [as SVG]({plot.name}.svg)."
        )
    warnings = "\n".join(f"- {note}" for note in comparison.notes)
    parts += ["## Warnings", warnings or "None."]
    return "\n\n".join(part for part in parts if part) + "\n"


_UNSTORED_NOTE = (
    f"No file holds this width here, only {STORED_WIDTHS} bits: these models were measured from "
    "memory."
)
_CHANGED_NOTE = (
    "Share of codes that differ from where a method started, mean over the layers of a kind: for "
    "gptq and gptq+hessian from rounding to nearest on the same grid, for the refinements from "
    "the GPTQ result that they refine."
)
_PAPER_NOTE = (
    "Γ is the squared output error per token on the last calibration sequence, the only one that "
    "the method looks at. Each cell is the mean over the layers of a kind, as a share of the same "
    "error before the first round: below 1 is better. The weight off the grid is not a low-bit "
    "weight; what a file can hold is the weight on the grid."
)
_COST_NOTE = (
    "The walk computes the statistics once for all methods; its row includes the forward passes, "
    "the driving method's own solutions and its choice of γ, which is a part of what rpiq costs. "
    "Each method's row is its solver alone over all layers, with all steps that it builds on (a "
    "refinement includes its GPTQ); each factorizes the Hessian of every layer anew, which a run "
    "does once for layers that share it. Peak memory is that of the whole process; the rise is "
    "the most that one layer added to it."
)


_TWO_REFERENCES = (
    "gptq+hessian is GPTQ at its best, with activation order on the Hessian-weighted grid, and the "
    "row to beat; gptq is the plain method of the paper, which rounding alone may beat. Hessians "
    "that are shared flatter nobody but the method whose walk they are from."
)


_OWN_PREFIX = (
    "A method that quantizes its own prefix, as `quantizer run` does, gives somewhat other figures."
)


def _how_it_was_made(comparison: Comparison) -> str:
    job, facts = comparison.job, comparison.facts
    source = (
        f"from {facts['samples']} calibration sequences with {facts['tokens']} tokens of "
        f"{facts['path']} (seed {facts['seed']}), {facts['held_out']} of them held out"
    )
    prefix = f"quantized by {RPIQ} in groups of {job.group_size}"
    if len(job.walks()) > 1:
        return (
            f"One walk over the model for each width computed the statistics, {source}. The "
            f"inputs of every layer come from a network whose layers before it are {prefix} to "
            f"the same width, whichever method a row is about: all rows of a width share one set "
            f"of Hessians. {_OWN_PREFIX}"
        )
    other = (
        ""
        if len(job.bits) == 1
        else f" At the other widths these are not the inputs that layers would meet, and {RPIQ} "
        f"there makes up for the errors of a {job.bits[0]}-bit prefix, which are not its own: "
        "walk_per_width gives each width its own walk."
    )
    return (
        f"One walk over the model computed the statistics, {source}. The inputs of every layer "
        f"come from a network whose layers before it are {prefix} to {job.bits[0]} bits, "
        f"whichever method and width a row is about: all rows share one set of "
        f"Hessians.{other} {_OWN_PREFIX}"
    )


def _perplexity_table(comparison: Comparison, bits: int) -> str:
    references = [m for m in (GPTQ_HESSIAN, GPTQ) if comparison.reference(bits, m) is not None]
    header = ["Method", "On a grid of these bits", "Hessians", "Perplexity", "95 % from", "95 % to"]
    for method in references or [GPTQ]:
        header += [
            f"Gap, share of {method}'s",
            f"Change against {method}, %",
            "Change, 95 % from",
            "Change, 95 % to",
        ]
    rows = []
    for variant in comparison.at(bits):
        measured = comparison.measured[variant]
        low, high = measured.result["interval_95"]
        cells = [
            variant.label,
            "yes" if variant.on_grid else f"no, not {bits}-bit",
            comparison.statistics_of(variant),
            f"{measured.value:.4f}",
            f"{low:.4f}",
            f"{high:.4f}",
        ]
        for method in references or [GPTQ]:
            change = percent_change(comparison, variant, method)
            own = variant == comparison.reference(bits, method)
            cells.append(_number(comparison.gap_share(variant, method), ".3f"))
            cells += (
                ["reference" if own else _NONE] * 3
                if change is None
                else [f"{value:+z.2f}" for value in change]
            )
        rows.append((*cells, measured.same_as or "no other"))
    return table((*header, "Same weights as"), rows)


def _reduction_table(comparison: Comparison, bits: int, field: str) -> str:
    variants = comparison.at(bits)
    ratios = {variant: mean_ratios(comparison, variant, field) for variant in variants}
    if not any(ratios.values()):
        return "Not measured: it takes the method gptq, and tokens."
    kinds = list(next(filter(None, ratios.values())))
    header = ("Kind of layer", *(variant.label for variant in variants))
    rows = []
    for kind in kinds:
        cells = [ratios[variant].get(kind) for variant in variants]
        rows.append((kind, *(_number(c and 100 * (1 - c), "z.1f", " %") for c in cells)))
    means = [mean(list(ratios[variant].values())) for variant in variants]
    rows.append(("mean of kinds", *(f"{100 * (1 - mean):z.1f} %" for mean in means)))
    return table(header, rows)


def _changed_table(comparison: Comparison, bits: int) -> str:
    shares = changed_by_label(comparison, bits)
    if not shares:
        return "No method here starts from another's codes."
    kinds = list(next(iter(shares.values())))
    rows = [
        (kind, *(f"{100 * values[kind]:.3f} %" for values in shares.values())) for kind in kinds
    ]
    return table(("Kind of layer", *shares), rows)


def _paper_table(comparison: Comparison, variant: Variant) -> str:
    header = (
        "Kind of layer",
        "Γ off the grid",
        "Γ on the grid",
        "J off the grid",
        "J on the grid",
        "J_val off the grid",
        "J_val on the grid",
        "Codes changed",
    )
    rows = []
    for kind, members in rows_by_kind(comparison.layers[variant]).items():
        reports = [row.paper for row in members if row.paper is not None]
        cells = [
            _mean_share(
                [_error(getattr(r, side), of) for r in reports],
                [_error(r.start, of) for r in reports],
            )
            for of in ("last", "all", "held_out")
            for side in ("off_grid", "on_grid")
        ]
        changed = [report.codes_changed for report in reports]
        rows.append(
            (
                kind,
                *(_number(cell, ".4f") for cell in cells),
                f"{100 * mean(changed):.3f} %" if changed else _NONE,
            )
        )
    return table(header, rows)


def _error(errors: Any, of: str) -> float | None:
    value: float | None = getattr(errors, of)
    return value


def _mean_share(values: Sequence[float | None], starts: Sequence[float | None]) -> float | None:
    shares = [v / s for v, s in zip(values, starts, strict=True) if v is not None and s]
    return mean(shares) if shares else None


def _cost_table(costs: Mapping[str, Cost]) -> str:
    header = ("What", "Seconds", "Peak host MB", "Most added by a layer, MB", "Peak device MB")
    rows = [
        (
            name,
            f"{cost.seconds:.2f}",
            _number(cost.host_peak and cost.host_peak / 1e6, ".0f"),
            _number(None if cost.host_rise is None else cost.host_rise / 1e6, ".1f"),
            "no device" if cost.device_peak is None else f"{cost.device_peak / 1e6:.0f}",
        )
        for name, cost in costs.items()
    ]
    return table(header, rows)


def _number(value: float | None, form: str, unit: str = "") -> str:
    return _NONE if value is None else f"{value:{form}}{unit}"


def _methods_table(job: CompareJob) -> str:
    header = ("Method", "What it is", "Damping, share of the mean diagonal")
    rows = [
        (name, meaning, _damping(settings_of(name, job.bits[0], job.group_size)))
        for name, meaning in MEANINGS.items()
        if name in job.methods
    ]
    return table(header, rows)


def _damping(settings: Settings) -> str:
    return "none" if settings.method == "rtn" else f"{settings.damp_percent:g}"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("[", "(").replace("]", ")")
