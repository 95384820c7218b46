"""Light that hides the picture: over-exposure and glare.

Measured on the shared photographs by `scripts/bench_assistant_seeing.py`. The thresholds were
chosen with these photographs at hand.
"""

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.pixels import blurred, opened, regions, rim, slopes

BURNT = 250.0
"""A level, 0 to 255, above which nothing is told apart any more."""

MOST_BURNT = 0.6
PALEST_INK = 225.0
"""An over-exposed picture is burnt in most places and has no ink: its darkest 1 % is paler. White
paper in good pictures has darkest levels of 205 at most."""

LEAST_GLARE, MOST_GLARE = 0.04, 0.42
"""Part of the picture; what is larger is white paper, what is smaller hides little."""

GLARE_SLOPES = (0.4, 5.0)
SOFT_SLOPE = 8.0
LEAST_SOFT_RIM = 0.7
"""A reflection fades out, in levels per pixel; paper and ink have sharp edges."""


def is_too_bright(pixels: NDArray[np.float32]) -> bool:
    """True for an over-exposed picture (H, W, 3); levels 0 to 255."""
    darkest_channel = blurred(pixels, 1.0).min(axis=-1)
    burnt = float((darkest_channel >= BURNT).mean())
    return burnt >= MOST_BURNT and float(np.quantile(darkest_channel, 0.01)) >= PALEST_INK


def has_glare(pixels: NDArray[np.float32]) -> bool:
    """True if a burnt spot that fades out softly covers a part of a picture (H, W, 3)."""
    spots = regions(opened(blurred(pixels, 2.0).min(axis=-1) >= BURNT, 9))
    if not spots or not LEAST_GLARE < float(spots[0].mean()) < MOST_GLARE:
        return False
    around = rim(spots[0], 9)
    if not around.any():
        return False
    steepness = slopes(np.asarray(blurred(pixels, 1.0).min(axis=-1), np.float32))[around]
    soft = float(((steepness > 0.3) & (steepness < SOFT_SLOPE)).mean())
    low, high = GLARE_SLOPES
    return soft >= LEAST_SOFT_RIM and low < float(np.median(steepness)) < high
