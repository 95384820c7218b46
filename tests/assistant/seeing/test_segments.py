"""Figures of segments on drawn displays: which segments are drawn is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.seeing.segments import figures_of

NAME = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
LIT = {
    "0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd",
    "6": "afgedc", "7": "abc", "8": "abcdefg", "9": "abcdfg", "H": "bcefg",
}  # fmt: skip
TALL, WIDE = 150, 76


def box(left: float, top: float, right: float, bottom: float) -> Any:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def row(
    text: str,
    *,
    thick: int = 18,
    gap: int = 5,
    lean: float = 0.0,
    faint: int = 0,
    light: bool = False,
) -> tuple[Any, list[Any]]:
    """Figures and points of bars, BGR (H, W, 3), and the extent of each figure.

    faint: how much darker than the ground the other segments are, in levels.
    """
    image = Image.new("L", (140 * len(text) + 120, 290), 190)
    draw, places, left, top = ImageDraw.Draw(image), [], 80, 70
    for character in text:
        if character in ".:":
            for y in (TALL,) if character == "." else (50, TALL - 30):
                x = left - 8 + lean * (TALL / 2 - y)
                draw.rectangle((x, top + y - thick / 2, x + thick, top + y + thick / 2), fill=40)
            left += thick + 14
            continue
        half, drawn = TALL // 2, []
        bars = {
            "a": (0, 0, WIDE, 0), "g": (0, half, WIDE, half), "d": (0, TALL, WIDE, TALL),
            "f": (0, 0, 0, half), "b": (WIDE, 0, WIDE, half),
            "e": (0, half, 0, TALL), "c": (WIDE, half, WIDE, TALL),
        }  # fmt: skip
        for name, (x0, y0, x1, y1) in bars.items():
            lit = name in LIT[character]
            across, down = (gap, -thick / 2) if y0 == y1 else (-thick / 2, gap)
            corners = [
                (left + x + lean * (half - y), top + y)
                for x, y in (
                    (x0 + across, y0 + down), (x1 - across, y0 + down),
                    (x1 - across, y1 - down), (x0 + across, y1 - down),
                )
            ]  # fmt: skip
            if lit or faint:
                draw.polygon(corners, fill=40 if lit else 190 - faint)
            drawn += corners if lit else []
        edges = np.array(drawn)
        places.append(box(*edges.min(axis=0), *edges.max(axis=0)))
        left += WIDE + 60
    levels = np.asarray(image)
    return np.stack([255 - levels if light else levels] * 3, axis=-1), places


@pytest.mark.parametrize("text", ["0123", "456", "789", "105", "111", "36.5", "12:47", "1.1"])
@pytest.mark.parametrize("lean", [0.0, 0.15])
def test_figures_are_told_by_their_segments(text: str, lean: float) -> None:
    bgr, glyphs = row(text, lean=lean)
    assert figures_of(bgr, glyphs) == text.replace(":", ".")


@pytest.mark.parametrize(
    "drawn", [{"gap": 0}, {"thick": 26}, {"light": True}, {"faint": 20}, {"thick": 12, "gap": 9}]
)
def test_segments_may_touch_shine_or_leave_a_shade_where_they_are_off(drawn: Any) -> None:
    bgr, glyphs = row("2580", **drawn)
    assert figures_of(bgr, glyphs) == "2580"


def test_a_display_may_be_a_little_askew() -> None:
    bgr, _ = row("1482")
    turned = Image.fromarray(bgr).rotate(4, fillcolor=(190, 190, 190))
    inked = np.argwhere(np.asarray(turned)[:, :, 0] < 100)
    (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0)
    assert figures_of(np.asarray(turned), [box(left, top, right, bottom)]) == "1482"


def test_glyphs_whose_upper_and_lower_strokes_were_left_out_are_seen_whole() -> None:
    bgr, glyphs = row("78")
    inner = [box(*(each[0] + (0, 22)), *(each[2] - (0, 22))) for each in glyphs]
    assert figures_of(bgr, inner) == "78"
    # Of the 7 only its upright strokes were seen as a glyph.
    inner[0] = box(*(inner[0][1] - (22, 0)), *inner[0][2])
    assert figures_of(bgr, inner) == "78"


def test_a_row_close_above_is_left_out() -> None:
    bgr, glyphs = row("63")
    bgr[:38, 60:300] = 40
    assert figures_of(bgr, glyphs) == "63"


def print_of(text: str) -> tuple[Any, Sequence[Any]]:
    image = Image.new("RGB", (900, 260), (230, 230, 230))
    font = ImageFont.truetype(NAME, 170)
    draw = ImageDraw.Draw(image)
    draw.text((40, 20), text, font=font, fill=(30, 30, 30))
    return np.asarray(image), [box(*draw.textbbox((40, 20), text, font=font))]


@pytest.mark.parametrize("text", ["247", "49", "Exit", "MASK"])
def test_print_is_no_figures_of_segments(text: str) -> None:
    assert figures_of(*print_of(text)) == ""


def test_what_is_no_figure_or_only_half_seen_is_told_as_nothing() -> None:
    assert figures_of(*row("1H2")) == ""
    bgr, glyphs = row("88")
    bgr[95:125, :130] = 190  # a bright spot lies over half of a stroke
    assert figures_of(bgr, glyphs) == ""
    assert figures_of(np.full((200, 300, 3), 127, np.uint8), [box(40, 40, 200, 160)]) == ""
