"""Pages that are bent, laid flat before they are read, by the curves of their own lines of text.

Recognition reads straight boxes: of a line that rises and falls by more than a part of its height,
it finds pieces or nothing. Letters are found as dark specks of a like size; each has its neighbour
to the right; the feet of the letters of a chain stand on one line, and all lines together tell how
the paper lies. Paper is moved up and down only: its letters keep their places from left to right.
Where the nearest neighbours of letters stand above and below them, the page is turned by a quarter
first.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.baselines import Baselines, baselines
from assistant.seeing.pixels import fetched, gray, inked, shrunk, specks, stretched
from assistant.seeing.text import Point, TextLine, TextPart
from models.pictures import RgbPicture

SIDE = 1280
"""Pixels of the longer side of the picture in which letters are looked for."""

DARKER = 0.8
"""Parts of the light around it that ink gives back at most."""

AROUND = 1 / 24
"""Parts of the longer side over which the light around a place is taken."""

LEAST_LETTERS, MOST_LETTERS = 40, 6000
LEAST_CHAIN = 6
LEAST_CHAINS = 3
"""Letters in a line, and such lines, that tell how paper lies."""

ON_LINE, LEAST_ON_LINE = 0.25, 0.75
"""Parts of a letter's height off its line at most, and the part of the letters that keep to it:
print does, leaves and bricks do not."""

LEAST_BENT_CHAINS = 2

PAGE_LETTERS, PAGE_AREA = 100, 0.2
"""Letters in lines on a page, and the part of the picture that they are spread over."""

MANY_LETTERS = 250
"""Letters that tell more than a plain bend."""

PLAIN_SHAPES = ((1, 1), (2, 1), (3, 1))
SHAPES = ((1, 1), (2, 1), (3, 1), (4, 2), (6, 2))
LOOKS = 2
LEVEL, STEEPEST = 0.25, 0.25
"""Parts of a letter's height by which the next one may stand off, and how steep a line may be."""

FEET = 0.08
"""Parts of their height by which the feet of letters lie off their line."""

BENT = 0.3
"""Parts of a letter's height by which a line must leave the straight one to be called bent."""

LEAST_BENT = 0.25
"""Part of the letters that must stand on such lines."""

SAMPLED, LEAST_TURNED = 400, 0.65
"""Letters whose nearest neighbour is looked for, and the part of them that must have it above or
below on a page turned by a quarter: on upright ones a tenth has."""

STRIP = 256
"""Rows that are laid flat at a time."""


@dataclass(frozen=True, slots=True)
class FlatPage:
    """A picture whose paper was laid flat, and where its places were.

    rgb: (H, W, 3).
    """

    rgb: RgbPicture
    _page: Baselines
    _top: float
    _scale: float
    _height: int  # of the bent page
    _quarters: int

    def part(self, part: TextPart) -> TextPart:
        """A part of the flat picture as it stands in the picture that was given."""
        unread = []
        for each in part.unread:
            left, top, right, bottom = each.box
            corners = [self._given(x, y) for x in (left, right) for y in (top, bottom)]
            xs, ys = [x for x, _ in corners], [y for _, y in corners]
            unread.append(replace(each, box=(min(xs), min(ys), max(xs), max(ys))))
        return replace(part, lines=tuple(map(self.line, part.lines)), unread=tuple(unread))

    def line(self, line: TextLine) -> TextLine:
        """A line of the flat picture as it stands in the picture that was given."""
        a, b, c, d = (self._given(x, y) for x, y in line.box)
        return replace(line, box=(a, b, c, d), flat_box=line.box)

    def _given(self, x: float, y: float) -> Point:
        small = np.array([x * self._scale]), np.array([y * self._scale + self._top])
        y = float(self._page.bent(*small)[0]) / self._scale
        # Turned, the picture is as high as it was wide.
        return (self._height - 1 - y, x) if self._quarters else (x, y)


@dataclass(frozen=True, slots=True)
class Print:
    """The letters of a picture that stand in lines.

    letters: (N, 4), left, top, width, height, line after line.
    lines:   (N,), the line that each belongs to.
    scale:   pixels here for one of the picture.
    area:    of the picture, in pixels here.
    specks:  all that may be letters, (N, 4).
    quarters: by which the picture was turned counter-clockwise first, 0 or 1.
    """

    letters: NDArray[np.int64]
    lines: NDArray[np.intp]
    scale: float
    area: float
    specks: NDArray[np.int64]
    quarters: int = 0

    @property
    def is_page(self) -> bool:
        """True if print covers much of the picture, as on a page that is held before a camera."""
        if len(self.letters) < PAGE_LETTERS:
            return False
        left, top, width, height = self.letters.T
        across, down = np.ptp([left, left + width]), np.ptp([top, top + height])
        return bool(across * down > PAGE_AREA * self.area)


def print_of(rgb: RgbPicture) -> Print:
    """Look for letters in lines in a picture (H, W, 3); dark ones on a lighter ground."""
    scale = min(1.0, SIDE / max(rgb.shape[:2]))
    levels = gray(shrunk(rgb, SIDE))
    likely = _letters(levels)
    quarters = int(_is_turned(likely))
    if quarters:
        left, top, width, height = likely.T
        likely = np.stack([top, levels.shape[1] - left - width, height, width], axis=1)
    letters, lines = _in_lines(likely, likely)
    return Print(letters, lines, scale, float(levels.size), likely, quarters)


def flat_page(rgb: RgbPicture, found: Print) -> FlatPage | None:
    """A picture (H, W, 3) with its paper laid flat; None if it shows no lines of text that bend."""
    letters, lines = found.letters, found.lines
    page = None
    for _ in range(LOOKS):
        if len(lines) < LEAST_LETTERS or lines[-1] + 1 < LEAST_CHAINS:
            return None
        size = float(np.median(letters[:, 3]))
        points = _feet(letters)
        shapes = SHAPES if len(lines) >= MANY_LETTERS else PLAIN_SHAPES
        noise_px = max(FEET * size, 0.5)
        page = baselines(points, lines, orders=shapes, noise_px=noise_px, least_lines=LEAST_CHAINS)
        if page.weights.shape[0] < 2:
            return None
        # On paper that is nearly flat, letters of steep lines find their neighbours, too.
        straight = found.specks.copy()
        straight[:, 1] -= np.round(page.sunk(*_feet(straight).T)).astype(np.int64)
        fit = page, points, lines, size
        letters, lines = _in_lines(found.specks, straight)
    if page is None or not _is_bent(*fit):
        return None
    turned = np.ascontiguousarray(np.rot90(rgb, found.quarters))
    return _laid_flat(turned, page, found.scale, found.quarters)


def _is_turned(letters: NDArray[np.int64]) -> bool:
    """True if letters (N, 4) mostly have their nearest neighbour above or below."""
    if len(letters) < LEAST_LETTERS:
        return False
    left, top, width, height = letters.T.astype(np.float64)
    x, y = left + width / 2, top + height / 2
    some = np.linspace(0, len(letters) - 1, min(SAMPLED, len(letters))).astype(int)
    across, down = np.abs(x[some, None] - x), np.abs(y[some, None] - y)
    apart = np.hypot(across, down)
    apart[np.arange(len(some)), some] = np.inf
    nearest = np.argmin(apart, axis=1)
    rows = np.arange(len(some))
    return float(np.mean(down[rows, nearest] > across[rows, nearest])) >= LEAST_TURNED


def _feet(letters: NDArray[np.int64]) -> NDArray[np.float64]:
    left, top, width, height = letters.T.astype(np.float64)
    return np.stack([left + width / 2, top + height], axis=1)


def _in_lines(
    specks: NDArray[np.int64], places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The specks (N, 4) that stand in lines, line after line, and the line of each.

    places: where they are taken to be, (N, 4).
    """
    chains = _chains(places, float(np.median(places[:, 3]))) if len(places) else []
    order = [number for chain in chains for number in chain]
    return specks[order], np.repeat(np.arange(len(chains)), [len(chain) for chain in chains])


def _letters(levels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What may be letters, (N, 4): left, top, width, height."""
    around = round(max(levels.shape) * AROUND) | 1
    found = specks(inked(levels, DARKER, around))
    boxes, area = found[:, :4], found[:, 4]
    width, height = boxes[:, 2], boxes[:, 3]
    solid = area > 0.12 * width * height
    likely = (height >= 5) & (height <= 90) & (width >= 2) & (width < 6 * height) & solid
    boxes = boxes[likely]
    if not LEAST_LETTERS <= len(boxes) <= MOST_LETTERS:
        return boxes[:0]
    usual = np.median(boxes[:, 3])
    return np.asarray(boxes[(boxes[:, 3] > 0.5 * usual) & (boxes[:, 3] < 2.5 * usual)])


def _chains(letters: NDArray[np.int64], size: float) -> list[list[int]]:
    """Letters that stand side by side in a line, from left to right."""
    follower = _followers(letters, size)
    before = np.full(len(letters), -1)
    gap = letters[follower, 0] - letters[:, 0] - letters[:, 2]
    for number in np.argsort(-gap):
        if follower[number] != number:
            before[follower[number]] = number  # the nearest one is the last to say so
    chains = []
    for first in np.flatnonzero(before < 0):
        chain, number = [int(first)], int(first)
        while follower[number] != number and before[follower[number]] == number:
            number = int(follower[number])
            chain.append(number)
        if len(chain) >= LEAST_CHAIN:
            chains.append(chain)
    return chains


def _followers(letters: NDArray[np.int64], size: float) -> NDArray[np.intp]:
    """The letter to the right of each, at the same height and near; itself where there is none."""
    left, top, width, height = letters.T.astype(np.float64)
    right, middle = left + width, top + height / 2
    order = np.argsort(left, kind="stable")
    places = left[order]
    follower = np.arange(len(letters))
    for number in range(len(letters)):
        begin = np.searchsorted(places, left[number], side="right")
        end = np.searchsorted(places, right[number] + 2.2 * size)
        near = order[begin:end]
        apart = np.maximum(left[near] - right[number], 0)
        # A small letter beside a tall one has its middle lower; feet or middles must fit.
        off = np.minimum(
            np.abs(middle[near] - middle[number]),
            np.abs(top[near] + height[near] - top[number] - height[number]),
        )
        steps = left[near] + width[near] / 2 - left[number] - width[number] / 2
        fits = off < LEVEL * size + STEEPEST * steps
        if fits.any():
            near, cost = near[fits], (apart + 2 * off)[fits]
            follower[number] = near[np.argmin(cost)]
    return follower


def _is_bent(
    page: Baselines, points: NDArray[np.float64], lines: NDArray[np.intp], size: float
) -> bool:
    """True if enough lines leave the straight line between their ends."""
    if page.weights.shape[0] < 2:
        return False
    flat = page.flat(*points.T)
    medians = np.array([np.median(flat[lines == line]) for line in range(int(lines[-1]) + 1)])
    if float(np.mean(np.abs(flat - medians[lines]) < ON_LINE * size)) < LEAST_ON_LINE:
        return False
    bent = []
    count = np.bincount(lines)
    for line in range(len(count)):
        x, y = points[lines == line].T
        across = np.linspace(x[0], x[-1], 9)
        sunk = page.sunk(across, np.interp(across, x, y))
        chord = np.linspace(sunk[0], sunk[-1], 9)
        bent.append(np.abs(sunk - chord).max() > BENT * size)
    share = float(np.average(bent, weights=count))
    return sum(bent) >= LEAST_BENT_CHAINS and share >= LEAST_BENT


def _laid_flat(rgb: RgbPicture, page: Baselines, scale: float, quarters: int) -> FlatPage:
    """The page flat; rgb: the picture (H, W, 3), turned by so many quarters already."""
    height, width = rgb.shape[:2]
    across = np.linspace(0, (width - 1) * scale, 65)
    edges = [page.flat(across, np.full(65, y * scale)) for y in (0, height - 1)]
    top, bottom = float(edges[0].min()), float(edges[1].max())
    rows = min(round((bottom - top) / scale) + 1, 2 * height)
    flat = np.empty((rows, width, 3), np.uint8)
    x = np.arange(width, dtype=np.float32)
    for begin in range(0, rows, STRIP):
        end = min(begin + STRIP, rows)
        # The shape is smooth: it is worked out at every 16th row and column.
        down = np.linspace(begin, end - 1, max(2, (end - begin) // 16))
        coarse_x, coarse_y = np.meshgrid(across, down * scale + top)
        coarse = page.bent(coarse_x, coarse_y) / scale
        y = stretched(coarse.astype(np.float32), width, end - begin)
        over = np.ascontiguousarray(np.broadcast_to(x, y.shape))
        flat[begin:end] = fetched(rgb, over, y)
    return FlatPage(flat, page, top, scale, height, quarters)
