"""The reports of a comparison: ``report.json``, ``report.md`` and plots."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.files.checkpoint import write_json
from models.files.tensor_files import write_whole
from models.int4.packing import STORED_BITS
from quantizer.compare import plots
from quantizer.compare.compare import CompareJob, Comparison, Measured
from quantizer.compare.costs import Cost
from quantizer.compare.methods import GPTQ, MEANINGS, PAPER, RPIQ, LayerRow, Variant, settings_of
from quantizer.compare.plots import Convergence, PerplexityPoint, Plot
from quantizer.report.report import REPORT_FILE, REPORT_TEXT, WRITTEN_BY
from quantizer.report.text import table
from quantizer.solvers.methods import Settings

_NONE = "not measured"


def write_report(comparison: Comparison, folder: Path) -> None:
    """Write plots, ``report.md`` and ``report.json`` into a folder."""
    drawn = draw_plots(comparison, folder)
    text = markdown(comparison, drawn)
    write_whole(folder / REPORT_TEXT, lambda file: file.write(text.encode()))
    files = sorted({*(path.name for path in folder.iterdir()), REPORT_FILE})
    write_json(folder / REPORT_FILE, to_dict(comparison, drawn) | {"files": files})


def to_dict(comparison: Comparison, drawn: Sequence[Plot]) -> dict[str, Any]:
    """The content of ``report.json``, its list of files left out."""
    job = comparison.job
    return {
        "written_by": WRITTEN_BY,
        "report": "comparison",
        "source": str(job.model),
        "settings": {
            "methods": list(job.methods),
            "bits": list(job.bits),
            "group_size": job.group_size,
            "paper_rounds": list(job.paper_rounds),
            "device": str(job.device),
            "dtype": str(job.dtype).removeprefix("torch."),
        },
        "walks": [
            {
                "bits": list(widths),
                "driving": asdict(job.driving(widths[0])),
                "gammas": comparison.gammas[widths[0]],
            }
            for widths in job.walks()
        ],
        "calibration": dict(comparison.facts),
        "warnings": comparison.notes,
        "full_precision": dict(comparison.exact.result),
        "variants": [_variant(comparison, variant) for variant in comparison.variants()],
        "costs": {name: asdict(cost) for name, cost in comparison.costs.items()},
        "layers": [
            {"method": variant.label, "bits": variant.bits, **asdict(row)}
            for variant in comparison.variants()
            for row in comparison.layers[variant]
        ],
        "plots": [asdict(plot) for plot in drawn],
    }


def _variant(comparison: Comparison, variant: Variant) -> dict[str, Any]:
    measured = comparison.measured[variant]
    against = comparison.against_reference(variant)
    return {
        "method": variant.method,
        "label": variant.label,
        "bits": variant.bits,
        "rounds": variant.rounds or None,
        "on_grid": variant.on_grid,
        "perplexity": dict(measured.result),
        "same_weights_as": measured.same_as,
        "against_gptq": against,
        "gap_share_of_gptq": comparison.gap_share(variant),
        "j_ratio_to_gptq": _ratios(comparison, variant, "j"),
        "j_val_ratio_to_gptq": _ratios(comparison, variant, "j_val"),
        "codes_changed": _shares_changed(comparison.layers[variant]),
        "cost": asdict(comparison.cost_of(variant)),
    }


def _by_kind(rows: Iterable[LayerRow]) -> dict[str, list[LayerRow]]:
    kinds: dict[str, list[LayerRow]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row)
    return kinds


def _layer_ratios(comparison: Comparison, variant: Variant, field: str) -> dict[str, list[float]]:
    """J or J_val of every layer by kind, as shares of plain GPTQ's; empty without GPTQ."""
    reference = comparison.reference(variant.bits)
    if reference is None:
        return {}
    whole = {row.layer: getattr(row, field) for row in comparison.layers[reference]}
    ratios = {
        kind: [
            getattr(row, field) / whole[row.layer]
            for row in rows
            if getattr(row, field) is not None and whole[row.layer]
        ]
        for kind, rows in _by_kind(comparison.layers[variant]).items()
    }
    return {kind: values for kind, values in ratios.items() if values}


def _ratios(comparison: Comparison, variant: Variant, field: str) -> dict[str, float]:
    """Mean over the layers of each kind of J (or J_val) as a share of plain GPTQ's."""
    return {
        kind: _mean(values) for kind, values in _layer_ratios(comparison, variant, field).items()
    }


def _shares_changed(rows: Iterable[LayerRow]) -> dict[str, float]:
    """Mean share of codes changed in the layers of each kind."""
    result = {}
    for kind, members in _by_kind(rows).items():
        shares = [row.codes_changed for row in members if row.codes_changed is not None]
        if shares:
            result[kind] = _mean(shares)
    return result


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# --- report.md ---------------------------------------------------------------------------------


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
        f"{job.data}. The gap is what a method loses to it. Changes against gptq are paired: both "
        "models read the same windows, and windows are resampled together.",
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
        _gamma_note(comparison),
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
    f"No file holds this width here, only {' and '.join(map(str, STORED_BITS))} bits: these models "
    "were measured from memory."
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
        "--walk-per-width gives each width its own walk."
    )
    return (
        f"One walk over the model computed the statistics, {source}. The inputs of every layer "
        f"come from a network whose layers before it are {prefix} to {job.bits[0]} bits, "
        f"whichever method and width a row is about: all rows share one set of "
        f"Hessians.{other} {_OWN_PREFIX}"
    )


def _gamma_note(comparison: Comparison) -> str:
    if RPIQ not in comparison.job.methods:
        return ""
    notes = []
    for bits, by_layer in comparison.gammas.items():
        gammas = [gamma for gamma in by_layer.values() if gamma is not None]
        counts = ", ".join(f"γ = {g:g} for {gammas.count(g)}" for g in sorted(set(gammas)))
        if any(gammas):
            notes.append(f" In the {bits}-bit walk, of {len(gammas)} layers, {counts}.")
    if not notes:
        return ""
    return (
        "The column rpiq does not aim at J: where γ is above 0 the layer makes up for errors "
        "before it, which costs J here and is meant to gain perplexity; rpiq-gamma-0 is the same "
        "method aiming at J." + "".join(notes)
    )


def _perplexity_table(comparison: Comparison, bits: int) -> str:
    header = (
        "Method",
        "On a grid of these bits",
        "Perplexity",
        "95 % from",
        "95 % to",
        "Gap, share of gptq's",
        "Change against gptq, %",
        "Change, 95 % from",
        "Change, 95 % to",
        "Same weights as",
    )
    rows = []
    for variant in comparison.at(bits):
        measured = comparison.measured[variant]
        low, high = measured.result["interval_95"]
        change = percent_change(comparison, variant)
        shown = ("reference",) * 3 if variant == comparison.reference(bits) else (_NONE,) * 3
        if change is not None:
            shown = tuple(f"{value:+z.2f}" for value in change)  # type: ignore[assignment]
        rows.append(
            (
                variant.label,
                "yes" if variant.on_grid else f"no, not {bits}-bit",
                f"{measured.value:.4f}",
                f"{low:.4f}",
                f"{high:.4f}",
                _number(comparison.gap_share(variant), ".3f"),
                *shown,
                measured.same_as or "no other",
            )
        )
    return table(header, rows)


def percent_change(comparison: Comparison, variant: Variant) -> tuple[float, float, float] | None:
    """Perplexity against plain GPTQ's in per cent, with the paired interval's ends."""
    against = comparison.against_reference(variant)
    if against is None:
        return None
    value, low, high = (100 * (part - 1) for part in (against["ratio"], *against["ratio_95"]))
    return value, low, high


def _reduction_table(comparison: Comparison, bits: int, field: str) -> str:
    variants = comparison.at(bits)
    ratios = {variant: _ratios(comparison, variant, field) for variant in variants}
    if not any(ratios.values()):
        return "Not measured: it takes the method gptq, and tokens."
    kinds = list(next(filter(None, ratios.values())))
    header = ("Kind of layer", *(variant.label for variant in variants))
    rows = []
    for kind in kinds:
        cells = [ratios[variant].get(kind) for variant in variants]
        rows.append((kind, *(_number(c and 100 * (1 - c), "z.1f", " %") for c in cells)))
    means = [_mean(list(ratios[variant].values())) for variant in variants]
    rows.append(("mean of kinds", *(f"{100 * (1 - mean):z.1f} %" for mean in means)))
    return table(header, rows)


def _changed_table(comparison: Comparison, bits: int) -> str:
    shares = _changed(comparison, bits)
    if not shares:
        return "No method here starts from another's codes."
    kinds = list(next(iter(shares.values())))
    rows = [
        (kind, *(f"{100 * values[kind]:.3f} %" for values in shares.values())) for kind in kinds
    ]
    return table(("Kind of layer", *shares), rows)


def _changed(comparison: Comparison, bits: int) -> dict[str, dict[str, float]]:
    found = {v.label: _shares_changed(comparison.layers[v]) for v in comparison.at(bits)}
    return {label: shares for label, shares in found.items() if shares}


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
    for kind, members in _by_kind(comparison.layers[variant]).items():
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
                f"{100 * _mean(changed):.3f} %" if changed else _NONE,
            )
        )
    return table(header, rows)


def _error(errors: Any, of: str) -> float | None:
    value: float | None = getattr(errors, of)
    return value


def _mean_share(values: Sequence[float | None], starts: Sequence[float | None]) -> float | None:
    shares = [v / s for v, s in zip(values, starts, strict=True) if v is not None and s]
    return _mean(shares) if shares else None


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


# --- plots -------------------------------------------------------------------------------------


def draw_plots(comparison: Comparison, folder: Path) -> list[Plot]:
    """Draw every plot for which there is something to show."""
    labels = list(dict.fromkeys(variant.label for variant in comparison.variants()))
    styles = plots.styles_of(labels)
    drawn = []
    for bits in comparison.job.bits:
        drawn.append(_draw_perplexity(comparison, bits, folder, styles))
        for field, name in (("j", "J"), ("j_val", "J_val")):
            kinds = _lines_by_kind(comparison, bits, field)
            if kinds:
                drawn.append(
                    plots.plot_by_layer(
                        folder,
                        f"{field.replace('_', '-')}-{bits}-bit",
                        f"Output error {name} of every layer at {bits} bits, as a share of gptq's",
                        f"{name}, share of gptq's",
                        kinds,
                        styles,
                        GPTQ,
                        _gamma_note(comparison),
                    )
                )
        changed = _changed(comparison, bits)
        if changed:
            drawn.append(
                plots.plot_codes_changed(
                    folder,
                    f"codes-changed-{bits}-bit",
                    f"Codes that each method changed from its start, {bits} bits",
                    changed,
                    styles,
                )
            )
        longest = [v for v in comparison.at(bits) if v.method == PAPER and v.on_grid][-1:]
        curves = {} if not longest else _convergence(comparison.layers[longest[0]])
        if curves:
            drawn.append(
                plots.plot_convergence(
                    folder,
                    f"convergence-{bits}-bit",
                    f"RPIQ as published: Γ on the last batch over rounds, start at {bits} bits",
                    curves,
                )
            )
    return drawn


def _lines_by_kind(
    comparison: Comparison, bits: int, field: str
) -> dict[str, dict[str, list[float]]]:
    kinds: dict[str, dict[str, list[float]]] = {}
    reference = comparison.reference(bits)
    for variant in comparison.at(bits):
        if variant == reference:
            continue  # it is the 1 of every panel
        for kind, values in _layer_ratios(comparison, variant, field).items():
            kinds.setdefault(kind, {})[variant.label] = values
    return kinds


def _convergence(rows: Iterable[LayerRow]) -> dict[str, Convergence]:
    """Mean over the layers of each kind; a layer that stopped stays at what it kept."""
    result = {}
    for kind, members in _by_kind(rows).items():
        reports = [row.paper for row in members if row.paper is not None and row.paper.trace[0]]
        if not reports:
            continue
        longest = max(report.rounds for report in reports)
        off, on = [], []
        for t in range(longest + 1):
            off.append(_mean([r.trace[min(t, r.kept_round)] / r.trace[0] for r in reports]))
            on.append(_mean([r.grid_trace[min(t, r.kept_round)] / r.trace[0] for r in reports]))
        result[kind] = Convergence(off, on)
    return result


def _draw_perplexity(
    comparison: Comparison, bits: int, folder: Path, styles: Mapping[str, plots.Style]
) -> Plot:
    def point(label: str, measured: Measured, variant: Variant | None) -> PerplexityPoint:
        low, high = measured.result["interval_95"]
        change = None if variant is None else percent_change(comparison, variant)
        return PerplexityPoint(label, measured.value, low, high, change)

    reference = comparison.reference(bits)
    return plots.plot_perplexity(
        folder,
        f"perplexity-{bits}-bit",
        f"Perplexity at {bits} bits",
        [point(v.label, comparison.measured[v], v) for v in comparison.at(bits)],
        point("full precision", comparison.exact, None),
        None if reference is None else reference.label,
        styles,
    )
