"""Light that hides the picture: over-exposure and glare.

Measured on the shared photographs by `scripts/bench_assistant_seeing.py`. The first thresholds were
chosen with all photographs at hand; those for large spots and for nearly white pictures with one
half of them, and judged on the other (`scripts/results/assistant_seeing.json`, "judged").
"""

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.pixels import blurred, fullness, opened, regions, rim, slopes

BURNT = 250.0
"""A level, 0 to 255, above which nothing is told apart any more."""

MOST_BURNT = 0.6
PALEST_INK = 225.0
"""An over-exposed picture is burnt in most places and has no ink: its darkest 1 % is paler. White
paper in good pictures has darkest levels of 205 at most."""

NEARLY_ALL_BURNT = 0.9
PALEST_PRINT = 207.0
"""Where hardly anything else is left, paler ink than this is lost: printed on white paper, good
pictures have 192 at most."""

LEAST_GLARE, MOST_GLARE = 0.04, 0.42
"""Part of the picture; what is larger may be white paper, what is smaller hides little."""

LEAST_SOFT, LEAST_FULL = 0.6, 0.8
"""Of a larger spot: a reflection is round and soft. White paper is either cut up by its print
(full: 0.67 at most) or has sharp edges (soft: 0.5 at most)."""

CLIPPED = 252.0
MOST_CLIPPED = 0.4
"""Part of a picture in which some colour is at its end; 0.3 at most in good ones without text."""

GLARE_SLOPES = (0.4, 5.0)
SOFT_SLOPE = 8.0
LEAST_SOFT_RIM = 0.7
LEAST_SPOT, MOST_SPOTS = 0.003, 8
LEAST_ROUND, LEAST_SOFT_AROUND = 0.9, 0.85
"""A reflection fades out, in levels per pixel; paper and ink have sharp edges. A small one must be
round and soft on all sides: of bare places between the lines of white receipts none is."""


def is_too_bright(pixels: NDArray[np.float32]) -> bool:
    """True for an over-exposed picture (H, W, 3); levels 0 to 255."""
    darkest_channel = blurred(pixels, 1.0).min(axis=-1)
    burnt = float((darkest_channel >= BURNT).mean())
    ink = float(np.quantile(darkest_channel, 0.01))
    return (burnt >= MOST_BURNT and ink >= PALEST_INK) or (
        burnt >= NEARLY_ALL_BURNT and ink >= PALEST_PRINT
    )


def is_washed_out(pixels: NDArray[np.float32]) -> bool:
    """True if light has taken much of a picture (H, W, 3) in which no text is found.

    Too weak a sign to refuse a picture: white paper has it too.
    """
    brightest_channel = blurred(pixels, 1.0).max(axis=-1)
    return float((brightest_channel >= CLIPPED).mean()) >= MOST_CLIPPED


def has_glare(pixels: NDArray[np.float32]) -> bool:
    """True if a burnt spot that fades out softly covers a part of a picture (H, W, 3)."""
    return glare_spot(pixels) is not None


def glare_spot(pixels: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """The burnt spot of `has_glare` as a mask (H, W), or None."""
    spots = regions(opened(blurred(pixels, 2.0).min(axis=-1) >= BURNT, 9))
    share = float(spots[0].mean()) if spots else 0.0
    if share <= LEAST_GLARE:
        return None
    around = rim(spots[0], 9)
    if not around.any():
        return None
    steepness = slopes(np.asarray(blurred(pixels, 1.0).min(axis=-1), np.float32))[around]
    soft = float(((steepness > 0.3) & (steepness < SOFT_SLOPE)).mean())
    if share >= MOST_GLARE:
        is_glare = soft >= LEAST_SOFT and fullness(spots[0]) >= LEAST_FULL
    else:
        low, high = GLARE_SLOPES
        is_glare = soft >= LEAST_SOFT_RIM and low < float(np.median(steepness)) < high
    return spots[0] if is_glare else None


def reflections_in(pixels: NDArray[np.float32]) -> list[NDArray[np.bool_]]:
    """Burnt spots, round and soft all around, of a picture (H, W, 3), as masks (H, W).

    They may be too small to spoil the picture; each hides what lies under it.
    """
    darkest = np.ascontiguousarray(pixels.min(axis=-1))
    found: list[NDArray[np.bool_]] = []
    steepness: NDArray[np.float32] | None = None
    for spot in regions(opened(blurred(darkest, 1.5) >= BURNT, 7), MOST_SPOTS):
        if float(spot.mean()) < LEAST_SPOT:
            break
        if fullness(spot) < LEAST_ROUND:
            continue
        if steepness is None:
            steepness = slopes(blurred(darkest, 1.0))
        around = steepness[rim(spot, 9)]
        low, high = GLARE_SLOPES
        soft = float(((around > 0.3) & (around < SOFT_SLOPE)).mean()) if len(around) else 0.0
        if soft >= LEAST_SOFT_AROUND and low < float(np.median(around)) < high:
            found.append(spot)
    return found
