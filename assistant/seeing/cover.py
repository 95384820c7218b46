"""A finger, a cloth or a cap before the lens: dark or skin-red, without any detail, at an edge."""

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.pixels import blurred, means, regions, rim, slopes

BLOCKS = 32
"""Blocks along the longer side."""

MOST_DETAIL = 2.5
"""Levels per pixel, mean of a block; what touches the lens is far out of focus."""

DARK = 55.0
SOFT_EDGE = 8.0
"""Levels per pixel, which 20 % of the blocks around a shadow exceed; things have sharper edges."""

SMALLEST_FRAME = 200
"""Pixels of the longer side; no camera gives fewer, so that small drawings on black are let be."""

MOST_COVERED = 0.45
"""Part of the picture. Good ones: 0.43 at most, and 0.31 but for one with a dark wall."""


FREE_EDGE = 0.9
"""Something before the lens leaves one edge free in at least this part; a plain background that
things stand on reaches all four."""


def is_covered(pixels: NDArray[np.float32], *, has_detail: bool) -> bool:
    """True if something before the lens covers much of a picture (H, W, 3).

    has_detail: whether anything sharp is left; without it, nothing can surround it.
    """
    if has_detail and max(pixels.shape[:2]) < SMALLEST_FRAME:
        return False
    block = max(4, max(pixels.shape[:2]) // BLOCKS)
    detail = means(slopes(blurred(pixels, 2.0)), block)
    colour = means(pixels, block)
    red, green, blue = colour[..., 0], colour[..., 1], colour[..., 2]
    light = colour.mean(axis=-1)
    # Light that comes through a finger is red; all channels of a lit wall differ less.
    through_skin = (red > 1.15 * green) & (red > 1.25 * blue) & (light < 170)
    plain = (detail < MOST_DETAIL) & ((light < DARK) | through_skin)
    large = (region for region in regions(plain) if float(region.mean()) >= MOST_COVERED)
    return any(
        _at_edge(region) and not (has_detail and (_all_around(region) or _sharp(region, detail)))
        for region in large
    )


def _sharp(region: NDArray[np.bool_], detail: NDArray[np.float32]) -> bool:
    """True if a region ends sharply, as no shadow of something out of focus does."""
    around = rim(region, 3)
    return bool(around.any()) and float(np.quantile(detail[around], 0.8)) > SOFT_EDGE


def _at_edge(region: NDArray[np.bool_]) -> bool:
    return max(_edges(region)) > 0.3


def _all_around(region: NDArray[np.bool_]) -> bool:
    return min(_edges(region)) > FREE_EDGE


def _edges(region: NDArray[np.bool_]) -> tuple[float, ...]:
    edges = (region[0], region[-1], region[:, 0], region[:, -1])
    return tuple(float(edge.mean()) for edge in edges)
