"""Is there anything to see? Names one cause and one fix before any model looks at a picture.

Measured by `scripts/bench_assistant_seeing.py` on 86 photographs, scans and screenshots of the
test data: none is refused as black, dark, blank or blurred. Of the same made black, near-black
(x 0.05), or blurred (Gaussian, sigma 1 to 3 % of the longer side and at least 4 pixels of 512, with
and without sensor noise), and of plain surfaces, none passes. A small reflection on white paper
cannot be told from the paper, and in an over-exposed street people and things can still be seen:
such pictures pass. Of the photographs that no threshold was chosen with, four in five that lose
half of their text to glare are refused, and two in three that lose it to over-exposure.
"""

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.cover import is_covered
from assistant.seeing.exposure import has_glare, is_too_bright, is_washed_out
from assistant.seeing.pixels import blurred, shrunk, slopes
from models.pictures import RgbPicture

WORKING_SIDE = 512
"""Pixels of the longer side on which everything is measured; small pictures stay as they are."""

BLACK_LEVEL = 10.0
DARK_LEVEL = 50.0
"""Brightest level (0 to 255). Good pictures: 89 and more; a photograph x 0.05: 13 at most."""

LEAST_EDGE = 13.0
"""Strongest edge, levels per pixel. Good: 16.7 and more; blank drawings: 11.8 at most."""

MOST_KEPT = 0.78
"""Part of the strongest edge that survives a blur of 2 pixels. Good: 0.71 at most. What is
blurred already loses little: 0.85 and more without noise."""

NOISE_EVERYWHERE = 0.43
"""Median edge in parts of the strongest: noise has the same edges in all places. Good: 0.39."""

LEAST_RANGE = 15.0
"""White paper with the grain of a sensor spans fewer levels: it is blank, not too bright."""

PLAIN_RANGE = 45.0
"""A picture without edges that spans fewer levels than this is called blank, else blurred."""


class Cause(enum.Enum):
    """Why nothing can be told about a picture."""

    BLACK = "black"
    DARK = "dark"
    BLANK = "blank"
    BLURRED = "blurred"
    NOISE = "noise"
    COVERED = "covered"
    BRIGHT = "bright"
    GLARE = "glare"


SENTENCES: dict[Cause, str] = {
    Cause.BLACK: "I can't tell: the picture is black. Uncover the lens.",
    Cause.DARK: "I can't tell: it is too dark. Turn on a light.",
    Cause.BLANK: "I can't tell: the picture is blank. Point the camera at something else.",
    Cause.BLURRED: "I can't tell: the picture is blurred. Hold the camera still and try again.",
    Cause.NOISE: "I can't tell: I see only noise. Turn on a light, or uncover the lens.",
    Cause.COVERED: "I can't tell: something covers the lens. Move your finger away from it.",
    Cause.BRIGHT: "I can't tell: the picture is too bright. Turn away from the light.",
    Cause.GLARE: "I can't tell: light is reflected into the lens. Tilt the page or the camera.",
}

WASHED_OUT = "The picture is very bright; turn away from the light, in case it hides some."


@dataclass(frozen=True, slots=True)
class Measures:
    """What the gate looks at.

    brightest: level (0 to 255) that 0.2 % of the pixels exceed in some channel.
    range:     levels between the darkest and the brightest 0.2 %, in the channel with most.
    edge:      strongest edge, levels per pixel, in the channel with most.
    kept:      part of that edge that survives a further blur.
    evenness:  the median edge in parts of the strongest.
    """

    brightest: float
    range: float
    edge: float
    kept: float
    evenness: float


def check_quality(rgb: RgbPicture) -> Cause | None:
    """Return what makes a picture (H, W, 3) useless, or None if it can be looked at."""
    small = shrunk(rgb, WORKING_SIDE).astype(np.float32)
    measures = _measure(small)
    if measures.brightest < BLACK_LEVEL:
        return Cause.BLACK
    if measures.brightest < DARK_LEVEL:
        return Cause.DARK
    has_detail = measures.edge >= LEAST_EDGE and measures.kept <= MOST_KEPT
    if is_covered(small, has_detail=has_detail):
        return Cause.COVERED
    if measures.range > LEAST_RANGE and is_too_bright(small):
        return Cause.BRIGHT
    if not has_detail:
        return Cause.BLANK if measures.range < PLAIN_RANGE else Cause.BLURRED
    if measures.evenness > NOISE_EVERYWHERE:
        return Cause.NOISE
    return Cause.GLARE if has_glare(small) else None


def light_hint(rgb: RgbPicture) -> str:
    """What may be the matter with a picture (H, W, 3) in which no text is found; "" if nothing."""
    return WASHED_OUT if is_washed_out(shrunk(rgb, WORKING_SIDE).astype(np.float32)) else ""


def measure(rgb: RgbPicture) -> Measures:
    """Measure brightness and sharpness.

    All channels count: two colours of equal brightness make an edge too. A blur of one pixel
    before differentiating keeps sensor noise from passing for detail.
    """
    return _measure(shrunk(rgb, WORKING_SIDE).astype(np.float32))


def _measure(pixels: NDArray[np.float32]) -> Measures:
    smooth = blurred(pixels, 1.0)
    darkest, brightest = np.percentile(smooth, [0.2, 99.8], axis=(0, 1))
    steepness = slopes(smooth)
    edge = _strongest(steepness)
    kept = _strongest(slopes(blurred(pixels, 2.0))) / max(edge, 1e-3)
    return Measures(
        float(brightest.max()),
        float((brightest - darkest).max()),
        edge,
        min(kept, 1.0),
        float(np.median(steepness)) / max(edge, 1e-3),
    )


def _strongest(steepness: NDArray[np.float32]) -> float:
    """What 0.2 % of the pixels exceed: the edges of even one small thing."""
    return float(np.percentile(steepness, 99.8))
