"""Rows of large figures and letters, found by their ink, and what detection made of them.

A detector of text cuts the figures of displays and the dots of needle printers out wrongly: the
narrow "1" at an end falls out of its box, three rows come as one block, a date as a few of its
dots. What is left of a figure is read surely, and is another figure. So pieces of ink of one
height that stand side by side are looked for in a small copy, in which gaps have grown together.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.glyph_ink import AREA, LEFT, TALL, TOP, WIDE, GlyphInk, Places, glyph_ink
from assistant.seeing.page_boxes import Box
from assistant.seeing.pixels import (
    area,
    luminance,
    parted,
    pieces,
    scaled,
    shared_area,
)
from assistant.seeing.segments import figures_of

Glyph = tuple[int, ...]

STACKED, NEAR, UNLIKE, LEAST_STROKE = 0.4, 0.14, 2.5, 3
"""Parts of the narrower of two pieces under each other that lie in the columns of the other one,
and of twice the lower one's height that lie between them at most, how much higher the one may be,
and pixels of its height at least, if they are strokes of one glyph."""

SLIM, THIN_NEAR, UPRIGHT = 0.5, 0.17, (1.4, 2.05)
"""Width in heights of a stroke of a "1" at most, and what may lie between two of these; and heights
in widths of a whole figure of a display: two such ones are of two rows, however near they are."""

LEAST_TALL, MOST_TALL = 14, 0.6
"""Height of a glyph in pixels at least, and in parts of the picture's at most."""

MOST_WIDE, JOINED, LEAST_FULL, MOST_FULL, NARROW = 1.2, 2.4, 0.15, 0.88, 0.35
"""Width of a glyph in heights, and of two that have grown together; how much of the rectangle
around it is ink: a narrow one may be full."""

LEVEL, HANGING, ALIKE = 0.18, 0.3, 1.35
"""Heights of a glyph by which the feet or the heads of neighbours may differ, by how much the
others, since a point hangs on some feet, and how much higher the one may be."""

NEXT = 0.95
"""Heights between two glyphs of a row: a "1" of a display stands at the right of its place."""

FRAMED, CLEAR = 0.2, 0.1
"""Height, in parts of a frame's, of what it stands around, and how far that is from its rim."""

MOST_ROWS, MOST_GLYPHS, MOST_PIECES = 12, 80, 160
"""More of them are a texture, or print, which is cut out well."""

MARGIN = 0.2
"""Heights around the glyphs that belong to a row's box."""

SAME = 0.5
"""Part of a row that lies in a larger one, from which it is that one."""

BROKEN, DOTTED = 1.7, 12.0
"""Pieces of ink for each glyph from which it is made of strokes, and from which of dots, or of
nothing that is known. Print is cut out well, and left alone."""

FIGURES = 6
"""Figures of a value on a display at most."""

UNEVEN, LEAST_ALIKE = 0.5, 0.65
"""Dots are round and of one size: so little, as a logarithm, and so many of them. Of rows in drawn
dots 78 in 100 are at least, of other specks 52 at most."""

AROUND_DOTS, DOTS_BESIDE = 1.0, 8
"""Heights of a place around it in which so many dots stand if it is a piece of a line of dots."""

MOST_BARE = 0.11
"""Part of a glyph's height that may be bare all across it: more lies between two lines of print."""

FINE, LEAST_PIECE = 144, 6
"""Pixels of height at most at which these pieces are counted, and pixels of one at least."""

DATE_GAP = 1.1
"""Heights of a row's box between the parts of a date in dots, in which its points stand."""

POINT, LEAST_POINT, MOST_SPECKLED = 0.3, 0.1, 0.01
"""Parts of a line's height at its foot in which points stand; of the gap between two rows that have
ink there at least; and of the gap over it that may be inked."""

BESIDE, STROKE = 0.9, 0.34
"""Heights of a row beside its ends in which its next glyph may stand, and of a stroke of that."""

LEVELLED, SHARED = 1.6, 0.6
"""Heights of a row that a box beside it has at most if it is of the same line, and the part of the
lower one's height that they share."""


@dataclass(frozen=True, slots=True)
class GlyphRow:
    """Glyphs side by side.

    box: the corners of the upright rectangle around them, (4, 2) pixels of the picture, with a
    margin; glyphs: those of each of them, from left to right; broken: whether they are made of
    segments or dots; dotted: whether of dots.
    """

    box: Box
    glyphs: tuple[Box, ...]
    broken: bool = False
    dotted: bool = False

    @property
    def height(self) -> float:
        """Of its box, in pixels."""
        return float(self.box[3, 1] - self.box[0, 1])


def glyph_rows(bgr: NDArray[np.uint8], ink: GlyphInk | None = None) -> list[GlyphRow]:
    """Rows of large glyphs that stand upright in a picture (H, W, 3).

    ink: the picture's, where it is known already.
    """
    ink = glyph_ink(bgr) if ink is None else ink
    height, width = ink.size
    across, down = ink.copied[1] / width, ink.copied[0] / height
    found: list[GlyphRow] = []
    single: list[GlyphRow] = []
    for places in ink.found:
        glyphs = _glyphs(_stacked(places), ink.copied)
        if len(glyphs) > MOST_GLYPHS:
            continue
        every = list(_rows(glyphs))
        whole = [row for row in every if _is_row(row)]
        if len(whole) <= MOST_ROWS:
            found += [_as_row(row, across, down, width, height) for row in whole]
        alone = [row for row in every if len(row) == 1]
        if len(alone) <= MOST_ROWS:
            single += [_as_row(row, across, down, width, height) for row in alone]
    rows = [_looked_at(bgr, row) for row in _largest(found)]
    rows = [replace(row, broken=True) if _is_joined(bgr, row) else row for row in rows]
    return _with_ends(bgr, rows, single)


def _with_ends(
    bgr: NDArray[np.uint8], rows: Sequence[GlyphRow], single: Sequence[GlyphRow]
) -> list[GlyphRow]:
    """Rows; those of dots, and of figures with a point between them, go on over the gap."""
    if not any(row.broken for row in rows):
        return list(rows)
    free = [each for each in single if not any(share(each.box, r.box) > SAME for r in rows)]
    more = [each for each in (_looked_at(bgr, row) for row in _largest(free)) if each.broken]
    left, found = [*rows, *more], list[GlyphRow]()
    while left:
        row = left.pop(0)
        while row.broken:
            near = (each for each in left if _goeswith_boxes(bgr, row, each))
            other = next(near, None)
            if other is None:
                break
            left = [each for each in left if each is not other]
            glyphs = sorted((*row.glyphs, *other.glyphs), key=lambda each: float(each[0, 0]))
            row = replace(with_boxes(row, [other.box]), glyphs=tuple(glyphs))
        found.append(row)
    return [row for row in found if len(row.glyphs) > 1]


def _goeswith_boxes(bgr: NDArray[np.uint8], row: GlyphRow, other: GlyphRow) -> bool:
    """True if a row is the same value as one beside it, a wide gap away at most."""
    gap = max(other.box[0, 0] - row.box[1, 0], row.box[0, 0] - other.box[1, 0])
    if not other.broken or gap > DATE_GAP * row.height or not is_of_line(other.box, row):
        return False
    return (row.dotted and other.dotted) or _has_point(bgr, *sorted((row, other), key=_left))


def _has_point(bgr: NDArray[np.uint8], row: GlyphRow, other: GlyphRow) -> bool:
    """True if between two rows there is ink at the foot of the line, and none over it."""
    left, right = int(row.glyphs[-1][1, 0]), int(np.ceil(other.glyphs[0][0, 0]))
    glyphs = np.concatenate([*row.glyphs, *other.glyphs])
    top, bottom = int(glyphs[:, 1].min()), int(np.ceil(glyphs[:, 1].max()))
    if right - left < 4 or bottom - top < LEAST_TALL:
        return False
    first, last = int(glyphs[:, 0].min()), int(glyphs[:, 0].max())
    levels = luminance(np.ascontiguousarray(bgr[top:bottom, first:last, ::-1]))
    between = _ink(levels)[:, left - first : right - first]
    foot = round(POINT * len(between))
    is_bare = between[:-foot].mean() < MOST_SPECKLED
    return bool(is_bare and between[-foot:].any(axis=0).mean() > LEAST_POINT)


def _left(row: GlyphRow) -> float:
    return float(row.box[0, 0])


def _ink(levels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    darker = levels <= parted(levels)
    return darker if darker.mean() < 0.5 else ~darker


def _looked_at(bgr: NDArray[np.uint8], row: GlyphRow) -> GlyphRow:
    """A row, and what its glyphs are made of."""
    (left, top), (right, bottom) = row.box[0].astype(int), row.box[2].astype(int)
    crop = bgr[top:bottom, left:right]
    finer = min(1.0, FINE / max(bottom - top, 1))
    crop = scaled(crop, round((right - left) * finer), round((bottom - top) * finer))
    levels = luminance(np.ascontiguousarray(crop[:, :, ::-1]))
    ink = _ink(levels)
    corner = np.array([left, top])
    bare = [_bare_band(ink, (glyph - corner) * finer) for glyph in row.glyphs]
    if np.median(bare) > MOST_BARE:
        return row
    found = pieces(ink)
    found = found[found[:, AREA] >= LEAST_PIECE]
    each = len(found) / len(row.glyphs)
    if each < DOTTED:
        return replace(row, broken=each >= BROKEN)
    dotted = _are_dots(found)
    return replace(row, broken=dotted, dotted=dotted)


def _is_joined(bgr: NDArray[np.uint8], row: GlyphRow) -> bool:
    """True for figures of segments between which there are no gaps."""
    return not row.broken and len(row.glyphs) <= FIGURES and figures_of(bgr, row.glyphs) != ""


def _are_dots(found: Places) -> bool:
    """True if most pieces of ink are round and of one size."""
    sizes, shapes = found[:, AREA], found[:, WIDE] / found[:, TALL]
    size = float(np.median(sizes))
    alike = (np.abs(np.log(sizes / size)) < UNEVEN) & (np.abs(np.log(shapes)) < UNEVEN)
    return float(alike.mean()) >= LEAST_ALIKE


def stands_in_dots(bgr: NDArray[np.uint8], box: Box) -> bool:
    """True if a place of a picture (H, W, 3) is a piece of something larger, made of dots."""
    tall = float(np.ptp(box[:, 1]))
    (left, top), (right, bottom) = box.min(axis=0) - AROUND_DOTS * tall, box.max(axis=0)
    upper, first = max(int(top), 0), max(int(left), 0)
    lower, last = int(bottom + AROUND_DOTS * tall), int(right + AROUND_DOTS * tall)
    part = bgr[upper:lower, first:last]
    if not part.size:
        return False
    finer = min(1.0, FINE / part.shape[0])
    part = scaled(part, round(part.shape[1] * finer), round(part.shape[0] * finer))
    found = pieces(_ink(luminance(np.ascontiguousarray(part[:, :, ::-1]))))
    found = found[found[:, AREA] >= LEAST_PIECE]
    low, high = found[:, [LEFT, TOP]], found[:, [LEFT, TOP]] + found[:, [WIDE, TALL]]
    corner = np.array([first, upper])
    begin, end = (box.min(axis=0) - corner) * finer, (box.max(axis=0) - corner) * finer
    beside = found[((high <= begin) | (low >= end)).any(axis=1)]
    return len(beside) >= DOTS_BESIDE and _are_dots(found)


def _bare_band(ink: NDArray[np.bool_], glyph: Box) -> float:
    """The highest band without ink across a glyph of a mask (H, W), in parts of its height."""
    (left, top), (right, bottom) = glyph[0].astype(int), np.ceil(glyph[2]).astype(int)
    rows = np.flatnonzero(ink[top:bottom, left:right].any(axis=1))
    gaps = np.diff(rows)
    return float(gaps.max() - 1) / (rows[-1] - rows[0] + 1) if len(gaps) else 0.0


def goes_on_beyond(bgr: NDArray[np.uint8], row: GlyphRow) -> bool:
    """True if beside a row, in a picture (H, W, 3), there are strokes like its own."""
    glyphs = np.concatenate(row.glyphs)
    (first, top), (last, bottom) = glyphs.min(axis=0), glyphs.max(axis=0)
    tall = bottom - top
    left, upper = (int(max(edge, 0)) for edge in (first - BESIDE * tall, top - LEVEL * tall))
    right, lower = int(last + BESIDE * tall), int(bottom + LEVEL * tall)
    levels = luminance(np.ascontiguousarray(bgr[upper:lower, left:right, ::-1]))
    if not levels.size:
        return False
    found = pieces(_ink(levels))
    ends = found[:, LEFT] + found[:, WIDE]
    outside = (ends <= first - left) | (found[:, LEFT] >= last - left)
    # What goes on above and below, or stands around something, is a rim.
    rim = (found[:, TOP] == 0) & (found[:, TOP] + found[:, TALL] == len(levels))
    rim |= found[:, AREA] < LEAST_FULL * found[:, WIDE] * found[:, TALL]
    return bool((outside & ~rim & (found[:, TALL] >= STROKE * tall)).any())


def _largest(rows: Sequence[GlyphRow]) -> list[GlyphRow]:
    """Of rows that lie in one another, or nearly, the largest."""
    kept: list[GlyphRow] = []
    for row in sorted(rows, key=lambda each: -area(each.box)):
        if not any(share(row.box, other.box) > SAME for other in kept):
            kept.append(row)
    return kept


def is_of_line(box: Box, row: GlyphRow) -> bool:
    """True if a box is as high as a row, nearly, and stands level with it."""
    (top, bottom), (above, below) = np.sort(box[[0, 3], 1]), row.box[[0, 3], 1]
    shared = min(bottom, below) - max(top, above)
    tall = max(bottom - top, 1.0)
    alike = row.height / LEVELLED <= tall <= row.height * LEVELLED
    return bool(alike and shared > SHARED * min(tall, row.height))


def with_boxes(row: GlyphRow, boxes: Sequence[Box]) -> GlyphRow:
    """A row whose box holds some more boxes."""
    corners = np.concatenate([row.box, *boxes])
    return replace(row, box=_corners(*corners.min(axis=0), *corners.max(axis=0)))


def _stacked(found: Places) -> Places:
    """Pieces of ink, those under each other taken together: the two strokes of a "1"."""
    high = found[found[:, TALL] >= LEAST_STROKE]
    if len(high) > MOST_PIECES:
        return found
    whole: list[Glyph] = list(map(tuple, high.tolist()))
    whole.sort(key=_head)
    number = 0
    while number < len(whole):
        upper = whole[number]
        # Sorted by their heads, what begins far under a piece ends the search.
        end = bisect_right(whole, upper[TOP] + upper[TALL] * (1 + 2 * THIN_NEAR), key=_head)
        under = (at for at in range(number + 1, end) if _is_under(upper, whole[at]))
        low = next(under, None)
        if low is None:
            number += 1
            continue
        lower = whole.pop(low)
        left, top = min(upper[LEFT], lower[LEFT]), min(upper[TOP], lower[TOP])
        right = max(upper[LEFT] + upper[WIDE], lower[LEFT] + lower[WIDE])
        bottom = max(upper[TOP] + upper[TALL], lower[TOP] + lower[TALL])
        ink = upper[AREA] + lower[AREA]
        whole[number] = (left, top, right - left, bottom - top, ink)
    return np.array(whole, np.int32).reshape(-1, found.shape[1])


def _head(piece: Sequence[int]) -> int:
    return piece[TOP]


def _is_under(upper: Glyph, lower: Glyph) -> bool:
    # What fails most often is asked first: there are thousands of pairs.
    right = min(upper[LEFT] + upper[WIDE], lower[LEFT] + lower[WIDE])
    shared = right - max(upper[LEFT], lower[LEFT])
    if shared < STACKED * min(upper[WIDE], lower[WIDE]):
        return False
    if max(upper[TALL], lower[TALL]) > UNLIKE * min(upper[TALL], lower[TALL]):
        return False
    shapes = [each[TALL] / each[WIDE] for each in (upper, lower)]
    if all(UPRIGHT[0] <= shape <= UPRIGHT[1] for shape in shapes):
        return False
    near = THIN_NEAR if all(shape * SLIM >= 1 for shape in shapes) else NEAR
    gap = lower[TOP] - upper[TOP] - upper[TALL]
    reach = 2 * near * min(upper[TALL], lower[TALL])
    return -reach <= gap <= reach


def _glyphs(found: Places, shape: tuple[int, ...]) -> Places:
    """Pieces of ink that may be one figure or letter."""
    tall, wide = found[:, TALL], found[:, WIDE]
    full = found[:, AREA] / np.maximum(wide * tall, 1)
    fits = (tall >= LEAST_TALL) & (tall <= MOST_TALL * shape[0]) & (wide <= JOINED * tall)
    fits &= (full >= LEAST_FULL) & ((full <= MOST_FULL) | (wide <= NARROW * tall))
    inside = (found[:, LEFT] > 0) & (found[:, TOP] > 0)
    inside &= (found[:, LEFT] + wide < shape[1]) & (found[:, TOP] + tall < shape[0])
    return _without_frames(found[fits & inside], found)


def _without_frames(glyphs: Places, found: Places) -> Places:
    """The glyphs without those that stand around others: the rim of a key or of a sign."""
    low, high = found[:, [LEFT, TOP]], found[:, [LEFT, TOP]] + found[:, [WIDE, TALL]]
    corner, size = glyphs[:, None, [LEFT, TOP]], glyphs[:, None, [WIDE, TALL]]
    first, last = corner + CLEAR * size, corner + (1 - CLEAR) * size
    held = (low > first).all(axis=2) & (high < last).all(axis=2)
    held &= found[:, TALL] >= FRAMED * glyphs[:, None, TALL]
    return np.asarray(glyphs[~held.any(axis=1)], np.int32)


def _rows(glyphs: Places) -> Iterator[list[Glyph]]:
    rows: list[list[Glyph]] = []
    for glyph in map(tuple, glyphs[np.argsort(glyphs[:, LEFT], kind="stable")].tolist()):
        near = [row for row in rows if _goes_on(row[-1], glyph)]
        if near:
            max(near, key=lambda row: row[-1][LEFT]).append(glyph)
        else:
            rows.append([glyph])
    yield from rows


def _is_row(row: Sequence[Glyph]) -> bool:
    """True for two glyphs and more, most of which stand alone."""
    alone = sum(each[WIDE] <= MOST_WIDE * each[TALL] for each in row)
    return len(row) >= 2 and 2 * alone >= len(row)


def _goes_on(last: Glyph, glyph: Glyph) -> bool:
    tall = max(last[TALL], glyph[TALL])
    gap = glyph[LEFT] - last[LEFT] - last[WIDE]
    if not -LEVEL * tall <= gap <= NEXT * tall or tall > ALIKE * min(last[TALL], glyph[TALL]):
        return False
    heads = abs(last[TOP] - glyph[TOP])
    feet = abs(last[TOP] + last[TALL] - glyph[TOP] - glyph[TALL])
    return min(heads, feet) <= LEVEL * tall and max(heads, feet) <= HANGING * tall


def _as_row(row: Sequence[Glyph], across: float, down: float, width: int, height: int) -> GlyphRow:
    scale = np.array([across, down])
    glyphs = [np.array([each[LEFT], each[TOP], each[LEFT] + each[WIDE], each[TOP] + each[TALL]])
              for each in row]  # fmt: skip
    edges = np.array(glyphs)
    margin = MARGIN * float(np.median(edges[:, 3] - edges[:, 1]))
    low = np.maximum(edges[:, :2].min(axis=0) - margin, 0) / scale
    high = np.minimum((edges[:, 2:].max(axis=0) + margin) / scale, (width, height))
    return GlyphRow(
        _corners(*low, *high),
        tuple(_corners(*(each[:2] / scale), *(each[2:] / scale)) for each in glyphs),
    )


def _corners(left: float, top: float, right: float, bottom: float) -> Box:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def share(box: Box, other: Box) -> float:
    """Part of a place that lies in another one."""
    return shared_area(box, other) / max(area(box), 1.0)
