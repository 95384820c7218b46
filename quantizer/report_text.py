"""``report.md``: a run's report for people, in plain tables that a screen reader can follow."""

from collections.abc import Iterable, Sequence

from quantizer.report import ModuleReport, RunReport

_COLUMNS = (
    "Layer",
    "Shape, out x in",
    "Tokens",
    "Held-out tokens",
    "Kept",
    "Output error, share of rounding's",
    "Held-out error, share of rounding's",
    "Warnings",
)


def markdown(report: RunReport) -> str:
    """The whole report. Every table has a header row, names its rows first, has no empty cell."""
    totals = report.totals()
    kept = ", ".join(f"{count} {name}" for name, count in totals["kept"].items())
    parts = [
        f"# Quantization of {report.source}",
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
        table(("Setting", "Value"), report.settings.items()),
        "## Calibration",
        table(("Fact", "Value"), report.calibration.items()) if report.calibration else "None.",
        "## Warnings",
        "\n".join(f"- {text}" for text in report.warnings()) or "None.",
        "## Layers",
        "Output error is that of what was kept, per token, divided by that of plain rounding.",
        table(_COLUMNS, map(_row, report.modules)),
    ]
    return "\n\n".join(parts) + "\n"


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
        len(module.warnings),
    )


def _ratio(value: float | None, reference: float | None) -> str:
    return _share(value / reference if value is not None and reference else None)


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [_line(header), _line(["---"] * len(header)), *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") or "none" for cell in cells) + " |"
