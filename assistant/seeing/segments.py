"""Figures of seven segments, told by which segments of each are inked: a look of its own.

A text recognizer was made for print; on a display it takes an 8 for a 0 with full confidence. What
its reading says of a row of segments is believed where the segments themselves say the same.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.page_boxes import Box
from assistant.seeing.pixels import luminance, opened_across, parted, pieces, scaled, sheared

HEIGHT = 72
"""Pixels to which the glyphs of a row are brought before their segments are looked at."""

MOST_WIDE, BESIDE, OVER, BEFORE = 12, 0.06, 0.2, 0.5
"""Widths of a row in heights, beyond which it is no value of a display; and what is looked at on
either side of it; over and under it, where strokes that lie may have been left out; and before a
narrow glyph at its begin: of a 7 the upright strokes alone are a 1."""

LEAST_CONTRAST = 16
"""Levels between ink and ground."""

LEANS, TILTS = np.arange(-4, 15) / 40, np.arange(-4, 5) / 50
"""Pixels by which figures may lean to the right for one of their height, and by which their line
may fall for one of its width."""

STROKE, SPECK = 0.28, 0.05
"""Length of a stroke in heights of its row at least; smaller pieces of ink are marks, and those
that are smaller than the second nothing."""

LYING = 0.2
"""Heights of a row along which ink must go on from side to side if it lies."""

GAP = 0.065
"""Bare columns, in heights, that part two figures; those between two segments are fewer."""

NARROW, WIDEST = 0.36, 0.85
"""Width of a "1" in heights of its row at most, and of any figure."""

LEVEL, CENTRE, ENDS = 0.2, (0.36, 0.64), 0.32
"""Parts of a figure's height, from its edges and around its middle, in which the strokes that lie
are looked for; the columns in which they are, as those at the ends belong to upright ones; and the
parts of its width in which these are."""

UPPER, LOWER = (0.22, 0.38), (0.62, 0.78)
"""Rows, in parts of the height, between the strokes that lie: only upright ones cross them."""

INKED, BARE = 0.75, 0.3
"""Parts of a stroke that are ink from which it is there, and up to which it is not; with what lies
between nothing is known."""

HOLLOW, MOST_HOLLOW = ((0.27, 0.39), (0.61, 0.73)), 0.12
"""Rows of the two hollows between the strokes, in parts of the height, and how much of them, in the
columns of CENTRE, may be ink: there the slanting strokes of print go."""

FOOT = 0.3
"""Part of the height at the foot in which a point stands."""

FIGURES = {
    "abcdef": "0", "bc": "1", "abdeg": "2", "abcdg": "3", "bcfg": "4", "acdfg": "5",
    "acdefg": "6", "cdefg": "6", "abc": "7", "abcf": "7", "abcdefg": "8", "abcdfg": "9",
    "abcfg": "9",
}  # fmt: skip
"""By the names that displays give to their segments: clockwise from the top, g in the middle."""

LEFT, TOP, WIDE, TALL = range(4)
"""Columns of `pixels.pieces`."""

Mask = NDArray[np.bool_]


def figures_of(bgr: NDArray[np.uint8], glyphs: Sequence[Box]) -> str:
    """What the glyphs of a row, (4, 2) each, in a picture (H, W, 3) are as figures of segments.

    A "." stands for a point or a colon between two of them. "" where any of them is no such figure,
    or not clearly one.
    """
    ink = _ink_of_row(bgr, glyphs)
    if ink is None:
        return ""
    tall = len(ink)
    found = [piece for piece in pieces(ink) if max(piece[WIDE], piece[TALL]) >= SPECK * tall]
    marks = [piece for piece in found if max(piece[WIDE], piece[TALL]) < STROKE * tall]
    _clear(ink, marks)
    said, before = "", 0
    for left, right in _columns(ink):
        figure = figure_of(ink[:, left:right])
        if not figure:
            return ""
        between = [m for m in marks if before <= m[LEFT] and m[LEFT] + m[WIDE] <= left]
        at_foot = any(m[TOP] + m[TALL] >= (1 - FOOT) * tall for m in between)
        said += "." * (at_foot and bool(said)) + figure
        before = right
    return said


def figure_of(ink: Mask) -> str:
    """The figure whose segments are the ink of a mask (H, W), as high as its row; "" if none."""
    height, width = ink.shape
    if width > WIDEST * height:
        return ""
    upper, lower = (slice(*(round(s * height) for s in share)) for share in (UPPER, LOWER))
    if width <= NARROW * height:  # too narrow for two sides
        return "1" if all(ink[rows].any(axis=1).all() for rows in (upper, lower)) else ""
    low, high = (round(share * width) for share in CENTRE)
    middle, edge, side = ink[:, low:high], round(LEVEL * height), round(ENDS * width)
    hollows = [middle[round(first * height) : round(last * height)] for first, last in HOLLOW]
    if any(float(hollow.mean()) > MOST_HOLLOW for hollow in hollows):
        return ""
    centre = slice(round((1 - LEVEL) / 2 * height), round((1 + LEVEL) / 2 * height))
    shares = {
        "a": _fullest(middle[:edge]), "b": _fullest(ink[upper, -side:].T),
        "c": _fullest(ink[lower, -side:].T), "d": _fullest(middle[-edge:]),
        "e": _fullest(ink[lower, :side].T), "f": _fullest(ink[upper, :side].T),
        "g": _fullest(middle[centre]),
    }  # fmt: skip
    if any(BARE < share < INKED for share in shares.values()):
        return ""
    return FIGURES.get("".join(name for name, share in shares.items() if share >= INKED), "")


def _fullest(part: Mask) -> float:
    """How much of its fullest row is ink."""
    return float(part.mean(axis=1).max())


def _columns(ink: Mask) -> list[tuple[int, int]]:
    """The columns of each figure of a row, (H, W): first, and one past the last."""
    inked = np.flatnonzero(ink.any(axis=0))
    if not len(inked):
        return []
    ends = np.flatnonzero(np.diff(inked) > GAP * len(ink))
    firsts = [inked[0], *inked[ends + 1]]
    lasts = [*inked[ends], inked[-1]]
    return [(int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]


def _ink_of_row(bgr: NDArray[np.uint8], glyphs: Sequence[Box]) -> Mask | None:
    """The ink of a row whose figures are set upright, as high as they are; None where there is
    none, or where it is too long."""
    edges = np.concatenate(list(glyphs))
    (left, top), (right, bottom) = np.floor(edges.min(axis=0)), np.ceil(edges.max(axis=0))
    tall = bottom - top
    if tall < HEIGHT / 4 or right - left > MOST_WIDE * tall:
        return None
    first = min(glyphs, key=lambda glyph: float(glyph[0, 0]))
    is_narrow = float(np.ptp(first[:, 0])) <= NARROW * tall
    left, right = left - (BEFORE if is_narrow else BESIDE) * tall, right + BESIDE * tall
    top, bottom = top - OVER * tall, bottom + OVER * tall
    crop = bgr[max(int(top), 0) : int(bottom) + 1, max(int(left), 0) : int(right) + 1]
    scale = HEIGHT / tall
    small = scaled(crop, round(crop.shape[1] * scale), round(crop.shape[0] * scale))
    grey = luminance(np.ascontiguousarray(small[:, :, ::-1]))
    if int(np.ptp(grey)) < LEAST_CONTRAST:
        return None
    darker = grey <= parted(grey)
    ink = darker if darker.mean() < 0.5 else ~darker
    found = pieces(ink)
    is_cut = (found[:, TOP] == 0) | (found[:, TOP] + found[:, TALL] == len(ink))
    is_cut |= is_narrow & (found[:, LEFT] == 0)
    _clear(ink, found[is_cut])  # of another row, or a rim
    lying = opened_across(ink, round(LYING * HEIGHT))
    tilt = max(TILTS, key=lambda each: _peaked(sheared(lying, 0.0, each), 1))
    lean = max(LEANS, key=lambda each: _peaked(sheared(ink, each, tilt), 0))
    ink = sheared(ink, lean, tilt)
    large = [piece for piece in pieces(ink) if max(piece[WIDE], piece[TALL]) >= STROKE * HEIGHT]
    if not large:
        return None
    first = min(piece[TOP] for piece in large)
    last = max(piece[TOP] + piece[TALL] for piece in large)
    return ink[first:last]


def _clear(ink: Mask, found: Iterable[Sequence[int]]) -> None:
    """Take the rectangles around some pieces out of a mask."""
    for left, top, wide, tall, *_ in found:
        ink[top : top + tall, left : left + wide] = False


def _peaked(ink: Mask, axis: int) -> float:
    """How much the ink of rows or columns differs: most where strokes lie along them."""
    return float(np.square(ink.sum(axis=axis, dtype=np.float64)).sum())
