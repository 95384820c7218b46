"""Light that is evened out over a page, so that its dark parts are read as well as its bright ones.

A shadow makes the paper darker by the same part as the ink on it. So each place is made brighter by
what its paper lacks; what is paper is the brightest around.
"""

import numpy as np

from assistant.seeing.pixels import blurred, gray, ground, refitted
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
