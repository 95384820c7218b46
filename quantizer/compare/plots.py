"""Plots as PNG and SVG, each with a text that states in words what it shows.

Lines and points differ by colour, marker and dash, so that colour alone never tells them apart.
The colours are those of Okabe and Ito, which people with any colour blindness can distinguish.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from matplotlib.typing import RcKeyType

_DOTS_PER_INCH = 150
_PANELS_IN_ROW = 4
_WIDE = 4  # perplexities that differ by a larger factor stand on a logarithmic axis
_SETTINGS: dict[RcKeyType, Any] = {
    "font.size": 9.0,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    "svg.fonttype": "none",  # text stays text, which can be read aloud and searched
    "svg.hashsalt": "sightline",  # the same plot is the same file
}


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot that lies in a folder as ``name.png`` and ``name.svg``.

    description: states in words, with its numbers, what the plot shows.
    """

    name: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Style:
    """How one method looks in every plot."""

    colour: str
    marker: str
    dash: str


_STYLES = (
    Style("#000000", "o", "-"),
    Style("#D55E00", "s", "--"),
    Style("#0072B2", "^", "-."),
    Style("#009E73", "D", "-"),
    Style("#CC79A7", "v", "--"),
    Style("#E69F00", "P", ":"),
    Style("#56B4E9", "X", "-."),
    Style("#666666", "<", ":"),
    Style("#882255", ">", "--"),
)


def styles_of(labels: Sequence[str]) -> dict[str, Style]:
    """A style for every label, the same wherever the labels come in the same order."""
    return {label: _STYLES[index % len(_STYLES)] for index, label in enumerate(labels)}


@dataclass(frozen=True, slots=True)
class Convergence:
    """Γ of one kind of layer before the first round and after each, as shares of its start."""

    off_grid: Sequence[float]
    on_grid: Sequence[float]


def plot_convergence(folder: Path, name: str, title: str, kinds: Mapping[str, Convergence]) -> Plot:
    """Γ over rounds off the grid and put back on it, one panel a kind of layer."""
    description = f"{title}. " + " ".join(
        f"{kind}: off the grid Γ goes from 1 to {curve.off_grid[-1]:.4f} in "
        f"{len(curve.off_grid) - 1} rounds; put back on the grid it ends at "
        f"{curve.on_grid[-1]:.4f}."
        for kind, curve in kinds.items()
    )
    off, on = Style("#D55E00", "o", "-"), Style("#0072B2", "s", "--")
    with _figure(title, len(kinds)) as (figure, panels):
        for axes, (kind, curve) in zip(panels, kinds.items(), strict=True):
            for label, values, style in (
                ("off the grid", curve.off_grid, off),
                ("put back on the grid", curve.on_grid, on),
            ):
                _line(axes, range(len(values)), values, label, style)
            axes.set_title(kind, fontsize=9)
            axes.set_xlabel("round")
            axes.set_ylabel("Γ, share of its start")
            axes.sharey(panels[0])
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(figure, panels[0])
        return _save(figure, folder, Plot(name, title, description))


def plot_by_layer(
    folder: Path,
    name: str,
    title: str,
    what: str,
    kinds: Mapping[str, Mapping[str, Sequence[float]]],
    styles: Mapping[str, Style],
    reference: str,
    note: str = "",
) -> Plot:
    """A value of every layer, one panel a kind of layer, one line a method.

    what:  names the value, for the axis.
    kinds: by kind and method, the values of the blocks in order, as shares of the reference's.
    note:  ends the description.
    """
    description = f"{title}. " + " ".join(
        f"{kind}: "
        + ", ".join(
            f"{label} {_mean(values):.3f} on average ({min(values):.3f} to {max(values):.3f})"
            for label, values in lines.items()
        )
        + "."
        for kind, lines in kinds.items()
    )
    description = f"{description} {note}".strip()
    with _figure(title, len(kinds)) as (figure, panels):
        for axes, (kind, lines) in zip(panels, kinds.items(), strict=True):
            for label, values in lines.items():
                _line(axes, range(len(values)), values, label, styles[label])
            axes.axhline(1, color="#000000", linestyle=":", linewidth=1, label=f"{reference} (1)")
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_title(kind, fontsize=9)
            axes.set_xlabel("block")
            axes.set_ylabel(what)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(figure, panels[0])
        return _save(figure, folder, Plot(name, title, description))


def plot_codes_changed(
    folder: Path,
    name: str,
    title: str,
    methods: Mapping[str, Mapping[str, float]],
    styles: Mapping[str, Style],
) -> Plot:
    """Share of codes that each method changed, by kind of layer."""
    kinds = list(next(iter(methods.values())))
    description = f"{title}. " + " ".join(
        f"{label}: "
        + ", ".join(f"{kind} {100 * share:.2f} %" for kind, share in shares.items())
        + "."
        for label, shares in methods.items()
    )
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(7.5, 1.6 + 0.45 * len(kinds)), layout="constrained")
        axes = figure.subplots()
        for index, (label, shares) in enumerate(methods.items()):
            # Side by side, so that equal values do not hide each other.
            shift = 0.6 * ((index + 0.5) / len(methods) - 0.5)
            axes.plot(
                [100 * share for share in shares.values()],
                [row + shift for row in range(len(kinds))],
                linestyle="none",
                label=label,
                **_marker(styles[label]),
            )
        axes.set_yticks(range(len(kinds)), kinds)
        axes.set_ylim(len(kinds) - 0.5, -0.5)
        axes.set_xlim(left=min(-0.5, axes.get_xlim()[0]))
        axes.set_xlabel("codes changed, per cent")
        figure.suptitle(title, fontsize=11)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        return _save(figure, folder, Plot(name, title, description))


@dataclass(frozen=True, slots=True)
class PerplexityPoint:
    """Perplexity of one model and its 95 % interval; change against a reference in per cent.

    change: value, low, high; None for the reference itself.
    """

    label: str
    value: float
    low: float
    high: float
    change: tuple[float, float, float] | None


def plot_perplexity(
    folder: Path,
    name: str,
    title: str,
    points: Sequence[PerplexityPoint],
    exact: PerplexityPoint,
    reference: str | None,
    styles: Mapping[str, Style],
) -> Plot:
    """Perplexity of every method with intervals, and its paired change against a reference, if any.

    The interval of a single model mostly tells how texts differ; the paired one how models do.
    """
    description = (
        f"{title}. The full-precision model has {exact.value:.4f} "
        f"(95 % interval {exact.low:.4f} to {exact.high:.4f}). "
    ) + " ".join(
        f"{point.label}: {point.value:.4f} ({point.low:.4f} to {point.high:.4f})"
        + (
            f", against {reference} {point.change[0]:+.2f} per cent "
            f"({point.change[1]:+.2f} to {point.change[2]:+.2f})."
            if point.change
            else "."
        )
        for point in points
    )
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(10, 1.6 + 0.4 * len(points)), layout="constrained")
        panels = figure.subplots(1, 1 if reference is None else 2, sharey=True, squeeze=False)
        left, right = panels[0, 0], panels[0, -1]
        for row, point in enumerate(points):
            _interval(left, row, (point.value, point.low, point.high), styles[point.label])
            if reference is not None and point.change:
                _interval(right, row, point.change, styles[point.label])
        left.axvline(exact.value, color="#000000", linestyle=":", linewidth=1)
        left.set_title(
            f"with 95 % interval (dotted: full precision, {exact.value:.3f})", fontsize=9
        )
        left.set_yticks(range(len(points)), [point.label for point in points])
        left.set_ylim(len(points) - 0.5, -0.5)
        left.set_xlabel("perplexity")
        if max(point.value for point in points) > _WIDE * exact.value:
            left.set_xscale("log")
            left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            left.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            left.xaxis.set_minor_locator(NullLocator())
        if reference is not None:
            right.axvline(0, color="#000000", linestyle=":", linewidth=1)
            right.set_title(f"paired with {reference} on the same windows", fontsize=9)
            right.set_xlabel(f"change against {reference}, per cent")
        figure.suptitle(title, fontsize=11)
        return _save(figure, folder, Plot(name, title, description))


@contextmanager
def _figure(title: str, panels: int) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with one panel each, as many as four in a row."""
    columns = min(panels, _PANELS_IN_ROW)
    rows = math.ceil(panels / columns)
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(3.1 * columns, 0.9 + 2.5 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
        for unused in grid[panels:]:
            unused.remove()
        figure.suptitle(title, fontsize=11)
        yield figure, grid[:panels]


def _marker(style: Style) -> dict[str, Any]:
    return {
        "color": style.colour,
        "marker": style.marker,
        "markersize": 5.0,
        "markeredgecolor": "#ffffff",
        "markeredgewidth": 0.5,
    }


def _line(
    axes: Axes, places: Sequence[int], values: Sequence[float], label: str, style: Style
) -> None:
    axes.plot(places, values, linestyle=style.dash, linewidth=1.2, label=label, **_marker(style))


def _interval(axes: Axes, row: int, point: tuple[float, float, float], style: Style) -> None:
    value, low, high = point
    axes.plot([low, high], [row, row], color=style.colour, linewidth=1.5)
    axes.plot([value], [row], linestyle="none", **_marker(style))


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _save(figure: Figure, folder: Path, plot: Plot) -> Plot:
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")  # one layout serves both files, and takes most of the time
    figure.savefig(
        folder / f"{plot.name}.png",
        dpi=_DOTS_PER_INCH,
        metadata={"Title": plot.title, "Description": plot.description, "Software": None},
    )
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    (folder / f"{plot.name}.svg").write_text(_described(text.getvalue(), plot), encoding="utf-8")
    return plot


def _described(svg: str, plot: Plot) -> str:
    """Give an SVG the title and description that screen readers announce."""
    start = svg.index("<svg ")
    end = svg.index(">", start)
    return (
        f'{svg[:end]} role="img" aria-labelledby="title description">\n'
        f' <title id="title">{escape(plot.title)}</title>\n'
        f' <desc id="description">{escape(plot.description)}</desc>{svg[end + 1 :]}'
    )
