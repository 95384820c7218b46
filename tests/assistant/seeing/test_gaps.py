"""Figures that stand apart on drawn lines; the letters' places are known from the drawing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from assistant.seeing.gaps import read_apart
from assistant.seeing.text import TextLine

FONT = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 30)


def drawn(*rows: Sequence[str], gap_px: float) -> tuple[np.ndarray, list[TextLine], list[float]]:
    """A picture of rows of pieces, what was read of it with spaces, and where pieces begin."""
    image = Image.new("RGB", (900, 80 * len(rows)), (230, 228, 220))
    draw, lines, begins = ImageDraw.Draw(image), [], []
    for number, pieces in enumerate(rows):
        x, top = 20.0, 80.0 * number
        for piece in pieces:
            begins.append(x)
            draw.text((x, top + 20), piece, font=FONT, fill=(30, 30, 30))
            x += FONT.getlength(piece) + gap_px
        right = x - gap_px + 4
        box = ((16.0, top + 16), (right, top + 16), (right, top + 60), (16.0, top + 60))
        lines.append(TextLine(" ".join(pieces), box, 0.98))
    return np.asarray(image), lines, begins


def nothing(crops: Sequence[np.ndarray]) -> list[tuple[str, float]]:
    raise AssertionError("nothing needs to be read again")


TABLE = (["272234", "351019", "96.50"], ["918372", "203847", "10.25"], ["384756", "102938", "7.10"])


def test_cells_of_a_table_are_cut_where_the_paper_is_bare() -> None:
    rgb, lines, begins = drawn(*TABLE, gap_px=16)
    found = list(read_apart(rgb, lines, nothing))
    assert [each.text for each in found] == [cell for row in TABLE for cell in row]
    for each, begin in zip(found, begins, strict=True):
        left, right = each.box[0][0], each.box[1][0]
        assert begin - 24 < left < begin < right


def test_a_gap_of_two_figures_parts_a_single_line() -> None:
    rgb, lines, _ = drawn(["17", "2.50"], gap_px=40)
    assert [each.text for each in read_apart(rgb, lines, nothing)] == ["17", "2.50"]


def test_a_number_in_groups_and_a_sentence_stay_whole() -> None:
    for pieces, gap in ((["020", "7946", "0958"], 14), (["Room", "12", "opens", "at", "8"], 60)):
        rgb, lines, _ = drawn(pieces, gap_px=gap)
        assert list(read_apart(rgb, lines, nothing)) == lines


def test_figures_that_were_read_without_their_gap_are_read_again() -> None:
    rgb, (line,), begins = drawn(["1250", "3480"], gap_px=40)
    fused = replace(line, text="12503480", confidence=0.97)
    widths = []

    def again(crops: Sequence[np.ndarray]) -> list[tuple[str, float]]:
        widths.extend(crop.shape[1] for crop in crops)
        return [("1250", 0.99), ("3480", 0.8)]

    found = list(read_apart(rgb, [fused], again))
    assert [(each.text, each.confidence) for each in found] == [("1250", 0.97), ("3480", 0.8)]
    assert found[0].box[1][0] < begins[1] < found[1].box[1][0]
    assert len(widths) == 2 and min(widths) > 0.3 * sum(widths)


def test_what_cannot_be_read_again_stays() -> None:
    rgb, (line,), _ = drawn(["1250", "3480"], gap_px=40)
    fused = replace(line, text="12503480")
    assert list(read_apart(rgb, [fused], lambda crops: [("", 0.0)] * len(crops))) == [fused]


def test_the_edge_of_a_neighbour_is_no_figure_of_a_cell() -> None:
    rgb, (line,), begins = drawn(["5", "1140"], gap_px=40)
    seen = replace(line, text="1140")
    [found] = read_apart(rgb, [seen], lambda crops: [("5", 0.99), ("1140", 0.97)])
    assert found.text == "1140" and found.confidence == 0.97
    assert begins[0] + 10 < found.box[0][0] < begins[1]


def test_parts_that_say_something_else_than_the_whole_are_not_sure() -> None:
    rgb, (line,), _ = drawn(["1250", "3480"], gap_px=40)
    fused = replace(line, text="12503480")
    found = list(read_apart(rgb, [fused], lambda crops: [("1250", 0.99), ("3430", 0.99)]))
    assert [each.text for each in found] == ["1250", "3430"]
    assert not any(each.is_sure for each in found)


def test_a_point_printed_far_from_its_figures_parts_no_number() -> None:
    rgb, (line,), _ = drawn(["2", "00"], gap_px=40)  # the point is too faint to be ink
    whole = replace(line, text="2.00")
    assert list(read_apart(rgb, [whole], nothing)) == [whole]
    # Points that stand elsewhere keep no cells together.
    rgb, (line,), _ = drawn(["12.50", "7.30"], gap_px=40)
    fused = replace(line, text="12.507.30")
    found = read_apart(rgb, [fused], lambda crops: [("12.50", 0.99), ("7.30", 0.99)])
    assert [each.text for each in found] == ["12.50", "7.30"]
