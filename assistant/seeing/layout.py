"""Reading order of recognized lines: columns, then rows, then paragraphs.

Text recognizers return what they find row by row over the whole page, which scrambles columns.
But a receipt also has columns, and must be read by rows: "Total" belongs to the figure at the
right edge. The difference used here is what the columns hold: running text on both sides of the
gap is read column by column, everything else by rows.
"""

import functools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.baselines import Baselines, Floats, baselines
from assistant.seeing.text import TextLine

PROSE_LETTERS = 12
"""Letters in the median line of a column of running text; names and figures have fewer."""

LEAST_COLUMN_ROWS = 3
MOST_CROSSING = 0.25
"""Part of the lines that may lie across a gap between columns: headings over both of them."""


LEANS = (0.0, *(sign * step / 50 for step in range(1, 8) for sign in (1, -1)))
"""Pixels sideways for each one down, by which the gaps between columns may lean."""

MOST_ROUNDS = 4
SURELY = 0.3
"""Parts of a line's height that two pieces may stand apart to be surely in one row."""

TALL = 1.5
"""Height in parts of the width from which a box holds text that runs up or down."""


@dataclass(frozen=True, slots=True)
class Row:
    """Pieces of text that stand side by side, from left to right."""

    pieces: tuple[TextLine, ...]

    @property
    def text(self) -> str:
        """The pieces with a space between them."""
        return " ".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Rows that belong together, from top to bottom."""

    rows: tuple[Row, ...]

    @property
    def text(self) -> str:
        """One line for each row."""
        return "\n".join(row.text for row in self.rows)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A line with its extent after the page was turned upright."""

    line: TextLine
    left: float
    right: float
    top: float
    bottom: float
    runs_across: bool = False

    @property
    def height(self) -> float:
        return self.bottom - self.top


def reading_order(lines: Sequence[TextLine]) -> tuple[Paragraph, ...]:
    """Order lines as a person reads them.

    Pages turned by any angle are turned upright first, by the direction of most lines, and pages
    that curl or are seen from the side are laid flat.
    """
    return _kept(tuple(lines))


@functools.lru_cache(maxsize=4)
def _kept(lines: tuple[TextLine, ...]) -> tuple[Paragraph, ...]:
    # Every question about a picture asks for the order of the same lines.
    return order_of(lines)


def order_of(lines: Sequence[TextLine]) -> tuple[Paragraph, ...]:
    """As `reading_order`, worked out anew: the pieces are these very lines, not equal ones."""
    placed = _upright(lines)
    groups = _columns(_squared([line for line in placed if not line.runs_across]))
    # What runs up or down at the margin is read last, each piece by itself.
    groups += [[line] for line in placed if line.runs_across]
    return tuple(paragraph for group in groups for paragraph in _paragraphs(_rows(group)))


def page_text(paragraphs: Iterable[Paragraph]) -> str:
    """The text of a page: a line break after each row, an empty line between paragraphs."""
    return "\n\n".join(paragraph.text for paragraph in paragraphs)


def rows_of(paragraphs: Iterable[Paragraph]) -> tuple[Row, ...]:
    """All rows in reading order."""
    return tuple(row for paragraph in paragraphs for row in paragraph.rows)


def _upright(lines: Sequence[TextLine]) -> list[_Placed]:
    """Lines where they would stand if the page were upright and flat."""
    if not lines:
        return []
    laid = [line if line.flat_box is None else replace(line, box=line.flat_box) for line in lines]
    # Long lines tell the direction best; the boxes of short words are as good as square.
    by_width = sorted(laid, key=lambda line: math.dist(line.box[0], line.box[1]))
    turned_by = _direction(by_width[len(lines) // 2 :])
    cosine, sine = math.cos(turned_by), math.sin(turned_by)
    turned = np.array([[(x * cosine + y * sine, y * cosine - x * sine) for x, y in line.box]
                       for line in laid])  # fmt: skip
    starts, ends = (turned[:, 0] + turned[:, 3]) / 2, (turned[:, 1] + turned[:, 2]) / 2
    across = [_runs_across(line, turned_by) for line in laid]
    told = [number for number, is_across in enumerate(across) if not is_across]
    heights = np.array([laid[number].height for number in told])
    page = _baselines(starts[told], ends[told], heights)
    starts[:, 1], ends[:, 1] = page.flat(*starts.T), page.flat(*ends.T)
    placed = []
    for number, line in enumerate(lines):
        corners, middle = turned[number], (starts[number, 1] + ends[number, 1]) / 2
        if across[number]:
            low, high = corners.min(axis=0), corners.max(axis=0)
            placed.append(_Placed(line, low[0], high[0], low[1], high[1], True))
            continue
        left, right = float(corners[:, 0].min()), float(corners[:, 0].max())
        half = (math.dist(corners[0], corners[3]) + math.dist(corners[1], corners[2])) / 4
        placed.append(_Placed(line, left, right, middle - half, middle + half))
    return placed


def _baselines(starts: Floats, ends: Floats, heights: Floats) -> Baselines:
    """The baselines of a page from the ends (N, 2) of its pieces of text, and their heights (N,).

    Short pieces far apart tell little of what lies between them. So those that surely stand side
    by side are taken for one line, which tells more, until nothing changes.
    """
    both = np.concatenate([starts, ends])
    line_of = np.arange(len(starts))
    page = baselines(both, np.tile(line_of, 2))
    for _ in range(MOST_ROUNDS):
        before = line_of
        line_of = _side_by_side_in(page, starts, ends, heights)
        if np.array_equal(line_of, before):
            break
        page = baselines(both, np.tile(line_of, 2))
    return page


def _side_by_side_in(
    page: Baselines, starts: Floats, ends: Floats, heights: Floats
) -> NDArray[np.intp]:
    """For each piece the number of its line, where the nearest ones of two rows fit best."""
    first, last = page.flat(*starts.T), page.flat(*ends.T)
    line_of = np.arange(len(starts))
    for number in np.argsort(starts[:, 0]):
        right = np.flatnonzero(starts[:, 0] > ends[number, 0])
        if not len(right):
            continue
        apart = np.abs(first[right] - last[number])
        near = right[apart < SURELY * np.minimum(heights[right], heights[number])]
        if len(near):
            nearest = near[np.argmin(starts[near, 0])]
            line_of[line_of == line_of[nearest]] = line_of[number]
    return np.unique(line_of, return_inverse=True)[1]


def _runs_across(line: TextLine, direction: float) -> bool:
    """True for text that runs up or down beside the other lines, as at the margin of a page."""
    off = abs(math.remainder(line.angle - direction, math.pi))
    width = math.dist(line.box[0], line.box[1])
    # Two high figures may be as narrow as that, upright.
    is_tall = line.height > TALL * width and len(line.text.strip()) > 2
    return off > math.pi / 4 or is_tall


def _direction(lines: Sequence[TextLine]) -> float:
    """The median angle of lines in radians, also around half a turn, where angles jump."""
    mean = math.atan2(
        sum(math.sin(line.angle) for line in lines), sum(math.cos(line.angle) for line in lines)
    )
    return mean + statistics.median(
        math.remainder(line.angle - mean, 2 * math.pi) for line in lines
    )


def _columns(lines: list[_Placed]) -> list[list[_Placed]]:
    """Split into groups to be read one after the other, each of them by rows."""
    found = _best_gap(lines)
    if found is None:
        return [lines] if lines else []
    gap = found[2]
    across = sorted((line for line in lines if line.left < gap < line.right), key=_middle)
    ordered: list[list[_Placed]] = []
    rest = [line for line in lines if not line.left < gap < line.right]
    for heading in [*across, None]:
        # What stands above the heading is read first, its left side before its right side.
        limit = math.inf if heading is None else _middle(heading)
        above = [line for line in rest if _middle(line) < limit]
        rest = [line for line in rest if _middle(line) >= limit]
        ordered += _columns([line for line in above if line.right <= gap])
        ordered += _columns([line for line in above if line.left >= gap])
        if heading is not None:
            ordered.append([heading])
    return _joined(ordered, across)


def _joined(groups: list[list[_Placed]], across: list[_Placed]) -> list[list[_Placed]]:
    """Put headings that follow each other into one group, so that they can form paragraphs."""
    joined: list[list[_Placed]] = []
    for group in groups:
        both_across = joined and joined[-1][-1] in across and group[0] in across
        if both_across:
            joined[-1].extend(group)
        else:
            joined.append(list(group))
    return joined


def _best_gap(lines: list[_Placed]) -> tuple[float, int, float] | None:
    """The gap between two columns of running text that fewest lines cross, or None.

    Returns how bad it is, how many lines cross it, and its x.
    """
    if len(lines) < 2 * LEAST_COLUMN_ROWS:
        return None
    least_width = statistics.median(line.height for line in lines) / 2
    lefts = np.sort([line.left for line in lines])
    rights = np.sort([line.right for line in lines])
    begins = np.unique(rights)
    following = np.searchsorted(lefts, begins, side="right")
    begins, ends = begins[following < len(lefts)], lefts[following[following < len(lefts)]]
    gaps = ((begins + ends) / 2)[ends - begins >= least_width]
    on_left = np.searchsorted(rights, gaps, side="right")
    on_right = len(lines) - np.searchsorted(lefts, gaps, side="left")
    crossing = len(lines) - on_left - on_right
    scores = crossing - np.minimum(on_left, on_right) / len(lines)
    for at in np.argsort(scores, kind="stable"):
        gap = float(gaps[at])
        left = [line for line in lines if line.right <= gap]
        right = [line for line in lines if line.left >= gap]
        if crossing[at] <= MOST_CROSSING * len(lines) and _side_by_side(left, right):
            return float(scores[at]), int(crossing[at]), gap
    return None


def _squared(lines: list[_Placed]) -> list[_Placed]:
    """Lines moved sideways so that the gap between columns stands upright.

    On a page that is seen from the side, lines lean one way and columns another.
    """
    if len(lines) < 2 * LEAST_COLUMN_ROWS or not _is_prose(lines):
        return lines
    best: tuple[float, list[_Placed]] | None = None
    for lean in LEANS:
        moved = [_moved(line, -lean * _middle(line)) for line in lines] if lean else lines
        gap = _best_gap(moved)
        if gap is not None and (best is None or gap[0] < best[0] - 0.5):
            best = (gap[0], moved)
        if best is not None and best[0] < 0:
            break
    return lines if best is None else best[1]


def _moved(line: _Placed, by: float) -> _Placed:
    return replace(line, left=line.left + by, right=line.right + by)


def _side_by_side(left: list[_Placed], right: list[_Placed]) -> bool:
    """True for two columns of running text at the same height of the page."""
    if not (_is_prose(left) and _is_prose(right)):
        return False
    top = max(min(line.top for line in side) for side in (left, right))
    bottom = min(max(line.bottom for line in side) for side in (left, right))
    shorter = min(
        max(line.bottom for line in side) - min(line.top for line in side) for side in (left, right)
    )
    return bottom - top > 0.5 * shorter


def _is_prose(lines: list[_Placed]) -> bool:
    if len(lines) < LEAST_COLUMN_ROWS:
        return False
    letters = [sum(character.isalpha() for character in line.line.text) for line in lines]
    return statistics.median(letters) >= PROSE_LETTERS


def _rows(lines: list[_Placed]) -> list[list[_Placed]]:
    """Group lines that overlap in height by more than half of the lower one."""
    rows: list[list[_Placed]] = []
    for line in sorted(lines, key=_middle):
        row = next((row for row in reversed(rows[-3:]) if _fits(line, row)), None)
        if row is None:
            rows.append([line])
        else:
            row.append(line)
    for row in rows:
        row.sort(key=lambda line: line.left)
    return sorted(rows, key=lambda row: statistics.fmean(_middle(line) for line in row))


def _fits(line: _Placed, row: list[_Placed]) -> bool:
    """True if a line stands beside the pieces of a row, and over or under none of them."""
    nearest = min(row, key=lambda piece: max(piece.left - line.right, line.left - piece.right))
    overlap = min(line.bottom, nearest.bottom) - max(line.top, nearest.top)
    beside = all(
        min(line.right, piece.right) - max(line.left, piece.left)
        < 0.3 * min(line.right - line.left, piece.right - piece.left)
        for piece in row
    )
    return beside and overlap > 0.5 * min(line.height, nearest.height)


def _paragraphs(rows: list[list[_Placed]]) -> list[Paragraph]:
    """Start a new paragraph at a wide gap, or where the size of the letters changes."""
    if not rows:
        return []
    extents = [
        (
            statistics.fmean(line.top for line in row),
            statistics.fmean(line.bottom for line in row),
        )
        for row in rows
    ]
    groups = [[rows[0]]]
    for row, above, here in zip(rows[1:], extents, extents[1:], strict=False):
        height, height_above = here[1] - here[0], above[1] - above[0]
        apart = here[0] - above[1] > 0.8 * min(height, height_above)
        other_size = max(height, height_above) > 1.6 * min(height, height_above)
        if apart or other_size:
            groups.append([row])
        else:
            groups[-1].append(row)
    return [
        Paragraph(tuple(Row(tuple(piece.line for piece in row)) for row in group))
        for group in groups
    ]


def _middle(line: _Placed) -> float:
    return (line.top + line.bottom) / 2
