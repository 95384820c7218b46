"""Which plots a comparison gets, and what stands on them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from quantizer.compare import plots
from quantizer.compare.comparison import Comparison, Measured
from quantizer.compare.figures import (
    changed_by_label,
    gamma_note,
    layer_ratios,
    mean,
    percent_change,
    rows_by_kind,
)
from quantizer.compare.methods import GPTQ, PAPER, LayerRow, Variant
from quantizer.compare.plots import Convergence, PerplexityPoint, Plot


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
                        gamma_note(comparison),
                    )
                )
        changed = changed_by_label(comparison, bits)
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
        for kind, values in layer_ratios(comparison, variant, field).items():
            kinds.setdefault(kind, {})[variant.label] = values
    return kinds


def _convergence(rows: Iterable[LayerRow]) -> dict[str, Convergence]:
    """Mean over the layers of each kind; a layer that stopped stays at what it kept."""
    result = {}
    for kind, members in rows_by_kind(rows).items():
        reports = [row.paper for row in members if row.paper is not None and row.paper.trace[0]]
        if not reports:
            continue
        longest = max(report.rounds for report in reports)
        off, on = [], []
        for t in range(longest + 1):
            off.append(mean([r.trace[min(t, r.kept_round)] / r.trace[0] for r in reports]))
            on.append(mean([r.grid_trace[min(t, r.kept_round)] / r.trace[0] for r in reports]))
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
