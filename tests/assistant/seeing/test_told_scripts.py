"""Lines in other scripts and in Latin letters, drawn, with what a recognizer made of them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.seeing.pieces import PieceReader, Reading

NAME = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
HEBREW, DEVANAGARI, TOTAL = "בית מרקחת פתוח", "दवा की दुकान", "TOTAL TTC"


class FakeEngine:
    """Cuts out the whole picture, and says one thing after the other about it."""

    def __init__(self, *says: tuple[str, float]) -> None:
        self._says = list(says)

    def crop_text_regions(self, bgr: Any, boxes: list[Any]) -> list[Any]:
        return [bgr for _ in boxes]

    def recognize_txt(self, crops: list[Any]) -> Any:
        found = [self._says.pop(0) for _ in crops]
        return SimpleNamespace(txts=[t for t, _ in found], scores=[s for _, s in found])


def drawn(text: str, name: str = NAME) -> Any:
    font = ImageFont.truetype(name, 36)
    left, top, right, low = (round(each) for each in font.getbbox(text))
    image = Image.new("RGB", (right - left + 14, low - top + 10), (235, 235, 235))
    ImageDraw.Draw(image).text((7 - left, 5 - top), text, font=font, fill=(20, 20, 20))
    return np.asarray(image)


def read(bgr: Any, *says: tuple[str, float]) -> Reading:
    height, width = bgr.shape[:2]
    place = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    (reading,) = PieceReader(FakeEngine(*says)).read(bgr, [place])
    return reading


@pytest.mark.parametrize("score", [0.95, 0.968, 1.0])
def test_latin_letters_that_were_read_surely_are_no_other_script(score: float) -> None:
    reading = read(drawn(TOTAL), (TOTAL, score))
    assert (reading.text, reading.foreign) == (TOTAL, False)


def test_hebrew_that_was_read_as_letters_is_told_to_be_hebrew() -> None:
    reading = read(drawn(HEBREW), ("717270 7X", 0.81), ("X", 0.4))
    assert (reading.text, reading.foreign, reading.script) == ("", True, "Hebrew")


def test_hebrew_is_not_read_upside_down_and_latin_words_are() -> None:
    reading = read(drawn(HEBREW), ("nino 7n", 0.55), ("CIU ULLUU GUIU", 0.94))
    assert (reading.text, reading.foreign, reading.script) == ("", True, "Hebrew")
    over = np.ascontiguousarray(np.rot90(drawn("ALARM OFF"), 2))
    reading = read(over, ("WAVTV 1", 0.55), ("ALARM OFF", 0.99))
    assert (reading.text, reading.foreign) == ("ALARM OFF", False)


def test_what_was_hardly_read_and_looks_like_nothing_known_is_alien() -> None:
    free = "/usr/share/fonts/truetype/freefont/FreeSans.ttf"
    reading = read(drawn(DEVANAGARI, free), ("RAT AE", 0.54), ("X", 0.4))
    assert (reading.text, reading.alien) == ("RAT AE", True)
    reading = read(drawn("ingredients"), ("ingredents", 0.6), ("X", 0.4))
    assert (reading.text, reading.alien) == ("ingredents", False)


def test_an_amount_is_no_other_script_whatever_its_shapes() -> None:
    reading = read(drawn(HEBREW), ("71,7270 7X", 0.81), ("X", 0.4))
    assert (reading.text, reading.foreign) == ("71,7270 7X", False)
