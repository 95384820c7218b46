"""Reflections over drawn pages: what they touch is not sure, what lies beside them is."""

import numpy as np

from assistant.seeing.hidden import Reflections, is_legible, reflection
from assistant.seeing.text import TextLine, TextPart


def lit(x0: float, y0: float, spread: float) -> np.ndarray:
    y, x = np.mgrid[:600, :1000]
    spot = np.clip(1.8 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * spread**2)), 0, 1)
    page = 180 * (1 - spot) + 255 * spot
    for top in range(40, 560, 60):
        page[top : top + 4, 40:960:9] -= 120 * (1 - spot[top : top + 4, 40:960:9])
    return np.repeat(page[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)


def line(x: float, y: float, width: float, text: str = "some words here") -> TextLine:
    return TextLine(text, ((x, y), (x + width, y), (x + width, y + 30), (x, y + 30)), 0.98)


def test_lines_that_end_in_a_reflection_are_not_sure() -> None:
    spot = reflection(lit(500, 300, 110))
    assert spot is not None
    left, top, right, bottom = spot.box
    assert 300 < left < 450 and 550 < right < 700 and 100 < top < 250 and 350 < bottom < 500
    through, up_to, above = line(100, 290, 800), line(40, 290, left - 55), line(40, 30, 900)
    assert [each.is_sure for each in spot.doubted([through, up_to, above])] == [False, False, True]


def test_a_page_without_a_reflection_has_none() -> None:
    assert reflection(lit(-900, -900, 10)) is None


def test_legible_is_what_holds_some_words_that_are_sure() -> None:
    assert is_legible([line(0, 0, 300)])
    assert not is_legible([line(0, 0, 300, "ab 12")])
    unsure = TextLine("a long line of many letters", line(0, 0, 9).box, 0.6)
    assert not is_legible([unsure])


def test_a_small_reflection_is_told_with_the_last_part_of_a_text_that_it_touches() -> None:
    # Too small for the quality gate.
    rgb = lit(500, 300, 45)
    assert reflection(rgb) is None
    lights = Reflections(rgb)
    up_to, above = line(40, 290, 390), line(40, 30, 900)
    first = lights.judged(TextPart((above, up_to), 3))
    assert [each.is_sure for each in first.lines] == [True, False] and first.unread == ()
    last = lights.judged(TextPart((), 0))
    [place] = last.unread
    left, top, right, bottom = place.box
    assert 430 < left < 470 and 530 < right < 570 and 230 < top < 270 and 330 < bottom < 370


def test_a_reflection_beside_all_text_hides_none_and_bright_paper_is_none() -> None:
    rgb = lit(500, 300, 45)
    apart = Reflections(rgb).judged(TextPart((line(40, 30, 900), line(40, 530, 900)), 0))
    assert all(each.is_sure for each in apart.lines) and apart.unread == ()
    # Where a line is read in its midst, nothing is hidden.
    within = TextLine("burnt", ((465, 290), (535, 290), (535, 310), (465, 310)), 0.98)
    read = Reflections(rgb).judged(TextPart((within,), 0))
    assert read.lines == (within,) and read.unread == ()


def test_the_boxes_of_a_flipped_picture_are_left_alone() -> None:
    flipped = TextPart((line(40, 290, 390),), 0, mirrored=True)
    assert Reflections(lit(500, 300, 45)).judged(flipped) == flipped
