"""Letters set on a line, drawn onto the canvas, with a label for every patch they fall on."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.pocket.questions import CHARACTERS
from models.pocket.training.drawing.canvas import GRID, PATCH, SIZE, Floats

GLYPH_EM = 96  # pixels; glyphs are drawn once at this size and scaled down
PRINTABLE = CHARACTERS + CHARACTERS.lower()[:26]

Boxes = NDArray[np.float64]  # (characters, 4): left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character at GLYPH_EM pixels an em."""

    mask: Image.Image  # "L", just the ink
    left: float  # from the pen to the ink
    top: float  # from the baseline to the ink, negative upwards
    advance: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text set at GLYPH_EM; `scale` brings it to the picture's pixels."""

    text: str
    strip: Image.Image  # "L"
    boxes: Boxes  # of each character in the strip
    scale: float

    @property
    def width(self) -> float:
        """Pixels in the picture."""
        return self.strip.width * self.scale

    @property
    def height(self) -> float:
        """Pixels in the picture."""
        return self.strip.height * self.scale


@functools.lru_cache(maxsize=160)
def glyphs_of(path: Path) -> Mapping[str, Glyph]:
    """Draw all characters of a font once, large; every picture scales them down."""
    font = ImageFont.truetype(str(path), GLYPH_EM)
    return {letter: _draw_glyph(font, letter) for letter in PRINTABLE}


def _draw_glyph(font: ImageFont.FreeTypeFont, letter: str) -> Glyph:
    left, top, right, bottom = (int(edge) for edge in font.getbbox(letter, anchor="ls"))
    mask = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), letter, fill=255, font=font, anchor="ls")
    return Glyph(mask, left, top, font.getlength(letter))


def mean_advance(text: str, glyphs: Mapping[str, Glyph]) -> float:
    """Mean step from character to character, in ems."""
    return sum(glyphs[c].advance for c in text) / len(text) / GLYPH_EM


def set_line(
    text: str, glyphs: Mapping[str, Glyph], em: float, spacing: float, least_pitch: float
) -> Line:
    """Set characters side by side on one baseline.

    Args:
        em: font size in the picture's pixels.
        spacing: added between characters, in ems.
        least_pitch: picture pixels from character to character at least.
    """
    scale = em / GLYPH_EM
    pitch = [max(glyphs[c].advance + spacing * GLYPH_EM, least_pitch / scale) for c in text]
    top = math.floor(min(glyphs[c].top for c in text))
    bottom = math.ceil(max(glyphs[c].top + glyphs[c].mask.height for c in text))
    strip = Image.new("L", (math.ceil(sum(pitch)), bottom - top))
    boxes = np.empty((len(text), 4))
    least = (PATCH + 0.01) / scale
    pen = 0.0
    for index, (letter, cell) in enumerate(zip(text, pitch, strict=True)):
        glyph = glyphs[letter]
        width, height = glyph.mask.size
        x, y = round(pen + (cell - width) / 2), round(glyph.top - top)
        strip.paste(255, (x, y), glyph.mask)
        wide, high = max(width, least) / 2, max(height, least) / 2
        middle_x, middle_y = pen + cell / 2, y + height / 2
        left, right = max(middle_x - wide, pen), min(middle_x + wide, pen + cell)
        boxes[index] = left, middle_y - high, right, middle_y + high
        pen += cell
    return Line(text, strip, boxes, scale)


def print_line(
    line: Line, cover: Floats, labels: NDArray[np.int64], x: float, y: float, angle: float
) -> None:
    """Put a line's middle at (x, y), turned by `angle` radians.

    Args:
        cover: (SIZE, SIZE) of 0..1; the line's ink is added in place.
        labels: (GRID, GRID); patches whose centre lies in a character's box get its index in
            CHARACTERS plus one, whatever its case.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    half = (line.width * abs(sin) + line.height * cos) / 2 + 2
    first, last = max(0, math.floor(y - half)), min(SIZE, math.ceil(y + half))
    if first >= last:
        return
    double = (max(1, round(2 * line.width)), max(1, round(2 * line.height)))
    image = line.strip.resize(double, Image.Resampling.BOX)
    # From a pixel of the doubled picture back into the doubled strip.
    offset_x = double[0] / 2 - 2 * (cos * x + sin * (y - first))
    offset_y = double[1] / 2 - 2 * (cos * (y - first) - sin * x)
    image = image.transform(
        (2 * SIZE, 2 * (last - first)),
        Image.Transform.AFFINE,
        (cos, sin, offset_x, -sin, cos, offset_y),
        Image.Resampling.BILINEAR,
    )
    ink = np.asarray(image.reduce(2), np.float32) / np.float32(255)
    np.maximum(cover[first:last], ink, out=cover[first:last])
    centre = (np.arange(GRID) + 0.5) * PATCH
    across, down = centre[None, :] - x, centre[:, None] - y
    u = (cos * across + sin * down) / line.scale + line.strip.width / 2
    v = (cos * down - sin * across) / line.scale + line.strip.height / 2
    left, top, right, bottom = (edge[:, None, None] for edge in line.boxes.T)
    inside = (u >= left) & (u < right) & (v >= top) & (v < bottom)
    for letter, mine in zip(line.text.upper(), inside, strict=True):
        labels[mine] = CHARACTERS.index(letter) + 1
