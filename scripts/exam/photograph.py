"""Photograph a sheet as a person would: not quite straight, in uneven light, as a JPEG."""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image, ImageFilter

DESKS = ((96, 74, 54), (70, 76, 84), (126, 120, 112), (52, 60, 58), (150, 132, 108))
MARGIN = 60
"""Pixels of the desk that are seen around the sheet."""

TILT_DEGREES = 2.0
PERSPECTIVE = 0.018
"""How far a corner moves at most, in parts of the picture's side."""

DARKEST = 0.72
"""How bright the dark side of a sheet is, in parts of the bright one."""

GRAIN = 3.0
"""Standard deviation of the sensor's noise, in levels of 255."""


def photograph(sheet: Image.Image, name: str) -> bytes:
    """A JPEG of a sheet; the same name gives the same bytes."""
    chance = np.random.default_rng(zlib.crc32(name.encode()))
    desk = DESKS[int(chance.integers(len(DESKS)))]
    width, height = sheet.width + 2 * MARGIN, sheet.height + 2 * MARGIN
    seen = Image.new("RGB", (width, height), desk)
    seen.paste(sheet, (MARGIN, MARGIN))
    seen = seen.transform(
        (width, height),
        Image.Transform.PERSPECTIVE,
        _perspective(width, height, chance),
        Image.Resampling.BICUBIC,
        fillcolor=desk,
    )
    tilt = float(chance.uniform(-TILT_DEGREES, TILT_DEGREES))
    seen = seen.rotate(tilt, Image.Resampling.BICUBIC, fillcolor=desk)
    seen = seen.filter(ImageFilter.GaussianBlur(float(chance.uniform(0.2, 0.7))))
    lit = np.asarray(seen, np.float32) * _light(width, height, chance)
    lit += chance.normal(0.0, GRAIN, lit.shape).astype(np.float32)
    stored = io.BytesIO()
    quality = int(chance.integers(72, 93))
    Image.fromarray(lit.clip(0, 255).astype(np.uint8)).save(stored, "JPEG", quality=quality)
    return stored.getvalue()


def _light(width: int, height: int, chance: np.random.Generator) -> np.ndarray:
    """How much light falls on each pixel (H, W, 1), with a warm or cold cast (H, W, 3)."""
    angle = float(chance.uniform(0, 2 * np.pi))
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    along = np.cos(angle) * (across / width - 0.5) + np.sin(angle) * (down / height - 0.5)
    along = (along - along.min()) / (along.max() - along.min())
    darkest = float(chance.uniform(DARKEST, 1.0))
    cast = 1.0 + chance.uniform(-0.05, 0.02, 3).astype(np.float32)
    return (darkest + (1.0 - darkest) * along)[..., None] * cast


def _perspective(width: int, height: int, chance: np.random.Generator) -> list[float]:
    """The eight numbers of PIL's transform that pulls the corners a little."""
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    pulled = corners + chance.uniform(-PERSPECTIVE, PERSPECTIVE, (4, 2)) * (width, height)
    rows, right = [], []
    for (x, y), (u, v) in zip(corners, pulled, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        right += [u, v]
    return [float(number) for number in np.linalg.solve(np.array(rows), np.array(right))]
