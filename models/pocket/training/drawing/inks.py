"""Which ink on which paper: colours that can be read on each other."""

from __future__ import annotations

import colorsys
import random

import numpy as np

from models.pocket.training.drawing.canvas import Rgb
from models.pocket.training.drawing.colours import any_rgb, ink_colour, oklab

_LEAST_CONTRAST = 0.36  # in OKLab lightness, where black to white is 1
_TRIES = 12


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
