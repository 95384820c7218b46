"""Reflections over drawn pages: what they touch is not sure, what lies beside them is."""

import numpy as np

from assistant.seeing.hidden import is_legible, reflection
from assistant.seeing.text import TextLine


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
