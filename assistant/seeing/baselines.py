"""The lines on which the text of a page stands, where paper curls or is seen from the side.

A page is described by how far each of its places has sunk, as a smooth function of x and y. All
that is known of it comes from points that stand on one line: the ends of a piece of text, or the
feet of its letters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ORDERS = ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (3, 1))
"""(highest power of x, highest power of y) of the shapes that are tried, from plain to bent."""

ROUNDS = 8
MOST_BENT = 0.3
"""How far paper is expected to sink, in parts of half its size; it holds the bends down where no
text tells of them, the more the higher their powers are."""

LEAST_LINES = 5
"""Fewer lines, of which two points are known each, tell nothing of the page but where it lies."""

LEAST_GAIN = 6.0
"""How much better a shape must fit for each number that describes it, as a log likelihood."""


@dataclass(frozen=True, slots=True)
class Baselines:
    """How far the lines of a page have sunk at each place.

    centre, scale: x and y of a place are taken from the centre, in parts of the scale.
    weights:       (powers of x from 1 on, powers of y from 0 on), in pixels.
    """

    centre: tuple[float, float]
    scale: float
    weights: Floats

    def sunk(self, x: Floats, y: Floats) -> Floats:
        """Pixels by which places, arrays of one shape, lie below where they would be on flat
        paper, taken from the middle of the page."""
        return np.asarray(_powers(self, x, y) @ self.weights.ravel())

    def flat(self, x: Floats, y: Floats) -> Floats:
        """The y that places of the page have on flat paper."""
        return np.asarray(y - self.sunk(x, y))

    def bent(self, x: Floats, flat_y: Floats) -> Floats:
        """The y on the page of places on flat paper; the inverse of `flat`."""
        y = np.array(flat_y, np.float64)
        for _ in range(ROUNDS):
            y = flat_y + self.sunk(x, y)
        return y


def baselines(
    points: Floats,
    lines: NDArray[np.intp],
    *,
    orders: Sequence[tuple[int, int]] = ORDERS,
    noise_px: float = 1.0,
    least_lines: int = LEAST_LINES,
) -> Baselines:
    """Find the baselines of a page from points of which some stand on one line.

    points:   (N, 2), x and y.
    lines:    (N,), the number of the line that each point stands on, from 0 on.
    orders:   the shapes that are allowed, as (power of x, power of y).
    noise_px: how exactly the points are known.
    least_lines: so few lines tell nothing of the page's shape.
    """
    points = np.asarray(points, np.float64)
    if len(points) == 0:
        return Baselines((0.0, 0.0), 1.0, np.zeros((0, 1)))
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = map(float, (low + high) / 2)
    scale = float(max(high - low)) / 2 or 1.0
    best: tuple[float, Baselines] | None = None
    for order in orders:
        if best is not None and len(np.unique(lines)) < least_lines:
            break
        empty = Baselines((x, y), scale, np.zeros((order[0], order[1] + 1)))
        page, misfit = _fitted(empty, points, lines, noise_px)
        score = misfit + LEAST_GAIN * page.weights.size
        if best is None or score < best[0]:
            best = (score, page)
    assert best is not None
    return best[1]


def _fitted(
    empty: Baselines, points: Floats, lines: NDArray[np.intp], noise_px: float
) -> tuple[Baselines, float]:
    """Least squares in which outliers lose their weight; and the misfit that is left."""
    powers = _powers(empty, *points.T)
    height = points[:, 1]
    highest, high_y = empty.weights.shape
    j = np.repeat(np.arange(1, highest + 1), high_y)
    k = np.tile(np.arange(high_y), highest)
    usual_px = MOST_BENT * empty.scale / 2.0 ** (j + k - 2)
    hold = np.diag(np.where(j + k > 1, (noise_px / usual_px) ** 2, 0.0))
    weight = np.ones(len(points))
    found = np.zeros(powers.shape[1])
    for _ in range(ROUNDS):
        rows, rise = _from_means(powers, lines, weight), _from_means(height, lines, weight)
        if powers.shape[1]:
            weighted = rows.T * weight
            found = np.linalg.lstsq(weighted @ rows + hold, weighted @ rise, rcond=None)[0]
        off = (rise - rows @ found) / noise_px
        weight = 1 / (1 + off**2 / 9)
    page = Baselines(empty.centre, empty.scale, found.reshape(empty.weights.shape))
    return page, float(np.sum(9 * np.log1p(off**2 / 9)))


def _from_means(values: Floats, lines: NDArray[np.intp], weight: Floats) -> Floats:
    """Values (N,) or (N, K) less the weighted mean of the line that each belongs to."""
    total = np.bincount(lines, weight)
    if values.ndim == 1:
        return np.asarray(values - (np.bincount(lines, weight * values) / total)[lines])
    columns = [_from_means(column, lines, weight) for column in values.T]
    return np.stack(columns, axis=-1) if columns else values


def _powers(page: Baselines, x: Floats, y: Floats) -> Floats:
    """The products of powers that `weights` belong to, (..., K)."""
    # Beyond the text nothing is known: there the paper goes on as at the text's edge.
    u = np.clip((x - page.centre[0]) / page.scale, -1, 1)
    v = np.clip((y - page.centre[1]) / page.scale, -1, 1)
    highest, high_y = page.weights.shape
    powers = [u**j * v**k for j in range(1, highest + 1) for k in range(high_y)]
    return np.stack(powers, axis=-1) if powers else np.zeros((*np.shape(u), 0))
