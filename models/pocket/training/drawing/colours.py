"""Named colours, backgrounds that keep clear of them, and inks that can be read on a paper."""

from __future__ import annotations

import colorsys
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.pocket.questions import COLOURS
from models.pocket.training.drawing.canvas import Rgb

_LEAST_CONTRAST = 0.36  # in OKLab lightness, where black to white is 1
_TRIES = 12

# Hue in degrees, saturation and value, from and to. Neighbours keep a gap, so that a shade has one
# name: brown is dark orange, pink is pale red, and grey stays away from black and from white.
_SHADES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-5, 4), (0.85, 1.0), (0.72, 0.95)),
    "green": ((105, 145), (0.65, 1.0), (0.42, 0.78)),
    "blue": ((212, 236), (0.7, 1.0), (0.6, 0.95)),
    "yellow": ((51, 59), (0.75, 1.0), (0.92, 1.0)),
    "orange": ((25, 34), (0.88, 1.0), (0.94, 1.0)),
    "purple": ((270, 288), (0.6, 0.9), (0.45, 0.72)),
    "pink": ((325, 345), (0.32, 0.55), (0.96, 1.0)),
    "brown": ((18, 30), (0.62, 0.85), (0.3, 0.46)),
    "black": ((0, 360), (0.0, 0.3), (0.0, 0.08)),
    "white": ((0, 360), (0.0, 0.03), (0.95, 1.0)),
    "grey": ((0, 360), (0.0, 0.06), (0.42, 0.6)),
}


def shade(rng: random.Random, colour: int) -> Rgb:
    hue, saturation, value = (rng.uniform(*limits) for limits in _SHADES[COLOURS[colour]])
    return colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)


def any_rgb(rng: random.Random) -> Rgb:
    """A wall, a table, a cloth: mostly light or dark and dull, sometimes coloured."""
    draw = rng.random()
    if draw < 0.45:
        saturation, value = rng.uniform(0, 0.25), rng.uniform(0.72, 1.0)
    elif draw < 0.65:
        saturation, value = rng.uniform(0, 0.4), rng.uniform(0.04, 0.28)
    else:
        saturation, value = rng.uniform(0.15, 0.65), rng.uniform(0.3, 0.95)
    return colorsys.hsv_to_rgb(rng.random(), saturation, value)


def oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert sRGB (n, 3) of 0..1 to OKLab, where distances follow the eye.

    Source: Björn Ottosson, https://bottosson.github.io/posts/oklab/
    """
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(linear @ _TO_CONES)
    lab: NDArray[np.float64] = cones @ _TO_LAB
    return lab


_TO_CONES = np.array(
    [
        [0.4122214708, 0.2119034982, 0.0883024619],
        [0.5363325363, 0.6806995451, 0.2817188376],
        [0.0514459929, 0.1073969566, 0.6299787005],
    ]
)


_TO_LAB = np.array(
    [
        [0.2104542553, 1.9779984951, 0.0259040371],
        [0.7936177850, -2.4285922050, 0.7827717662],
        [-0.0040720468, 0.4505937099, -0.8086757660],
    ]
)


# Least distance to the background, in OKLab, where black to white is 1.
_OBJECT_CONTRAST = 0.22


_WORD_CONTRAST = 0.3


# Of lightness and the two colour axes: what is printed to be read differs in lightness.
_OBJECT_WEIGHTS = (1.0, 1.0, 1.0)


_WORD_WEIGHTS = (1.0, 0.0, 0.0)


_CANDIDATES = 40


def contrasting_pair(rng: random.Random, things: Sequence[Rgb], as_word: bool) -> tuple[Rgb, Rgb]:
    """Draw the two ends of a gradient that keeps away from all these colours on its way."""
    first = [any_rgb(rng) for _ in range(_CANDIDATES)]
    second = [towards(one, any_rgb(rng), rng.uniform(0.1, 0.5)) for one in first]
    middle = [towards(one, two, 0.5) for one, two in zip(first, second, strict=True)]
    if not things:
        return first[0], second[0]
    contrast = _WORD_CONTRAST if as_word else _OBJECT_CONTRAST
    weights = np.array(_WORD_WEIGHTS if as_word else _OBJECT_WEIGHTS)
    backgrounds = oklab(np.array(first + middle + second)).reshape(3, _CANDIDATES, 1, 3)
    steps = (backgrounds - oklab(np.array(things))) * weights
    distance = np.sqrt((steps**2).sum(-1)).min((0, 2))
    good = np.flatnonzero(distance >= contrast)
    best = int(good[0]) if good.size else int(distance.argmax())
    return first[best], second[best]


def towards(one: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def ink_colour(rng: random.Random) -> Rgb:
    """Dark or light ink most of the time, else any colour that has a name."""
    draw = rng.random()
    if draw < 0.6:
        value = rng.uniform(0.0, 0.2) if draw < 0.35 else rng.uniform(0.85, 1.0)
        return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.15), value)
    return shade(rng, rng.randrange(len(COLOURS)))


def lightness(rgb: Rgb) -> float:
    """OKLab lightness, 0..1."""
    return float(oklab(np.array([rgb]))[0, 0])


def some_paper(rng: random.Random) -> Rgb:
    """White or off-white most of the time, else any colour."""
    if rng.random() < 0.45:
        return colorsys.hsv_to_rgb(
            rng.uniform(0.08, 0.18), rng.uniform(0, 0.12), rng.uniform(0.86, 1)
        )
    if rng.random() < 0.5:
        return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.5, 1.0), rng.uniform(0.3, 1.0))
    return any_rgb(rng)


def ink_on(rng: random.Random, paper: Rgb, least: float = _LEAST_CONTRAST) -> Rgb:
    """Draw an ink that differs from the paper in lightness by at least `least`."""
    below = lightness(paper)
    for _ in range(_TRIES):
        ink = ink_colour(rng)
        if abs(lightness(ink) - below) >= least:
            return ink
    value = rng.uniform(0.0, 0.1) if below > 0.55 else rng.uniform(0.93, 1.0)
    return value, value, value
