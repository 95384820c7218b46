"""Is there anything to see? Names one cause and one fix before any model looks at a picture.

Measured: of 86 photographs, scans and screenshots of the test data and 990 drawn pictures of the
pocket model, none is refused. Of the same photographs made black, near-black (x 0.05), or blurred
(Gaussian, sigma 1 to 3 % of the longer side and at least 4 pixels of 512, with and without sensor
noise), of plain surfaces with and without noise, and of 210 drawn pictures in which nothing can
be told, none passes.
"""

import enum
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.pictures import RgbPicture

WORKING_SIDE = 512
"""Pixels of the longer side on which everything is measured; small pictures stay as they are."""

BLACK_LEVEL = 10.0
DARK_LEVEL = 50.0
"""Brightest level (0 to 255). Good pictures: 89 and more; a photograph x 0.05: 13 at most."""

LEAST_EDGE = 13.0
"""Strongest edge, levels per pixel. Good: 16.7 and more; blank drawings: 11.8 at most."""

MOST_KEPT = 0.75
"""Part of the strongest edge that survives a blur of 2 pixels. Good: 0.71 at most. What is
blurred already loses little: 0.85 and more without noise."""

PLAIN_RANGE = 45.0
"""A picture without edges that spans fewer levels than this is called blank, else blurred."""


class Cause(enum.Enum):
    """Why nothing can be told about a picture."""

    BLACK = "black"
    DARK = "dark"
    BLANK = "blank"
    BLURRED = "blurred"


SENTENCES: dict[Cause, str] = {
    Cause.BLACK: "I can't tell: the picture is black. Uncover the lens.",
    Cause.DARK: "I can't tell: it is too dark. Turn on a light.",
    Cause.BLANK: "I can't tell: the picture is blank. Point the camera at something else.",
    Cause.BLURRED: "I can't tell: the picture is blurred. Hold the camera still and try again.",
}


@dataclass(frozen=True, slots=True)
class Measures:
    """What the gate looks at.

    brightest: level (0 to 255) that 0.2 % of the pixels exceed in some channel.
    range:     levels between the darkest and the brightest 0.2 %, in the channel with most.
    edge:      strongest edge, levels per pixel, in the channel with most.
    kept:      part of that edge that survives a further blur.
    """

    brightest: float
    range: float
    edge: float
    kept: float


def check_quality(rgb: RgbPicture) -> Cause | None:
    """Return what makes a picture (H, W, 3) useless, or None if it can be looked at."""
    measures = measure(rgb)
    if measures.brightest < BLACK_LEVEL:
        return Cause.BLACK
    if measures.brightest < DARK_LEVEL:
        return Cause.DARK
    if measures.edge >= LEAST_EDGE and measures.kept <= MOST_KEPT:
        return None
    return Cause.BLANK if measures.range < PLAIN_RANGE else Cause.BLURRED


def measure(rgb: RgbPicture) -> Measures:
    """Measure brightness and sharpness.

    All channels count: two colours of equal brightness make an edge too. A blur of one pixel
    before differentiating keeps sensor noise from passing for detail.
    """
    pixels = _shrunk(rgb).astype(np.float32)
    smooth = _blurred(pixels, 1.0)
    darkest, brightest = np.percentile(smooth, [0.2, 99.8], axis=(0, 1))
    edge = _strongest_edge(smooth)
    kept = _strongest_edge(_blurred(pixels, 2.0)) / max(edge, 1e-3)
    return Measures(
        float(brightest.max()), float((brightest - darkest).max()), edge, min(kept, 1.0)
    )


def _shrunk(rgb: RgbPicture) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _blurred(pixels: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.float32)


def _strongest_edge(pixels: NDArray[np.float32]) -> float:
    """Gradient that 0.2 % of the pixels exceed: the edges of even one small thing."""
    across = cv2.Sobel(pixels, cv2.CV_32F, 1, 0) / 8  # a Sobel kernel sums 8 differences
    down = cv2.Sobel(pixels, cv2.CV_32F, 0, 1) / 8
    return float(np.percentile(np.hypot(across, down).max(axis=-1), 99.8))
