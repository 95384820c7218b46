"""A flat printed sheet: text in real fonts with real spacing, and where each character lies.

Sheets are drawn at RESOLUTION times the picture's scale; `placing` photographs them.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.pocket.questions import CHARACTERS, SHAPES
from models.pocket.training.drawing.canvas import Rgb
from models.pocket.training.drawing.objects import outlines

RESOLUTION = 2  # sheet pixels to a picture pixel
_MEASURED_EM = 96  # pixels; widths are measured once at this size


@dataclass(frozen=True, slots=True)
class Character:
    """A printed character: its index in CHARACTERS and its ink's box.

    left, top, right, bottom: in sheet pixels.
    cell_left, cell_right: from the pen's place before it to the one after it; neighbours' cells
        do not overlap.
    """

    index: int
    left: float
    top: float
    right: float
    bottom: float
    cell_left: float
    cell_right: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """An object on a sheet: `shape` and `colour` index SHAPES and COLOURS.

    mask: "L", what it covers; left, top: the mask's corner in sheet pixels.
    """

    shape: int
    colour: int
    mask: Image.Image
    left: int
    top: int


@dataclass(slots=True)
class Sheet:
    """What is printed.

    image: "RGB", paper and all; or "L", ink alone that goes onto whatever lies behind, in `ink`.
    """

    image: Image.Image
    ink: Rgb = (0.0, 0.0, 0.0)
    characters: list[Character] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)

    @property
    def width(self) -> float:
        """Picture pixels."""
        return self.image.width / RESOLUTION

    @property
    def height(self) -> float:
        """Picture pixels."""
        return self.image.height / RESOLUTION


@dataclass(frozen=True, slots=True)
class Style:
    """A font at a size. em: picture pixels; spacing: added after every character, in ems."""

    path: Path
    em: float
    spacing: float = 0.0

    @property
    def font(self) -> ImageFont.FreeTypeFont:
        return load_font(self.path, max(8, round(self.em * RESOLUTION)))

    def width(self, text: str) -> float:
        """Picture pixels from the first character's left to the last one's right."""
        return width_in_ems(self.path, text, self.spacing) * self.em

    @property
    def capital_height(self) -> float:
        """Picture pixels from the baseline to the top of an H."""
        return -load_font(self.path, _MEASURED_EM).getbbox("H", anchor="ls")[1] * (
            self.em / _MEASURED_EM
        )


@functools.lru_cache(maxsize=512)
def load_font(path: Path, pixels: int) -> ImageFont.FreeTypeFont:
    # Basic layout: the same advance and kerning wherever Raqm is or is not installed.
    return ImageFont.truetype(str(path), pixels, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=4096)
def _advance(path: Path, text: str) -> float:
    return float(load_font(path, _MEASURED_EM).getlength(text))


def width_in_ems(path: Path, text: str, spacing: float = 0.0) -> float:
    return _advance(path, text) / _MEASURED_EM + spacing * max(0, len(text) - 1)


def ink_sheet(width: float, height: float, ink: Rgb) -> Sheet:
    """An empty sheet of ink alone; width and height in picture pixels."""
    return Sheet(Image.new("L", _pixels(width, height)), ink)


def paper_sheet(width: float, height: float, paper: Rgb) -> Sheet:
    """An empty sheet of paper; width and height in picture pixels."""
    return Sheet(Image.new("RGB", _pixels(width, height), to_pillow(paper)))


def _pixels(width: float, height: float) -> tuple[int, int]:
    return max(2, round(width * RESOLUTION)), max(2, round(height * RESOLUTION))


def to_pillow(rgb: Rgb) -> tuple[int, int, int]:
    red, green, blue = (round(255 * min(1.0, max(0.0, value))) for value in rgb)
    return red, green, blue


def write(
    sheet: Sheet, text: str, style: Style, x: float, y: float, ink: Rgb | None = None
) -> float:
    """Print a line and note its characters.

    Args:
        x, y: of the first character's origin on the baseline, in picture pixels.
        ink: a colour on a paper sheet; None on a sheet of ink alone.

    Returns:
        Where the line ends, in picture pixels.
    """
    font = style.font
    pen = ImageDraw.Draw(sheet.image)
    fill = 255 if ink is None else to_pillow(ink)
    left, base = x * RESOLUTION, y * RESOLUTION
    extra = style.spacing * style.em * RESOLUTION
    starts = _pen_places(font, text, extra)
    if extra:
        for letter, start in zip(text, starts, strict=False):
            pen.text((left + start, base), letter, fill=fill, font=font, anchor="ls")
    else:
        pen.text((left, base), text, fill=fill, font=font, anchor="ls")
    for place, letter in enumerate(text.upper()):
        index = CHARACTERS.find(letter)
        if index < 0:
            continue
        box = font.getbbox(text[place], anchor="ls")
        cell = left + starts[place], left + starts[place + 1]
        sheet.characters.append(
            Character(
                index,
                cell[0] + box[0],
                base + box[1],
                cell[0] + box[2],
                base + box[3],
                *cell,
            )
        )
    return (left + starts[-1] - extra) / RESOLUTION


def _pen_places(font: ImageFont.FreeTypeFont, text: str, extra: float) -> list[float]:
    """Where the pen is before each character and after the last, in sheet pixels."""
    places = [0.0]
    for index in range(len(text)):
        places.append(float(font.getlength(text[: index + 1])) + extra * (index + 1))
    return places


def draw_object(
    sheet: Sheet, shape: int, colour: int, rgb: Rgb, x: float, y: float, radius: float, angle: float
) -> None:
    """Draw an object of SHAPES on a paper sheet; lengths in picture pixels, angle in radians."""
    left, top = round((x - radius) * RESOLUTION), round((y - radius) * RESOLUTION)
    size = max(2, round(2 * radius * RESOLUTION))
    mask = Image.new("L", (size, size))
    pen = ImageDraw.Draw(mask)
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    for part, is_ink in outlines()[SHAPES[shape]].parts:
        points = (part @ turn + 1) * (size / 2)
        pen.polygon(points.ravel().tolist(), fill=255 if is_ink else 0)
    sheet.image.paste(to_pillow(rgb), (left, top), mask)
    sheet.drawings.append(Drawing(shape, colour, mask, left, top))
