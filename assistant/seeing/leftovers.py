"""Ink beside what was read: letters of the same size as those around them, in no box.

A detector leaves out single cells of a close table, the last figure of a display, a short word
between two lines, without a word of it. They are found by their ink, since what lies near text and
has the size of its letters is mostly text, too.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.pixels import covered, gaps_closed, inked, luminance, pieces, scaled

Box = NDArray[np.float64]
Places = NDArray[np.int32]

LINE = 28
"""Pixels to which the height of a line's box is scaled before its ink is looked at."""

LONGEST = 2400
"""Pixels of the longer side that are looked at; on larger pages lines are smaller than LINE."""

LEAST_LINE = 12
"""Pixels of a line's box below which pieces of ink are no longer told apart."""

CLASSES, ALIKE = 3, 1.5
"""So many sizes of text are followed up, those with most lines; heights up to this factor apart
are one size."""

DARKER, AROUND = 0.8, 3
"""Ink is darker than this part of the light around it, so many heights of a line wide."""

GAP = 0.08
"""Parts of a line's height that may lie between the segments of one figure."""

LETTER = (0.38, 1.0)
MOST_WIDE, LEAST_FULL, MOST_FULL = 1.3, 0.15, 0.9
"""Heights and widths of letters in parts of the height of a line's box, and how much of the
rectangle around them is ink."""

NEXT, NEAR = 0.35, 2.5
"""Heights of a line: between two letters of one word; and between a word and what was read."""

LEAST_PIECES, LEVEL = 2, 0.35
"""Letters of a place at least; heights of a line by which they may stand higher or lower."""

MOST_KNOWN = 0.3
"""Part of a letter that may lie in what was read."""

MARGIN = 0.22
"""Heights of a line around the letters of a place."""

MOST_PLACES, MOST_LETTERS = 16, 400
"""More of them are no leftovers but a texture."""

LEFT, TOP, WIDE, TALL, AREA = range(5)
"""Columns of `pixels.pieces`."""


def leftovers(bgr: NDArray[np.uint8], boxes: Sequence[Box], *, dark: bool = True) -> list[Box]:
    """Places of letters of a picture (H, W, 3) that lie beside boxes of text and in none of them.

    boxes: (4, 2) each, corners in reading direction; the text stands upright, nearly.
    dark:  whether the ink is darker than its ground.
    """
    found: list[Box] = []
    for height, alike in _sizes(boxes):
        places = _of_size(bgr, height, boxes, alike, dark=dark)
        found += places if len(places) <= MOST_PLACES else []
    return found


def _sizes(boxes: Sequence[Box]) -> Iterator[tuple[float, list[Box]]]:
    """The sizes of text that most boxes have: the height in pixels, and the boxes."""
    upright = [(_height(box), box) for box in boxes if _height(box) < 3 * _width(box)]
    rest = sorted(upright, key=lambda each: each[0])
    for _ in range(CLASSES):
        if not rest:
            return
        heights = np.array([height for height, _ in rest])
        upto = np.searchsorted(heights, heights * ALIKE, side="right")
        first = int(np.argmax(upto - np.arange(len(heights))))
        alike = rest[first : upto[first]]
        yield alike[len(alike) // 2][0], [box for _, box in alike]
        rest = rest[:first] + rest[upto[first] :]


def _of_size(
    bgr: NDArray[np.uint8], height: float, boxes: Sequence[Box], alike: Sequence[Box], *, dark: bool
) -> list[Box]:
    scale = min(1.0, LINE / height, LONGEST / max(bgr.shape[:2]))
    line = scale * height
    if line < LEAST_LINE:
        return []
    rows, columns = round(bgr.shape[0] * scale), round(bgr.shape[1] * scale)
    small = bgr if scale == 1.0 else scaled(bgr, columns, rows)
    small = gaps_closed(small, max(2, round(GAP * line)), dark=dark)
    levels = luminance(np.ascontiguousarray(small[:, :, ::-1]))
    ink = inked(levels if dark else 255 - levels, DARKER, round(AROUND * line))
    known = covered(levels.shape, [box * scale for box in boxes])
    near = covered(levels.shape, [_grown(box * scale, NEAR * line) for box in alike])
    letters = _letters(pieces(ink.astype(bool)), line, known)
    if len(letters) > MOST_LETTERS:
        return []
    return [place / scale for place in _words(letters, line, near)]


def _letters(found: Places, line: float, known: NDArray[np.uint8]) -> Places:
    """The pieces that may be letters, and lie in nothing that was read."""
    tall, wide = found[:, TALL] / line, found[:, WIDE] / line
    full = found[:, AREA] / np.maximum(found[:, WIDE] * found[:, TALL], 1)
    fits = (tall >= LETTER[0]) & (tall <= LETTER[1]) & (wide <= MOST_WIDE)
    fits &= (full >= LEAST_FULL) & ((full <= MOST_FULL) | (wide < 0.3 * tall))
    kept = []
    for each in found[fits]:
        rows = slice(each[TOP], each[TOP] + each[TALL])
        columns = slice(each[LEFT], each[LEFT] + each[WIDE])
        if known[rows, columns].mean() <= MOST_KNOWN:
            kept.append(each)
    return np.array(kept, np.int32).reshape(-1, found.shape[1])


def _words(letters: Places, line: float, near: NDArray[np.uint8]) -> Iterator[Box]:
    """Letters that stand side by side, as places; one of them at least stands near to text."""
    words: list[list[NDArray[np.int32]]] = []
    for letter in letters[np.argsort(letters[:, LEFT], kind="stable")]:
        word = next((word for word in words if _goes_on(word[-1], letter, line)), None)
        if word is None:
            words.append([letter])
        else:
            word.append(letter)
    for word in words:
        if len(word) < LEAST_PIECES:
            continue
        all_of = np.array(word)
        middles = all_of[:, [TOP, LEFT]] + all_of[:, [TALL, WIDE]] // 2
        if not near[tuple(middles.T)].any():
            continue
        low = all_of[:, [LEFT, TOP]].min(axis=0) - MARGIN * line
        high = (all_of[:, [LEFT, TOP]] + all_of[:, [WIDE, TALL]]).max(axis=0) + MARGIN * line
        (left, top), (right, bottom) = low, high
        yield np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def _goes_on(last: NDArray[np.int32], letter: NDArray[np.int32], line: float) -> bool:
    gap = letter[LEFT] - last[LEFT] - last[WIDE]
    feet = last[TOP] + last[TALL], letter[TOP] + letter[TALL]
    middles = feet[0] - last[TALL] / 2, feet[1] - letter[TALL] / 2
    level = min(abs(feet[0] - feet[1]), abs(middles[0] - middles[1])) <= LEVEL * line
    return bool(-LEVEL * line <= gap <= NEXT * line and level)


def _grown(box: Box, by: float) -> Box:
    """The upright rectangle around a box, larger by so many pixels on each side."""
    (left, top), (right, bottom) = box.min(axis=0) - by, box.max(axis=0) + by
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def _width(box: Box) -> float:
    return float(np.linalg.norm(box[1] - box[0]))


def _height(box: Box) -> float:
    return max(float(np.linalg.norm(box[3] - box[0])), 1.0)
