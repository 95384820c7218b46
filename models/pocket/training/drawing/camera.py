"""What lies behind the things of a picture and what a camera adds: light, blur, noise, JPEG."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from models.pocket.training.drawing.canvas import SIZE, Floats, Rgb, ramp, to_bytes
from models.pocket.training.drawing.colours import contrasting_pair


def background(
    rng: random.Random,
    noise: np.random.Generator,
    things: Sequence[Rgb],
    difficulty: float,
    as_word: bool = False,
) -> Floats:
    """Paint (SIZE, SIZE, 3): plain, a gradient or a texture, in contrast to `things`."""
    first, second = contrasting_pair(rng, things, as_word)
    canvas = np.empty((SIZE, SIZE, 3), np.float32)
    canvas[:] = first
    draw = rng.random()
    if draw < 0.35:
        step = np.array(second, np.float32) - np.array(first, np.float32)
        canvas += ramp(rng)[:, :, None] * step
    elif draw < 0.35 + 0.4 * difficulty:
        canvas += texture(rng, noise, rng.uniform(0.01, 0.05))[:, :, None]
    return canvas


def texture(rng: random.Random, noise: np.random.Generator, amplitude: float) -> Floats:
    """Soft spots or stripes (SIZE, SIZE) around 0."""
    across, down = rng.choice(((6, 6), (16, 16), (32, 32), (40, 3), (3, 40)))
    coarse = noise.standard_normal((down, across), np.float32)
    image = Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32) * np.float32(amplitude)


def photograph(
    rng: random.Random, noise: np.random.Generator, canvas: Floats, difficulty: float
) -> NDArray[np.uint8]:
    """Add what a camera adds: uneven light, a little blur and noise, rarely JPEG blocks."""
    if rng.random() < 0.5:
        low = 1 - rng.uniform(0, 0.15) * difficulty
        canvas = canvas * (low + (1 - low) * ramp(rng))[:, :, None]
    sigma = rng.uniform(0, 7) * difficulty
    if sigma > 0.5:
        canvas = canvas + grain(rng, noise, sigma / 255)
    image = Image.fromarray(to_bytes(canvas))
    if rng.random() < 0.3 * difficulty:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7)))
    if rng.random() < 0.08 * difficulty:
        image = through_jpeg(image, rng.randint(45, 85))
    return np.array(image)


def grain(rng: random.Random, noise: np.random.Generator, sigma: float) -> Floats:
    """Noise of a sensor, the same in all channels or one for each."""
    channels = rng.choice((1, 3))
    return noise.standard_normal((SIZE, SIZE, channels), np.float32) * np.float32(sigma)


def through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")
