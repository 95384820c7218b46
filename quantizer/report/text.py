"""``report.md``: a run's report for people, in plain tables that a screen reader can follow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from quantizer.report.report import ModuleReport, Report

_COLUMNS = (
    "Layer",
    "Shape, out x in",
    "Tokens",
    "Held-out tokens",
    "Kept",
    "Output error, share of rounding's",
    "Held-out error, share of rounding's",
    "γ",
    "Warnings",
)
_NOTE = "Output error is that of what was kept, per token, divided by that of plain rounding."
_GAMMA_NOTE = (
    " Where γ is above 0 a layer also makes up for errors before it, by that share: both errors "
    "are then measured against the corrected target, not against the layer's own weight, and "
    "rounding is that of the corrected target."
)
_PAPER_NOTE = (
    "The published method moves weights off the grid, where no low-bit file can hold them; what "
    "was written is the nearest weight on the grid. Γ is the squared output error on the last "
    "calibration sequence, J on all fitting sequences, J_val on the held-out ones, each as a share "
    "of the GPTQ result that the method starts from."
)
_PAPER_COLUMNS = (
    "Layer",
    "Γ off the grid",
    "Γ on the grid",
    "J off the grid",
    "J on the grid",
    "J_val off the grid",
    "J_val on the grid",
    "Codes changed",
)


def markdown(report: Report) -> str:
    """The whole report. Every table has a header row, names its rows first, has no empty cell."""
    totals = report.totals()
    kept = ", ".join(f"{count} {name}" for name, count in totals["kept"].items())
    parts = [
        f"# Quantization of {report.source}",
        *report.statements,
        "## Totals",
        table(
            ("What", "Value"),
            (
                ("Layers", totals["modules"]),
                ("Kept methods", kept),
                ("Mean output error, share of rounding's", _share(totals["mean_j_ratio"])),
                ("Weights before, bytes", totals["bytes_before"]),
                ("Weights after, bytes", totals["bytes"]),
                ("Seconds", totals["seconds"]),
                ("Warnings", totals["warnings"]),
            ),
        ),
        "## Settings",
        table(("Setting", "Value"), _flat(report.settings)),
        "## Calibration",
        table(("Fact", "Value"), _flat(report.calibration)) if report.calibration else "None.",
        *_parts(totals["parts"]),
        "## Warnings",
        "\n".join(f"- {text}" for text in report.warnings()) or "None.",
        *_loaders(report),
        "## Layers",
        _NOTE + (_GAMMA_NOTE if any(module.gamma for module in report.modules) else ""),
        table(_COLUMNS, map(_row, report.modules)),
    ]
    papers = [_paper_row(module.name, module.paper) for module in report.modules if module.paper]
    if papers:
        parts += ["## RPIQ as published", _PAPER_NOTE, table(_PAPER_COLUMNS, papers)]
    return "\n\n".join(parts) + "\n"


def _parts(parts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Tokens of every part, where a model has several."""
    if len(parts) < 2:
        return []
    rows = [
        (name, part["layers"], part["tokens"], part["held_out_tokens"])
        for name, part in parts.items()
    ]
    header = ("Part", "Layers", "Tokens, fewest of a layer", "Held-out tokens")
    return ["## Tokens by part", table(header, rows)]


def _row(module: ModuleReport) -> Sequence[object]:
    held_out = module.stages[0].j_val
    return (
        module.name,
        f"{module.shape[0]} x {module.shape[1]}",
        module.tokens,
        module.held_out_tokens,
        module.method,
        _ratio(module.j, module.j_rtn),
        _ratio(module.j_val, held_out),
        "none" if module.gamma is None else f"{module.gamma:g}",
        len(module.warnings),
    )


def _paper_row(name: str, paper: Mapping[str, Any]) -> Sequence[object]:
    """One layer of what ``quantizer.solvers.rpiq_paper.PaperReport`` holds."""
    shares = [
        _ratio(paper[side][of], paper["start"][of])
        for of in ("last", "all", "held_out")
        for side in ("off_grid", "on_grid")
    ]
    return name, *shares, f"{100 * paper['codes_changed']:.3f} %"


def _flat(facts: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Facts with those of an inner group named after it."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}: {part}", inner) for part, inner in value.items())
        else:
            yield name, value


def _ratio(value: float | None, reference: float | None) -> str:
    return _share(value / reference if value is not None and reference else None)


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def _loaders(report: Report) -> list[str]:
    """Which programs load the output; nothing in reports of earlier versions."""
    rows = [
        (
            one["loader"],
            one["verdict"],
            one["text"] or "nothing more",
            one["mend"] or "nothing",
            one["tried"] or "not tried",
        )
        for one in report.loaders
    ]
    if not rows:
        return []
    header = ("Loader", "Loads it", "How, or why not", "Mended by", "Tried with version")
    return ["## Who loads it", table(header, rows)]


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [_line(header), _line(["---"] * len(header)), *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") or "none" for cell in cells) + " |"
