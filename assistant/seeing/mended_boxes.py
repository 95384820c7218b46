"""What detection has cut wrongly, told by rows of glyphs that are laid over its boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from assistant.seeing.glyph_rows import (
    DATE_GAP,
    MARGIN,
    GlyphRow,
    is_of_line,
    share,
    with_boxes,
)
from assistant.seeing.page_boxes import Box
from assistant.seeing.pixels import area, shared_area

COVERED, WITHIN, LOWER = 0.5, 0.6, 0.62
"""Parts of a glyph that lie in a box of text, from which it is covered; of a box that lie in a row,
from which it is a part of that; and of a block's height that its rows have at most."""

INSIDE = 0.2
"""Parts of a glyph's width on either side of which a box's end is no cut."""

OVERLAPPING = 0.2
"""Part of a box that lies in another one of its line, from which both have the same glyph."""


@dataclass(frozen=True, slots=True)
class Mended:
    """Boxes of text after rows of glyphs were laid over them.

    kept:   those that stay.
    rows:   rows that stand for what detection has cut wrongly, each with the boxes that it stands
            for; whoever cannot read the row has these.
    whole:  rows whose glyphs lie in boxes that stay, with these.
    missed: rows in which detection has seen nothing.
    """

    kept: list[Box]
    rows: list[tuple[GlyphRow, list[Box]]]
    whole: list[tuple[GlyphRow, list[Box]]]
    missed: list[GlyphRow]


def mended(boxes: Sequence[Box], rows: Sequence[GlyphRow]) -> Mended:
    """Rows of glyphs in the place of boxes (4, 2) that cut them, or that hold several of them."""
    kept, missed = list(boxes), list[GlyphRow]()
    taken, whole = list[tuple[GlyphRow, list[Box]]](), list[tuple[GlyphRow, list[Box]]]()
    for row in (_reaching(each, boxes) for each in rows):
        touched = [box for box in boxes if shared_area(box, row.box) > 0]
        parts = [box for box in touched if share(box, row.box) > WITHIN]
        blocks = [box for box in touched if row.broken and _is_block(box, row, rows)]
        beside = [box for box in touched if row.broken and is_of_line(box, row)]
        seen = [sum(shared_area(box, glyph) for box in touched) / max(area(glyph), 1.0) > COVERED
                for glyph in row.glyphs]  # fmt: skip
        if blocks or (row.dotted and _is_torn(parts, row)):
            taken.append((row, [*parts, *blocks]))
        elif beside and (not all(seen) or _overlap(beside) or any(_cuts(b, row) for b in beside)):
            taken.append((with_boxes(row, beside), beside))
        elif beside:
            whole.append((row, beside))
        elif row.broken and not any(seen):
            missed.append(row)
    for _, own in taken:
        kept = [box for box in kept if not any(box is each for each in own)]
    return Mended(kept, taken, whole, missed)


def _reaching(row: GlyphRow, boxes: Sequence[Box]) -> GlyphRow:
    """A row of dots that detection has torn, with the pieces beside it."""
    while row.dotted and _is_torn([box for box in boxes if share(box, row.box) > WITHIN], row):
        loose = [box for box in boxes if _is_loose(box, row)]
        if not loose:
            break
        row = with_boxes(row, loose)
    return row


def _is_loose(box: Box, row: GlyphRow) -> bool:
    """True for a piece of a glyph beside a row."""
    (left, top), (right, bottom) = box.min(axis=0), box.max(axis=0)
    above, below = row.box[0, 1], row.box[3, 1]
    if top < above or bottom > below or share(box, row.box) > WITHIN:
        return False
    gap = max(left - row.box[1, 0], row.box[0, 0] - right)
    return bool(gap <= DATE_GAP * row.height and bottom - top < LOWER * row.height)


def _is_block(box: Box, row: GlyphRow, rows: Sequence[GlyphRow]) -> bool:
    """True if a box holds this row and another one over or under it."""
    height = float(np.ptp(box[:, 1]))
    inside = [each for each in rows if share(each.box, box) > WITHIN]
    low = all(each.height < LOWER * height for each in inside)
    return len(inside) >= 2 and low and any(each is row for each in inside)


def _is_torn(parts: Sequence[Box], row: GlyphRow) -> bool:
    """True if boxes are pieces of glyphs: much lower than the row they lie in."""
    inner = row.height / (1 + 2 * MARGIN)
    return any(float(np.ptp(box[:, 1])) < LOWER * inner for box in parts)


def _cuts(box: Box, row: GlyphRow) -> bool:
    """True if a box ends in the midst of a glyph of its line."""
    ends = (box[[0, 3], 0].mean(), box[[1, 2], 0].mean())
    return any(
        glyph[0, 0] + INSIDE * wide < end < glyph[1, 0] - INSIDE * wide
        for glyph in row.glyphs
        for wide in (glyph[1, 0] - glyph[0, 0],)
        for end in ends
    )


def _overlap(boxes: Sequence[Box]) -> bool:
    """True if one glyph lies in two boxes of a line."""
    return any(
        shared_area(one, other) > OVERLAPPING * min(area(one), area(other))
        for one, other in combinations(boxes, 2)
    )
