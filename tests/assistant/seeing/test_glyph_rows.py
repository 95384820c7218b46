"""Rows of large glyphs on drawn displays: where each figure stands is known from the drawing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.seeing.glyph_rows import glyph_rows, goes_on_beyond, stands_in_dots
from assistant.seeing.mended_boxes import mended
from tests.assistant.seeing.displays import TALL, box, display, dotted

NAME = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def around(places: Sequence[Any], by: float = 12) -> Any:
    edges = np.array(places)
    return box(*(edges[:, :2].min(axis=0) - by), *(edges[:, 2:].max(axis=0) + by))


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("figures", ["151", "148", "1110", "72", "111"])
def test_each_figure_of_a_display_is_one_glyph(figures: str, light: bool) -> None:
    bgr, places = display([figures], light=light)
    rows = glyph_rows(bgr)
    assert [len(row.glyphs) for row in rows] == [len(figures)]
    for glyph, (left, top, right, bottom) in zip(rows[0].glyphs, places[0], strict=True):
        assert np.abs(glyph.min(axis=0) - (left, top)).max() <= 4
        assert np.abs(glyph.max(axis=0) - (right, bottom)).max() <= 4


def test_a_display_in_the_dark_is_seen_too() -> None:
    for light in (False, True):
        dark = (display(["151"], light=light)[0] * 0.25).astype(np.uint8)
        assert [len(row.glyphs) for row in glyph_rows(dark)] == [3]


def test_rows_of_a_display_stay_apart() -> None:
    bgr, places = display(["151", "82", "74"])
    rows = sorted(glyph_rows(bgr), key=lambda row: float(row.box[0, 1]))
    assert [len(row.glyphs) for row in rows] == [3, 2, 2]
    for row, figures in zip(rows, places, strict=True):
        assert (row.box.min(axis=0) < np.array(figures)[:, :2].min(axis=0)).all()
        assert (row.box.max(axis=0) > np.array(figures)[:, 2:].max(axis=0)).all()


def test_rows_that_stand_close_are_not_taken_together_and_the_halves_of_a_1_are() -> None:
    bgr, places = display(["105", "185"], pitch=160, bare=7)
    rows = sorted(glyph_rows(bgr), key=lambda row: float(row.box[0, 1]))
    assert [len(row.glyphs) for row in rows] == [3, 3]
    for row, figures in zip(rows, places, strict=True):
        for glyph, place in zip(row.glyphs, figures, strict=True):
            assert np.abs(np.concatenate([glyph[0], glyph[2]]) - place).max() <= 4


def test_figures_of_segments_that_touch_are_of_segments_and_print_is_not() -> None:
    bgr, _ = display(["82"], bare=-5)
    assert [row.broken for row in glyph_rows(bgr)] == [True]
    image = Image.new("RGB", (600, 240), (190, 195, 190))
    font = ImageFont.truetype(NAME, 160)
    ImageDraw.Draw(image).text((60, 20), "247", font=font, fill=(40, 40, 45))
    assert [row.broken for row in glyph_rows(np.asarray(image))] == [False]


@pytest.mark.parametrize("cut", [slice(0, 2), slice(1, 3)])
def test_a_row_stands_for_the_box_that_leaves_its_end_out(cut: slice) -> None:
    bgr, places = display(["151"])
    label = box(450, 30, 560, 60)
    part = around(places[0][cut])
    found = mended([part, label], glyph_rows(bgr))
    assert [each is label for each in found.kept] == [True] and not found.missed
    ((row, parts),) = found.rows
    assert len(parts) == 1 and parts[0] is part and len(row.glyphs) == 3


def test_a_box_around_all_figures_stays_as_it_is() -> None:
    bgr, places = display(["151"])
    whole = around(places[0])
    found = mended([whole], glyph_rows(bgr))
    assert found.kept[0] is whole and not found.rows and not found.missed
    assert len(found.whole) == 1


def test_rows_stand_for_the_block_that_holds_them() -> None:
    bgr, places = display(["82", "74"])
    block = around([*places[0], *places[1]])
    found = mended([block], glyph_rows(bgr))
    assert not found.kept and [len(row.glyphs) for row, _ in found.rows] == [2, 2]


def test_a_row_that_no_box_touches_is_missed() -> None:
    bgr, places = display(["82", "74"])
    found = mended([around(places[0])], glyph_rows(bgr))
    assert len(found.kept) == 1 and len(found.missed) == 1
    assert abs(found.missed[0].box[:, 1].mean() - (40 + 180 + TALL / 2)) < 8


def test_pieces_of_a_date_in_dots_are_one_row() -> None:
    bgr, (left, top, right, bottom) = dotted("12.08.27")
    scraps = [box(x, top + 12, x + 26, top + 36) for x in range(int(left) + 5, int(right) - 30, 90)]
    found = mended(scraps, glyph_rows(bgr))
    assert not found.kept and len(found.rows) == 1
    row, parts = found.rows[0]
    assert len(parts) == len(scraps)
    assert row.box[0, 0] < left + 30 and row.box[1, 0] > right - 9


def test_small_print_makes_no_rows() -> None:
    image = Image.new("RGB", (1200, 800), (235, 235, 230))
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(NAME, 22)
    for line in range(18):
        draw.text((60, 40 + 38 * line), "opening hours of the museum 9 to 17", font=font, fill=0)
    assert glyph_rows(np.asarray(image)) == []
    assert glyph_rows(np.full((40, 60, 3), 128, np.uint8)) == []


def test_strokes_beside_a_row_are_seen() -> None:
    bgr, places = display(["151"])
    (whole,) = glyph_rows(bgr)
    assert not goes_on_beyond(bgr, whole)
    for cut in (slice(0, 2), slice(1, 3)):
        assert goes_on_beyond(bgr, replace(whole, glyphs=whole.glyphs[cut]))
    # A small unit beside the figures is none of them.
    bgr[90:125, 330:360] = (40, 40, 45)
    assert not goes_on_beyond(bgr, whole)


def test_a_piece_of_a_line_of_dots_is_known_and_a_cell_among_others_is_not() -> None:
    bgr, (left, top, _, bottom) = dotted("12.08.27")
    assert stands_in_dots(bgr, box(left + 40, top + 12, left + 70, top + 40))
    assert not stands_in_dots(bgr, box(0, top - 4, bgr.shape[1], bottom + 4))
    image = Image.new("RGB", (600, 300), (235, 235, 230))
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(NAME, 24)
    for at in range(48):
        x, y = 20 + 70 * (at % 8), 20 + 44 * (at // 8)
        draw.text((x, y), f"{11 + at}", font=font, fill=0)
    assert not stands_in_dots(np.asarray(image), box(228, 108, 262, 134))
