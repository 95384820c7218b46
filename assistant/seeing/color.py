"""Names of colours: the nearest of a short list, by distance in CIELAB.

CIELAB is CIE 15:2004; the constants of sRGB are IEC 61966-2-1, those of white D65. Distance is the
plain one (CIE 1976): between names this far apart, finer formulas change nothing.
"""

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.pixels import shrunk
from models.pictures import RgbPicture

NAMES: dict[str, tuple[int, int, int]] = {
    "black": (15, 15, 15),
    "dark grey": (75, 75, 75),
    "grey": (128, 128, 128),
    "light grey": (195, 195, 195),
    "white": (250, 250, 250),
    "red": (215, 25, 30),
    "dark red": (120, 15, 20),
    "pink": (245, 160, 185),
    "magenta": (210, 30, 140),
    "orange": (245, 130, 25),
    "brown": (110, 65, 30),
    "light brown": (175, 125, 80),
    "beige": (225, 205, 165),
    "yellow": (250, 220, 40),
    "olive": (115, 110, 35),
    "light green": (150, 215, 130),
    "green": (30, 150, 60),
    "dark green": (15, 75, 35),
    "turquoise": (45, 185, 180),
    "light blue": (150, 195, 235),
    "blue": (35, 85, 200),
    "dark blue": (20, 30, 90),
    "purple": (120, 45, 150),
    "lilac": (190, 160, 220),
}
"""Plain English names with a typical sRGB value of each."""

CENTRE = 0.5
"""Part of the width and of the height that is looked at: people hold things to the middle."""

LEAST_SHARE, LEAST_SECOND = 0.3, 0.2
DIM_LIGHTNESS = 30.0
LIT_CHROMA = 14.0
"""CIELAB. The palest 2 % of most pictures are nearly grey; if they are not, the light is coloured
(or nothing white is in view, which cannot be told from it)."""

_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float64
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


class Caveat(enum.StrEnum):
    """Why the name of a colour may be wrong."""

    NONE = ""
    DIM = "dim"
    """Little light: things look darker than they are."""
    LIT = "coloured"
    """The light itself may have a colour."""


@dataclass(frozen=True, slots=True)
class ColourSeen:
    """The colours in the middle of a picture.

    names:  the commonest first; one or two.
    share:  part (0 to 1) of the middle that the first name covers.
    caveat: why the name may be wrong.
    """

    names: tuple[str, ...]
    share: float
    caveat: Caveat


def name_colours(rgb: RgbPicture) -> ColourSeen:
    """Name the colours in the middle of a picture (H, W, 3)."""
    height, width = rgb.shape[:2]
    top, left = int(height * (1 - CENTRE) / 2), int(width * (1 - CENTRE) / 2)
    middle = rgb[top : max(top + 1, height - top), left : max(left + 1, width - left)]
    lab = to_lab(shrunk(middle, 96).reshape(-1, 3))
    counts = np.bincount(_nearest(lab), minlength=len(NAMES)) / len(lab)
    order = np.argsort(-counts)
    names = tuple(NAMES)
    seen = [names[order[0]]]
    if counts[order[1]] >= LEAST_SECOND:
        seen.append(names[order[1]])
    whole = to_lab(shrunk(rgb, 96).reshape(-1, 3))
    return ColourSeen(tuple(seen), float(counts[order[0]]), _caveat(lab, whole))


def to_lab(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """sRGB (N, 3), 0 to 255, to CIELAB (N, 3) under D65."""
    linear = linear_light(rgb)
    ratio = linear @ _TO_XYZ.T / _WHITE
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def linear_light(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Undo sRGB's transfer function: 0 to 255 to linear 0 to 1, same shape."""
    value = np.asarray(rgb, np.float64) / 255
    low = value / 12.92
    return np.where(value <= 0.04045, low, ((value + 0.055) / 1.055) ** 2.4)


def _nearest(lab: NDArray[np.float64]) -> NDArray[np.intp]:
    known = to_lab(np.array(list(NAMES.values()), np.uint8))
    return np.asarray(np.linalg.norm(lab[:, None] - known[None], axis=2).argmin(axis=1))


def _caveat(middle: NDArray[np.float64], whole: NDArray[np.float64]) -> Caveat:
    if float(np.median(middle[:, 0])) < DIM_LIGHTNESS and float(whole[:, 0].max()) < 75:
        return Caveat.DIM
    palest = whole[whole[:, 0] >= np.quantile(whole[:, 0], 0.98)]
    cast = np.hypot(*palest[:, 1:].mean(axis=0))
    if cast > LIT_CHROMA:
        return Caveat.LIT
    return Caveat.NONE
