"""Drawn displays and lines of dots, in which the place of each figure is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SEGMENTS = {
    "1": "bc", "2": "abged", "4": "fgbc", "5": "afgcd", "7": "abc", "8": "abcdefg", "0": "abcdef",
}  # fmt: skip
TALL, WIDE, THICK, PITCH = 120, 60, 14, 95


def display(
    rows: Sequence[str], *, light: bool = False, pitch: int = 180, bare: int = 5
) -> tuple[Any, list[list[Any]]]:
    """Figures of bare segments, BGR (H, W, 3), and the extent of each: left, top, right, bottom.

    pitch: pixels from row to row; bare: those that each end of an upright segment lacks, less than
    0 where segments touch.
    """
    image = Image.new(
        "RGB", (600, 60 + pitch * len(rows)), (20, 20, 20) if light else (190, 195, 190)
    )
    draw, places = ImageDraw.Draw(image), []
    for number, row in enumerate(rows):
        top = 40 + pitch * number
        places.append([])
        for at, figure in enumerate(row):
            left, half = 60 + PITCH * at, TALL // 2
            bars = {
                "a": (0, 0, WIDE, 0), "g": (0, half, WIDE, half), "d": (0, TALL, WIDE, TALL),
                "f": (0, 0, 0, half), "b": (WIDE, 0, WIDE, half),
                "e": (0, half, 0, TALL), "c": (WIDE, half, WIDE, TALL),
            }  # fmt: skip
            drawn = []
            for name in SEGMENTS[figure]:
                x0, y0, x1, y1 = bars[name]
                flat = y0 == y1
                x0, x1 = (
                    (x0 + 5 + bare, x1 - 5 - bare) if flat else (x0 - THICK // 2, x1 + THICK // 2)
                )
                y0, y1 = (y0 - THICK // 2, y1 + THICK // 2) if flat else (y0 + bare, y1 - bare)
                shape = (left + x0, top + y0, left + x1, top + y1)
                draw.rectangle(shape, fill=(80, 230, 110) if light else (40, 40, 45))
                drawn.append(shape)
            edges = np.array(drawn)
            places[-1].append((*edges[:, :2].min(axis=0), *edges[:, 2:].max(axis=0)))
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1]), places


def box(left: float, top: float, right: float, bottom: float) -> Any:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def dotted(text: str, pitch: int = 9) -> tuple[Any, Any]:
    """A line of dots as a needle printer leaves it, BGR (H, W, 3), and its extent."""
    font = ImageFont.load_default_imagefont()
    columns = int(font.getbbox(text)[2]) + 4
    small = Image.new("L", (columns, 12))
    ImageDraw.Draw(small).text((2, 0), text, font=font, fill=255)
    image = Image.new("RGB", (columns * pitch, 15 * pitch), (210, 210, 205))
    draw = ImageDraw.Draw(image)
    spots = np.argwhere(np.asarray(small) > 100)
    for y, x in spots:
        cx, cy, r = (x + 0.5) * pitch, (y + 2.5) * pitch, 0.38 * pitch
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=(45, 45, 55))
    (top, left), (bottom, right) = spots.min(axis=0), spots.max(axis=0) + 1
    extent = (left * pitch, (top + 2) * pitch, right * pitch, (bottom + 2) * pitch)
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1]), extent
