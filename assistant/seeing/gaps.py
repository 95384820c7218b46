"""Figures that stand apart are read apart: no number is made of two.

A close table comes out of detection as whole rows, and recognition writes "272234 351019" for two
cells, as it does for one number in groups, or "272234351019". The paper tells them apart: between
two cells it is bare for more than the width of a figure, between groups for less.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.pixels import gray, sides_of, straightened
from assistant.seeing.text import UNSURE, Point, TextLine
from models.pictures import RgbPicture

Crop = NDArray[np.uint8]
Recognize = Callable[[Sequence[Crop]], Sequence[tuple[str, float]]]
"""What stands in each of some cut-out lines, and how sure that is."""

HEIGHT = 48
"""Pixels of a line that is looked at."""

SPACE = 0.3
"""Parts of the height of figures that are bare between words at least; a space is 0.6 wide."""

APART, ROWS, NEAR = 0.75, 1.6, 3.0
"""The same between two cells, if the paper is bare as far over and under it, in heights of the
line, and inked beside that as near."""

INKED = 0.55
"""Parts of the height of a box that its letters take."""

LEAST_CONTRAST = 30
"""Levels of grey between ink and paper."""

ALONE = 1.6
"""The same between two cells of a single line; in letters of one width a space has 1."""

JOINED = 0.9
"""The same where recognition saw no space at all: more than a figure is wide."""

LEAST_FIGURES = 2
MOST_OFF = 1.5
"""Letters by which a space may stand beside its gap."""

MOST_OFF_POINT = 1.0
"""The same for a point within a number: nearer, so that none of the next number is meant."""

SLIVER = 0.08
"""Parts of the height of figures that the narrowest of them is wide."""

_POINT = re.compile(r"(?<=\d)[.,](?=\d)")
_FIGURES = re.compile(r"(?<=\d)\s+(?=[\d.,(+-]*\d)")


@dataclass(frozen=True, slots=True)
class _Gap:
    """A bare stretch in a line of text.

    at:    its middle, in parts of the line's length.
    wide:  its width in parts of the height of the ink.
    """

    at: float
    wide: float


def read_apart(
    rgb: RgbPicture, lines: Sequence[TextLine], recognize: Recognize
) -> Iterator[TextLine]:
    """The lines of a picture (H, W, 3), those cut that hold several cells of figures.

    recognize: asked again about figures that were read without the gap between them.
    """
    for line in lines:
        if sum(each.isdigit() for each in line.text) < LEAST_FIGURES:
            yield line
            continue
        crop = _cut_out(rgb, line.box)
        gaps = _gaps(crop)
        wide = (gap for gap in gaps if not _is_point(line.text, gap))
        cuts = [gap for gap in wide if _parts_cells(rgb, line, gap)]
        if not cuts:
            yield line
        elif sum(gap.wide > JOINED for gap in gaps) > len(_spaces(line.text)):
            yield from _read_again(line, crop, cuts, recognize)
        else:
            yield from _cut_at_spaces(line, gaps, cuts)


def _parts_cells(rgb: RgbPicture, line: TextLine, gap: _Gap) -> bool:
    """True for a gap that is very wide, or that goes on through the rows over and under it."""
    if gap.wide <= APART:
        return False
    if gap.wide > ALONE:
        return True
    a, b, c, d = (np.array(corner) for corner in line.box)
    down, across = (d - a) * ROWS, (b - a) / max(np.linalg.norm(b - a), 1.0) * line.height * NEAR
    left, right = a + (b - a) * gap.at, d + (c - d) * gap.at
    bands = []
    for first, last in ((left - down, left), (right, right + down)):
        corners = (first - across, first + across, last + across, last - across)
        p, q, r, s = ((float(x), float(y)) for x, y in corners)
        ink = _ink(_cut_out(rgb, (p, q, r, s), round(HEIGHT * ROWS)))
        middle = ink.shape[1] // 2
        half = max(2, round(0.25 * gap.wide * HEIGHT * INKED))
        has_ink = ink[:, : middle - half].any() and ink[:, middle + half :].any()
        bands.append((bool(has_ink), not ink[:, middle - half : middle + half].any()))
    return any(inked and bare for inked, bare in bands) and all(bare for _, bare in bands)


def _spaces(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\s+", text)]


def _cut_at_spaces(
    line: TextLine, gaps: Sequence[_Gap], cuts: Sequence[_Gap]
) -> Iterator[TextLine]:
    """A line cut where a gap parts two cells of figures."""
    between = {match.span() for match in _FIGURES.finditer(line.text)}
    begin, left = 0, 0.0
    for span, gap in zip(_spaces(line.text), _matched(line.text, gaps), strict=True):
        if gap is not None and gap in cuts and span in between:
            yield replace(line, text=line.text[begin : span[0]], box=_part(line.box, left, gap.at))
            begin, left = span[1], gap.at
    yield replace(line, text=line.text[begin:], box=_part(line.box, left, 1.0)) if begin else line


def _matched(text: str, gaps: Sequence[_Gap]) -> list[_Gap | None]:
    """For each space of a text the gap that it is, told by its place in letters of one width."""
    spaces = _spaces(text)
    if len(spaces) == len(gaps):
        return list(gaps)
    found: list[_Gap | None] = []
    for start, end in spaces:
        place = (start + end) / 2 / len(text)
        near = min(gaps, key=lambda gap: abs(gap.at - place), default=None)
        is_near = near is not None and abs(near.at - place) < MOST_OFF / len(text)
        found.append(near if is_near else None)
    return found


def _read_again(
    line: TextLine, crop: Crop, cuts: Sequence[_Gap], recognize: Recognize
) -> Iterator[TextLine]:
    """The parts of a line between its gaps, each read by itself; all of it if one gives nothing.

    Where the parts say something else than the whole did, their figures are not sure.
    """
    edges = [0.0, *(gap.at for gap in cuts), 1.0]
    spans = [(round(a * crop.shape[1]), round(b * crop.shape[1])) for a, b in pairwise(edges)]
    read = recognize([np.ascontiguousarray(crop[:, a:b]) for a, b in spans])
    if not all(text.strip() for text, _ in read):
        yield line
        return
    whole, said = _bare(line.text), [_bare(text) for text, _ in read]
    most = line.confidence if "".join(said) == whole else min(line.confidence, UNSURE)
    parts = []
    for (left, right), (text, score) in zip(pairwise(edges), read, strict=True):
        part = replace(line, text=text.strip(), box=_part(line.box, left, right))
        if _bare(text) == whole:
            # Only the edges of its neighbours stood beside it.
            yield replace(part, confidence=min(line.confidence, score))
            return
        parts.append(replace(part, confidence=min(most, score)))
    yield from parts


def _is_point(text: str, gap: _Gap) -> bool:
    """True if a gap is the place of a point or comma of one number, printed far apart."""
    points = (match.start() + 0.5 for match in _POINT.finditer(text))
    return any(abs(point / len(text) - gap.at) < MOST_OFF_POINT / len(text) for point in points)


def _bare(text: str) -> str:
    """A text without its spaces."""
    return "".join(text.split())


def _cut_out(rgb: RgbPicture, box: tuple[Point, Point, Point, Point], height: int = HEIGHT) -> Crop:
    """A place laid straight, (height, W, 3)."""
    corners = np.array(box, np.float32)
    across = np.linalg.norm(corners[1] - corners[0])
    down = max(float(np.linalg.norm(corners[3] - corners[0])), 1.0)
    width = max(4, round(float(across) * height / down))
    return straightened(rgb, corners, width, height)


def _gaps(crop: Crop) -> list[_Gap]:
    """The stretches of a line without ink that are as wide as a space and wider, left to right."""
    ink, width = _ink(crop), crop.shape[1]
    rows = np.flatnonzero(ink.sum(axis=1) > 0.04 * width)
    if not len(rows):
        return []
    height = rows[-1] - rows[0] + 1
    inked = np.flatnonzero(ink[rows[0] : rows[-1] + 1].sum(axis=0) > 0)
    found = []
    for left, right in pairwise(map(float, inked)):
        # What is cut off at the ends of a box is the edge of something else.
        inner = min(left - inked[0], inked[-1] - right) >= SLIVER * height
        if inner and right - left - 1 > SPACE * height:
            found.append(_Gap((left + right) / 2 / width, (right - left - 1) / height))
    return found


def _ink(crop: Crop) -> NDArray[np.uint8]:
    """Where a picture (H, W, 3) is inked: 1; its ground: 0; nothing where all is alike."""
    levels = gray(crop)
    if np.ptp(levels) < LEAST_CONTRAST:
        return np.zeros_like(levels)
    ink = sides_of(levels)
    return np.asarray(1 - ink if ink.mean() > 0.5 else ink, np.uint8)


def _part(
    box: tuple[Point, Point, Point, Point], left: float, right: float
) -> tuple[Point, Point, Point, Point]:
    """The part of a box between two places along its line, 0 to 1."""
    a, b, c, d = (np.array(corner) for corner in box)
    corners = (a + (b - a) * left, a + (b - a) * right, d + (c - d) * right, d + (c - d) * left)
    p, q, r, s = ((float(x), float(y)) for x, y in corners)
    return p, q, r, s
