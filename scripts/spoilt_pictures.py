"""The photographs of the data, spoilt in the ways of a camera and of the hand that holds it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

Picture = Any
Spoil = Callable[[Picture, np.random.Generator], Picture]

WORKING_SIDE = 512
"""Copies are spoilt at this size, so that a blur means the same in every picture."""


def photographs(vision: Path) -> list[Path]:
    """Every picture of the data."""
    kinds = (".jpg", ".jpeg", ".png")
    return [path for path in sorted(vision.rglob("*")) if path.suffix in kinds]


def scaled(factor: float) -> Spoil:
    """More or less light, without the noise of a sensor."""
    return lambda rgb, rng: to_bytes(rgb.astype(float) * factor)


def blurred(share: float) -> Spoil:
    """Out of focus, or moved: a Gaussian of a share of the longer side, at least 4 pixels."""

    def spoil(rgb: Picture, rng: np.random.Generator) -> Picture:
        sigma = max(share * WORKING_SIDE, 4.0)
        soft = np.array(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(sigma)), float)
        return to_bytes(soft + rng.normal(0, 3, rgb.shape))

    return spoil


def glare(size: float) -> Spoil:
    """The reflection of a lamp, fading out like a Gaussian of a share of the longer side."""

    def spoil(rgb: Picture, rng: np.random.Generator) -> Picture:
        height, width = rgb.shape[:2]
        y, x = np.mgrid[:height, :width]
        x0, y0 = width * rng.uniform(0.3, 0.7), height * rng.uniform(0.3, 0.7)
        distance = ((x - x0) ** 2 + (y - y0) ** 2) / (size * max(height, width)) ** 2
        spot = np.clip(1.8 * np.exp(-distance / 2), 0, 1)[..., None]
        return to_bytes(rgb * (1 - spot) + 255 * spot)

    return spoil


def covered(share: float) -> Spoil:
    """A finger that comes in from one side, out of focus, with light shining through it."""

    def spoil(rgb: Picture, rng: np.random.Generator) -> Picture:
        height, width = rgb.shape[:2]
        y, x = np.mgrid[:height, :width]
        angle = rng.uniform(0, 2 * np.pi)
        along = (x - width / 2) * np.cos(angle) + (y - height / 2) * np.sin(angle)
        edge = along - np.quantile(along, share)
        hidden = 1 / (1 + np.exp(np.clip(edge / (0.04 * max(height, width)), -50, 50)))[..., None]
        skin = np.array((90, 45, 35)) * (1 + 0.3 * (y / height)[..., None])
        return to_bytes(rgb * (1 - hidden) + skin * hidden + rng.normal(0, 3, rgb.shape))

    return spoil


def finger(rgb: Picture, rng: np.random.Generator) -> Picture:
    """Nothing but a finger."""
    return to_bytes(np.array((110, 50, 40)) + rng.normal(0, 3, rgb.shape))


def plain(level: int) -> Spoil:
    """A wall or a sheet, with the noise of a sensor."""
    return lambda rgb, rng: to_bytes(level + rng.normal(0, 4, rgb.shape))


def noise(rgb: Picture, rng: np.random.Generator) -> Picture:
    """What a sensor gives in the dark at its highest gain."""
    return to_bytes(rng.normal(110, 50, rgb.shape))


def to_bytes(values: Any) -> Picture:
    """Levels from 0 to 255."""
    return np.clip(values, 0, 255).astype(np.uint8)


def tube(length: float, width: float) -> Spoil:
    """The reflection of a tube lamp or a window: long, at any angle, with a flat middle.

    length, width: shares of the longer side.
    """

    def spoil(rgb: Picture, rng: np.random.Generator) -> Picture:
        height, wide = rgb.shape[:2]
        longest = max(height, wide)
        y, x = np.mgrid[:height, :wide]
        x0, y0 = wide * rng.uniform(0.2, 0.8), height * rng.uniform(0.2, 0.8)
        angle = rng.uniform(0, np.pi)
        along = ((x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)) / (length * longest)
        across = ((y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)) / (width * longest)
        spot = np.clip(1.5 * np.exp(-((along**2 + across**2) ** 1.5) / 2), 0, 1)[..., None]
        return to_bytes(rgb * (1 - spot) + 255 * spot)

    return spoil


def washed(power: float) -> Spoil:
    """Too much light through a lens and a curve that spare the brightest tones."""
    return lambda rgb, rng: to_bytes(
        255 * (1 - (1 - rgb / 255) ** power) + rng.normal(0, 2, rgb.shape)
    )


SPOILT: dict[str, Spoil] = {
    "black": scaled(0.0),
    "dark_0.05": scaled(0.05),
    "blurred_1.5_percent": blurred(0.015),
    "blurred_3_percent": blurred(0.03),
    "blank_grey": plain(128),
    "blank_white": plain(250),
    "noise": noise,
    "covered_60_percent": covered(0.6),
    "covered_80_percent": covered(0.8),
    "covered_95_percent": covered(0.95),
    "covered_whole": finger,
    "too_bright_2.5": scaled(2.5),
    "too_bright_4": scaled(4.0),
    "glare_0.12": glare(0.12),
    "glare_0.18": glare(0.18),
    "glare_0.25": glare(0.25),
    "tube_0.3_0.12": tube(0.3, 0.12),
    "tube_0.4_0.2": tube(0.4, 0.2),
    "washed_5": washed(5.0),
}
