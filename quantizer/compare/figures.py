"""Figures of a comparison that tables, plots and ``report.json`` share."""

from collections.abc import Iterable, Sequence

from quantizer.compare.comparison import Comparison
from quantizer.compare.methods import GPTQ, RPIQ, LayerRow, Variant


def rows_by_kind(rows: Iterable[LayerRow]) -> dict[str, list[LayerRow]]:
    kinds: dict[str, list[LayerRow]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row)
    return kinds


def layer_ratios(comparison: Comparison, variant: Variant, field: str) -> dict[str, list[float]]:
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
        for kind, rows in rows_by_kind(comparison.layers[variant]).items()
    }
    return {kind: values for kind, values in ratios.items() if values}


def mean_ratios(comparison: Comparison, variant: Variant, field: str) -> dict[str, float]:
    """Mean over the layers of each kind of J (or J_val) as a share of plain GPTQ's."""
    return {kind: mean(values) for kind, values in layer_ratios(comparison, variant, field).items()}


def shares_changed(rows: Iterable[LayerRow]) -> dict[str, float]:
    """Mean share of codes changed in the layers of each kind."""
    result = {}
    for kind, members in rows_by_kind(rows).items():
        shares = [row.codes_changed for row in members if row.codes_changed is not None]
        if shares:
            result[kind] = mean(shares)
    return result


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def percent_change(
    comparison: Comparison, variant: Variant, method: str = GPTQ
) -> tuple[float, float, float] | None:
    """Perplexity against a reference's in per cent, with the paired interval's ends."""
    against = comparison.against_reference(variant, method)
    if against is None:
        return None
    value, low, high = (100 * (part - 1) for part in (against["ratio"], *against["ratio_95"]))
    return value, low, high


def changed_by_label(comparison: Comparison, bits: int) -> dict[str, dict[str, float]]:
    found = {v.label: shares_changed(comparison.layers[v]) for v in comparison.at(bits)}
    return {label: shares for label, shares in found.items() if shares}


def gamma_note(comparison: Comparison) -> str:
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
