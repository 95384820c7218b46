"""Where text stands on a page, before anything is read: turns, tiles, order.

A box is an array (4, 2) of corners (x, y) in pixels: left top, right top, right bottom, left
bottom of the text, if it was upright.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.layout import order_of
from assistant.seeing.pixels import area, shared_area
from assistant.seeing.text import Point, TextLine

Box = NDArray[np.float64]

TILE, OVERLAP = 1000, 160
"""Pixels. A tile is detected at nearly full size; a line at a tile's edge lies whole in the next,
unless it is longer than the overlap, and then the box of the whole page is kept."""

SMALL_LETTERS = 14.0
"""Height of a line in pixels at the size of detection below which lines are missed."""

TALL = 1.5


def is_turned_by_a_quarter(boxes: Sequence[Box]) -> bool:
    """True if most text runs up or down: its boxes are taller than wide, weighted by length."""
    lengths = [(_height(box) - _width(box)) for box in boxes if _elongation(box) > TALL]
    return sum(lengths) > 0


def turned(box: Box, quarters: int, width: int, height: int) -> Box:
    """A box after the page of width x height was turned counter-clockwise, as `numpy.rot90`.

    Corners follow the page, and are then named anew from the left top.
    """
    corners = np.array(box, np.float64)
    for _ in range(quarters % 4):
        corners = np.stack([corners[:, 1], width - 1 - corners[:, 0]], axis=1)
        width, height = height, width
    return _from_left_top(corners)


def turned_back(box: Box, quarters: int, width: int, height: int) -> Box:
    """The box on the page of width x height, of one on the page turned by `quarters`.

    Corners keep their names, so that the first edge shows the direction of reading.
    """
    if quarters % 2:
        width, height = height, width
    corners = np.array(box, np.float64)
    for _ in range(-quarters % 4):
        corners = np.stack([corners[:, 1], width - 1 - corners[:, 0]], axis=1)
        width, height = height, width
    return corners


def needs_tiles(boxes: Sequence[Box], longest: int, detected_at: int) -> bool:
    """True if a page is large and its lines are small where they were looked for."""
    scale = min(1.0, detected_at / longest)
    if scale > 0.8:
        return False
    if not boxes:
        return True
    heights = sorted(min(_width(box), _height(box)) for box in boxes)
    return heights[len(heights) // 2] * scale < SMALL_LETTERS


def tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Overlapping parts of a page as (left, top, right, bottom)."""
    for top in _starts(height):
        for left in _starts(width):
            yield left, top, min(left + TILE, width), min(top + TILE, height)


def joined(whole: Sequence[Box], found: Sequence[Box]) -> list[Box]:
    """Boxes of all tiles and of the whole page, each text once: of two, the longer one."""
    boxes = sorted((*whole, *found), key=lambda each: -_width(each) * _height(each))
    if not boxes:
        return []
    corners = np.array(boxes)
    lows, highs = corners.min(axis=1), corners.max(axis=1)
    kept = np.zeros(len(boxes), bool)
    for number, box in enumerate(boxes):
        shared = np.minimum(highs, highs[number]) - np.maximum(lows, lows[number])
        near = np.flatnonzero(kept & (shared > 0).all(axis=1))
        kept[number] = not any(_covers(boxes[other], box) for other in near)
    return [box for box, is_kept in zip(boxes, kept, strict=True) if is_kept]


def in_reading_order(boxes: Sequence[Box]) -> list[list[int]]:
    """The rows in which boxes will be read, as numbers, judged by places and lengths alone."""
    lines = [
        TextLine(
            "m" * max(1, round(1.8 * _width(box) / max(_height(box), 1))), corners_of(box), 1.0
        )
        for box in boxes
    ]
    index = {id(line): number for number, line in enumerate(lines)}
    pages = (row.pieces for paragraph in order_of(lines) for row in paragraph.rows)
    return [[index[id(piece)] for piece in pieces] for pieces in pages]


def in_batches(rows: Sequence[Sequence[int]], least: int) -> Iterator[list[int]]:
    """Whole rows together until they hold `least` boxes: a label and its figure stay in one."""
    batch: list[int] = []
    for row in rows:
        batch += row
        if len(batch) >= least:
            yield batch
            batch = []
    if batch:
        yield batch


def corners_of(box: Box) -> tuple[Point, Point, Point, Point]:
    """A box as the corners of a line."""
    a, b, c, d = ((float(x), float(y)) for x, y in box)
    return a, b, c, d


def _starts(length: int) -> list[int]:
    if length <= TILE:
        return [0]
    count = math.ceil((length - OVERLAP) / (TILE - OVERLAP))
    step = (length - TILE) / (count - 1)
    return [round(number * step) for number in range(count)]


def _covers(larger: Box, box: Box) -> bool:
    """True if more than half of a box lies within another one.

    The boxes themselves count: the upright rectangle around a long line that leans holds words of
    the rows over and under it.
    """
    return shared_area(larger, box) > 0.5 * max(area(box), 1.0)


def _width(box: Box) -> float:
    return float(np.linalg.norm(box[1] - box[0]))


def _height(box: Box) -> float:
    return float(np.linalg.norm(box[3] - box[0]))


def _elongation(box: Box) -> float:
    width, height = max(_width(box), 1.0), max(_height(box), 1.0)
    return max(width / height, height / width)


def _from_left_top(corners: Box) -> Box:
    """Name the corners of an upright or slightly turned box again."""
    by_sum = corners.sum(axis=1)
    first = int(by_sum.argmin())
    return np.roll(corners, -first, axis=0)
