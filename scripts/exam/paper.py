"""Draw a document of the exam on paper: fonts, colours and layout, without any camera."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exam.documents import Document, Print, parse_print
from PIL import Image, ImageDraw, ImageFont

FONTS = Path("/usr/share/fonts")
Colour = tuple[int, int, int]

SIZES = (0.8, 1.0, 1.3, 1.75)
"""Of small print, plain print and the two headings, in parts of the style's size."""

LONGEST = 4000
"""Pixels of the tallest paper, before what is empty is cut off."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one sort of print looks: font files (plain, bold), sizes in pixels, colours."""

    plain: str
    bold: str
    size: int
    width: int
    paper: Colour = (252, 252, 250)
    ink: Colour = (25, 25, 28)
    margin: int = 48
    leading: float = 1.42
    strip: int = 0
    """Height in pixels of a bar in the ink's colour along the upper and the lower edge."""


_LIBERATION = "truetype/liberation/Liberation"
_DEJAVU = "truetype/dejavu/DejaVu"
STYLES = {
    "thermal": Style(
        _LIBERATION + "Mono-Regular.ttf", _LIBERATION + "Mono-Bold.ttf", 26, 640, (247, 247, 246)
    ),
    "thermal2": Style(
        _DEJAVU + "SansMono.ttf", _DEJAVU + "SansMono-Bold.ttf", 24, 620, (244, 243, 240)
    ),
    "till": Style(
        _LIBERATION + "SansNarrow-Regular.ttf",
        _LIBERATION + "SansNarrow-Bold.ttf",
        30,
        600,
        (250, 248, 244),
    ),
    "receipt": Style(
        _LIBERATION + "Sans-Regular.ttf", _LIBERATION + "Sans-Bold.ttf", 27, 660, (250, 250, 250)
    ),
    "letter": Style(
        _LIBERATION + "Serif-Regular.ttf",
        _LIBERATION + "Serif-Bold.ttf",
        32,
        1180,
        (253, 252, 247),
        margin=90,
    ),
    "office": Style(
        "truetype/crosextra/Carlito-Regular.ttf",
        "truetype/crosextra/Carlito-Bold.ttf",
        34,
        1180,
        margin=85,
    ),
    "bill": Style(
        "truetype/lato/Lato-Regular.ttf",
        "truetype/lato/Lato-Bold.ttf",
        29,
        1120,
        margin=70,
        ink=(20, 30, 50),
    ),
    "pack": Style(
        "truetype/open-sans/OpenSans-Regular.ttf",
        "truetype/open-sans/OpenSans-Bold.ttf",
        29,
        940,
        (240, 232, 205),
        (40, 28, 20),
        strip=26,
    ),
    "pack_blue": Style(
        "truetype/lato/Lato-Medium.ttf",
        "truetype/lato/Lato-Black.ttf",
        30,
        940,
        (222, 234, 246),
        (12, 34, 84),
        strip=26,
    ),
    "pack_green": Style(
        _DEJAVU + "Sans.ttf",
        _DEJAVU + "Sans-Bold.ttf",
        26,
        940,
        (226, 240, 222),
        (16, 60, 32),
        strip=26,
    ),
    "pack_dark": Style(
        "truetype/open-sans/OpenSans-Semibold.ttf",
        "truetype/open-sans/OpenSans-Bold.ttf",
        29,
        900,
        (92, 28, 36),
        (250, 244, 232),
        strip=26,
    ),
    "box": Style(
        _LIBERATION + "Sans-Regular.ttf",
        _LIBERATION + "Sans-Bold.ttf",
        29,
        960,
        (250, 252, 255),
        (8, 48, 96),
        strip=26,
    ),
    "leaflet": Style(
        _LIBERATION + "Sans-Regular.ttf", _LIBERATION + "Sans-Bold.ttf", 27, 920, margin=56
    ),
    "menu": Style(
        "opentype/urw-base35/P052-Roman.otf",
        "opentype/urw-base35/P052-Bold.otf",
        34,
        900,
        (250, 244, 228),
        (60, 30, 16),
        margin=70,
    ),
    "board": Style(
        _DEJAVU + "Sans.ttf", _DEJAVU + "Sans-Bold.ttf", 30, 1000, (28, 32, 40), (250, 214, 90)
    ),
    "sign": Style(
        _LIBERATION + "Sans-Bold.ttf",
        _LIBERATION + "Sans-Bold.ttf",
        48,
        820,
        (250, 250, 250),
        (170, 16, 24),
        margin=60,
    ),
    "sign_blue": Style(
        _DEJAVU + "Sans.ttf",
        _DEJAVU + "Sans-Bold.ttf",
        42,
        860,
        (16, 62, 140),
        (250, 250, 250),
        margin=60,
    ),
    "sign_green": Style(
        "truetype/lato/Lato-Bold.ttf",
        "truetype/lato/Lato-Black.ttf",
        46,
        820,
        (10, 96, 60),
        (252, 252, 252),
        margin=60,
    ),
    "card": Style(
        "truetype/lato/Lato-Regular.ttf",
        "truetype/lato/Lato-Bold.ttf",
        31,
        900,
        (255, 255, 255),
        (40, 44, 52),
        margin=60,
    ),
    "plate": Style(
        _LIBERATION + "SansNarrow-Bold.ttf",
        _LIBERATION + "SansNarrow-Bold.ttf",
        36,
        840,
        (196, 198, 200),
        (24, 24, 26),
    ),
    "ticket": Style(
        _DEJAVU + "SansMono.ttf", _DEJAVU + "SansMono-Bold.ttf", 27, 1020, (244, 238, 214)
    ),
    "page": Style(
        "opentype/urw-base35/C059-Roman.otf",
        "opentype/urw-base35/C059-Bold.otf",
        33,
        1020,
        (248, 243, 230),
        margin=90,
    ),
    "hand": Style(
        "opentype/urw-base35/Z003-MediumItalic.otf",
        "opentype/urw-base35/Z003-MediumItalic.otf",
        46,
        1020,
        (250, 248, 240),
        (24, 36, 96),
        margin=80,
    ),
}


@functools.cache
def font_of(name: str, pixels: int) -> ImageFont.FreeTypeFont:
    """A font of the folder of system fonts.

    Raises:
        OSError: it is not installed; scripts/setup --test installs it.
    """
    return ImageFont.truetype(str(FONTS / name), pixels)


@dataclass(slots=True)
class _Pen:
    """Where the next line goes and how it looks."""

    style: Style
    left: int
    right: int
    y: int
    bold: bool = False
    size: float = 1.0
    width: float = 1.0
    ink: Colour = (0, 0, 0)
    band: Colour | None = None
    columns: list[tuple[float, str]] = field(default_factory=list)


def draw_paper(document: Document) -> Image.Image:
    """The sheet, upright and evenly lit.

    Raises:
        KeyError: no such style.
        OSError: a font is not installed.
        ValueError: a mark that does not exist, or text that runs out of its place.
    """
    style = STYLES[document.style]
    sheet = Image.new("RGB", (style.width, LONGEST), style.paper)
    draw = ImageDraw.Draw(sheet)
    pen = _Pen(style, style.margin, style.width - style.margin, style.margin, ink=style.ink)
    frame_top = split_top = left_bottom = 0
    for line in document.lines:
        if not line.startswith("!"):
            _draw_line(draw, pen, line, document.name)
            continue
        mark, _, rest = line[1:].partition(" ")
        if mark == "box":
            frame_top = pen.y
            pen.left, pen.right, pen.y = pen.left + 20, pen.right - 20, pen.y + 14
        elif mark == "endbox":
            pen.left, pen.right, pen.y = pen.left - 20, pen.right + 20, pen.y + 14
            draw.rectangle((pen.left, frame_top, pen.right, pen.y), outline=pen.ink, width=3)
            pen.y += 16
        elif mark == "bars":
            _bars(draw, pen, document.name)
        elif mark == "split":
            split_top = pen.y
            pen.right = style.width // 2 - 24
        elif mark == "next":
            left_bottom, pen.y = pen.y, split_top
            pen.left, pen.right = style.width // 2 + 24, style.width - style.margin
        elif mark == "end":
            pen.y = max(pen.y, left_bottom)
            pen.left, pen.right = style.margin, style.width - style.margin
        else:
            _set(pen, mark, rest)
    height = min(LONGEST, pen.y + style.margin)
    if style.strip:
        draw.rectangle((0, 0, style.width, style.strip), fill=style.ink)
        draw.rectangle((0, height - style.strip, style.width, height), fill=style.ink)
    return sheet.crop((0, 0, style.width, height))


def _bars(draw: ImageDraw.ImageDraw, pen: _Pen, name: str) -> None:
    """Bars as wide as those of a barcode; no reader makes a number of them."""
    chance = random.Random(name)
    x, end = (pen.left * 3 + pen.right) // 4, (pen.left + pen.right * 3) // 4
    pen.y += 12
    while x < end:
        thick = chance.choice((2, 2, 4, 6))
        draw.rectangle((x, pen.y, x + thick - 1, pen.y + 64), fill=pen.ink)
        x += thick + chance.choice((2, 2, 4, 6))
    pen.y += 80


def _set(pen: _Pen, mark: str, rest: str) -> None:
    if mark in ("bold", "plain"):
        pen.bold = mark == "bold"
    elif mark == "size":
        pen.size = float(rest)
    elif mark == "width":
        pen.width = float(rest) / 100
    elif mark == "ink":
        pen.ink = _colour(rest)
    elif mark == "band":
        pen.band = _colour(rest)
    elif mark == "cols":
        pen.columns = [
            (float(word.rstrip("rc")) / 100, word[-1] if word[-1] in "rc" else "l")
            for word in rest.split()
        ]
    else:
        raise ValueError(f"!{mark}: there is no such mark")


def _colour(text: str) -> Colour:
    red, green, blue = (int(part) for part in text.split(","))
    return red, green, blue


def _draw_line(draw: ImageDraw.ImageDraw, pen: _Pen, line: str, name: str) -> None:
    if not line.strip():
        pen.y += round(pen.style.size * pen.size * 0.7)
        return
    if line == "---":
        draw.line((pen.left, pen.y + 8, pen.right, pen.y + 8), fill=pen.ink, width=2)
        pen.y += 20
        return
    shown = parse_print(line)
    pixels = round(pen.style.size * pen.size * SIZES[shown.level])
    font = font_of(pen.style.bold if pen.bold or shown.level > 1 else pen.style.plain, pixels)
    step = round(pixels * pen.style.leading)
    if len(shown.cells) == 1:
        for part in _wrapped(shown.cells[0], font, (pen.right - pen.left) * pen.width):
            _band(draw, pen, step)
            _put(draw, pen, part, _anchor(pen, shown.place), font)
            pen.y += step
        pen.band = None
        return
    _band(draw, pen, step)
    ends = 0.0
    for cell, (x, side) in zip(shown.cells, _places(pen, shown, name), strict=True):
        if cell:
            box = _put(draw, pen, cell, (x, side), font)
            if box[0] < ends + 4 or box[2] > pen.right + 6:
                raise ValueError(f"{name}: no room for {cell!r} in {line!r}")
            ends = box[2]
    pen.band = None
    pen.y += step


def _places(pen: _Pen, shown: Print, name: str) -> list[tuple[float, str]]:
    if shown.ends:
        return [(pen.left, "l"), (pen.right, "r")]
    if len(shown.cells) > len(pen.columns):
        raise ValueError(f"{name}: {shown.cells} has more cells than there are columns")
    wide = pen.right - pen.left
    return [(pen.left + part * wide, side) for part, side in pen.columns[: len(shown.cells)]]


def _anchor(pen: _Pen, place: str) -> tuple[float, str]:
    if place == "centre":
        return (pen.left + pen.right) / 2, "c"
    return (pen.right, "r") if place == "right" else (pen.left, "l")


def _put(
    draw: ImageDraw.ImageDraw,
    pen: _Pen,
    text: str,
    where: tuple[float, str],
    font: ImageFont.FreeTypeFont,
) -> tuple[float, float, float, float]:
    x, side = where
    anchor = {"l": "la", "r": "ra", "c": "ma"}[side]
    draw.text((x, pen.y), text, fill=pen.ink, font=font, anchor=anchor)
    return draw.textbbox((x, pen.y), text, font=font, anchor=anchor)


def _band(draw: ImageDraw.ImageDraw, pen: _Pen, step: int) -> None:
    if pen.band is not None:
        draw.rectangle((pen.left - 16, pen.y - 6, pen.right + 16, pen.y + step - 4), fill=pen.band)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: float) -> Sequence[str]:
    """Lines that fit; a word that is longer than a line is not cut."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
