"""Light that is evened out over a page, so that its dark parts are read as well as its bright ones,
and dim pictures that are spread over all levels.

A shadow makes the paper darker by the same part as the ink on it. So each place is made brighter by
what its paper lacks; what is paper is the brightest around.
"""

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.pixels import blurred, gray, ground, refitted, shrunk, softened
from models.pictures import RgbPicture

SMALL_SIDE = 160
"""Pixels of the longer side at which light is looked at; letters are gone there."""

UNEVEN = 3.0
"""How many times brighter the brightest paper must be than the darkest to be evened out."""

STRIP = 256
"""Rows that are made brighter at a time."""

MOST_GAIN = 12.0
BRIGHT = 225
"""What paper is raised to, 0 to 255."""

LEAST_RANGE, DIM = 24, 110
"""Levels between the darkest and the brightest places of a picture; with fewer than the second it
is dim, with fewer than the first there is only noise."""

DARK = 128
"""The brightest level of a dim picture at most: faint print on white paper is read as it is."""

LOOKED_AT, SOFT = 480, 0.8
"""Pixels of the longer side at which that is measured; and pixels (sigma) by which a dim picture is
blurred, whose noise grows with its light."""


def dim_range(grey: NDArray[np.uint8]) -> tuple[float, float] | None:
    """The darkest and the brightest level of a picture (H, W) if it is dim; None if it is not."""
    low, high = (float(level) for level in np.percentile(grey, (1, 99.5)))
    return (low, high) if LEAST_RANGE <= high - low < DIM else None


def spread(levels: NDArray[np.uint8], low: float, high: float) -> NDArray[np.uint8]:
    """A picture, (H, W) or (H, W, 3), of which these levels become 0 and 255."""
    steps = np.clip((np.arange(256) - low) * (255 / (high - low)), 0, 255).round().astype(np.uint8)
    wide = np.empty_like(levels)
    for row in range(0, len(levels), STRIP):
        wide[row : row + STRIP] = steps[levels[row : row + STRIP]]
    return wide


def brightened(rgb: RgbPicture) -> RgbPicture:
    """A dim picture (H, W, 3) over all levels; itself where it is not dim.

    Of small letters in the dark a detector of text sees nothing.
    """
    if max(rgb.shape[:2]) < LOOKED_AT:
        return rgb  # the blur would take its letters
    found = dim_range(gray(shrunk(rgb, LOOKED_AT)))
    if found is None or found[1] > DARK:
        return rgb
    return spread(softened(rgb, SOFT), *found)


def evened(rgb: RgbPicture) -> RgbPicture:
    """The picture (H, W, 3) of a page with its light evened out; itself where it is even enough."""
    height, width = rgb.shape[:2]
    scale = SMALL_SIDE / max(height, width)
    if scale >= 1:
        return rgb
    small = gray(refitted(rgb, max(3, round(width * scale)), max(3, round(height * scale))))
    # Between the lines and letters stands the paper: the brightest around, without specks.
    light = blurred(ground(small, 9).astype(np.float32), 3)
    dark, bright = (float(level) for level in np.percentile(light, (2, 98)))
    if bright < UNEVEN * max(dark, 1.0):
        return rgb
    gain = np.clip(BRIGHT / np.maximum(light, 1), 1, MOST_GAIN)
    full = refitted(gain, width, height)
    bright_enough = np.empty_like(rgb)
    for row in range(0, height, STRIP):
        part = rgb[row : row + STRIP] * full[row : row + STRIP, :, None]
        bright_enough[row : row + STRIP] = np.minimum(part, 255)
    return bright_enough
