"""What lies on a table beside the things that are asked about: lines, strips, checks, blobs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from models.pocket.training.drawing.canvas import SIZE, Floats, Rgb
from models.pocket.training.drawing.colours import any_rgb, oklab, towards

_CONTRAST = 0.2  # least distance from clutter to any object, in OKLab
_TRIES = 8
_LONG = 1.5 * SIZE  # of a strip that crosses the picture whichever way it is turned

Point = tuple[float, float]


def add_clutter(rng: random.Random, canvas: Floats, things: Sequence[Rgb]) -> None:
    """Paint one or two sorts of clutter onto the background in place, clear of these colours."""
    tints = [_tint(rng, canvas, things) for _ in range(rng.randint(1, 2))]
    for tint in filter(None, tints):
        image = Image.new("L", (SIZE, SIZE))
        rng.choice(_SORTS)(rng, image)
        if rng.random() < 0.3:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(1, 6)))
        cover = np.asarray(image, np.float32)[:, :, None] / np.float32(255)
        canvas += cover * (np.array(tint, np.float32) - canvas)


def _tint(rng: random.Random, canvas: Floats, things: Sequence[Rgb]) -> Rgb | None:
    """A colour near the background's that no object has; None where there is none."""
    middle = canvas[:: SIZE // 4, :: SIZE // 4].mean((0, 1))
    here = (float(middle[0]), float(middle[1]), float(middle[2]))
    tints = [towards(here, any_rgb(rng), rng.uniform(0.1, 0.5)) for _ in range(_TRIES)]
    if not things:
        return tints[0]
    steps = oklab(np.array(tints))[:, None] - oklab(np.array(things))
    good = np.flatnonzero(np.sqrt((steps**2).sum(-1)).min(1) >= _CONTRAST)
    return tints[int(good[0])] if good.size else None


def _lines(rng: random.Random, image: Image.Image) -> None:
    pen = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 5)):
        pen.line([_point(rng), _point(rng)], fill=255, width=rng.randint(1, 3))


def _strip(rng: random.Random, image: Image.Image) -> None:
    """A strip that crosses the picture, straight or slanting: an edge of a table, a shelf."""
    middle, width = rng.uniform(0, SIZE), rng.uniform(8, 50)
    slant = rng.uniform(-0.5, 0.5) if rng.random() < 0.5 else 0.0
    ends = [(-_LONG, middle - slant * _LONG), (_LONG, middle + slant * _LONG)]
    corners = [*ends, *((along, across + width) for along, across in reversed(ends))]
    if rng.random() < 0.5:
        corners = [(across, along) for along, across in corners]
    ImageDraw.Draw(image).polygon(corners, fill=255)


def _checks(rng: random.Random, image: Image.Image) -> None:
    pen, side = ImageDraw.Draw(image), rng.randint(12, 40)
    for row, top in enumerate(range(0, SIZE, side)):
        for left in range(side * (row % 2), SIZE, 2 * side):
            pen.rectangle([left, top, left + side - 1, top + side - 1], fill=255)


def _stripes(rng: random.Random, image: Image.Image) -> None:
    pen, step = ImageDraw.Draw(image), rng.randint(8, 32)
    upright = rng.random() < 0.5
    for start in range(0, SIZE, step):
        end = start + step // 2 - 1
        pen.rectangle([start, 0, end, SIZE] if upright else [0, start, SIZE, end], fill=255)


def _blobs(rng: random.Random, image: Image.Image) -> None:
    """Large soft patches of shadow or light, too large and too dim for an object."""
    pen = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 3)):
        x, y = _point(rng)
        wide, high = rng.uniform(35, 80), rng.uniform(35, 80)
        pen.ellipse([x - wide, y - high, x + wide, y + high], fill=rng.randint(60, 160))
    image.paste(image.filter(ImageFilter.GaussianBlur(rng.uniform(10, 20))))


def _point(rng: random.Random) -> Point:
    return rng.uniform(0, SIZE), rng.uniform(0, SIZE)


_SORTS: tuple[Callable[[random.Random, Image.Image], None], ...] = (
    _lines,
    _strip,
    _checks,
    _stripes,
    _blobs,
)
