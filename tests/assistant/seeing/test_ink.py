"""Pieces of ink in drawn lines: letters, dots, segments, fences; and scripts told by them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.seeing.ink import Ink, closed, ink_of
from assistant.seeing.scripts import is_foreign, is_greek, is_mixed, script_name

SANS = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def drawn(text: str, *, ink: int = 20, ground: int = 235) -> np.ndarray:
    font = ImageFont.truetype(SANS, 40)
    image = Image.new("RGB", (round(font.getlength(text)) + 20, 60), (ground,) * 3)
    ImageDraw.Draw(image).text((10, 4), text, font=font, fill=(ink,) * 3)
    return np.asarray(image)


def dotted(columns: int) -> np.ndarray:
    """Columns of seven dots each, two columns a letter."""
    image = Image.new("RGB", (columns * 14 + 20, 110), (230, 230, 230))
    draw = ImageDraw.Draw(image)
    for column in range(columns):
        for row in range(7):
            x, y = 10 + 14 * column, 10 + 13 * row
            draw.ellipse((x, y, x + 8, y + 8), fill=(30, 30, 30))
    return np.asarray(image)


@pytest.mark.parametrize(("ink", "ground"), [(20, 235), (240, 15)])
def test_printed_letters_are_one_piece_each(ink: int, ground: int) -> None:
    found = ink_of(drawn("HELLO WORLD", ink=ink, ground=ground))
    assert (found.letters, found.specks, found.cut) == (10, 0, 0)
    assert found.dark == (ink < ground)


def test_dots_are_specks_until_their_gaps_are_closed() -> None:
    line = dotted(6)
    assert ink_of(line).specks == 42
    joined = ink_of(closed(line, 0.08, dark=True))
    assert joined.specks == 0 and joined.letters >= 1


def test_what_goes_over_the_edge_is_cut() -> None:
    fence = np.full((60, 300, 3), 220, np.uint8)
    fence[:, 20:280:40] = 30
    fence[:, 21:281:40] = 30
    fence[:, 22:282:40] = 30
    found = ink_of(fence)
    assert found.letters == found.cut == 7


def test_a_plain_place_has_no_ink() -> None:
    assert ink_of(np.full((10, 100, 3), 77, np.uint8)) == Ink(0, 0, 0, True)


def test_letters_that_are_left_out_belong_to_another_script() -> None:
    seventeen = Ink(17, 0, 0, True)
    assert is_foreign(",  ", seventeen) and is_foreign("   20:00", seventeen)
    assert is_foreign("", Ink(5, 0, 0, True))
    assert not is_foreign("caution wet floor", seventeen)
    # A display's figures lie in segments, and nothing is left out of them.
    assert not is_foreign("158", Ink(8, 5, 0, True)) and not is_foreign("111", Ink(6, 0, 0, True))
    assert not is_foreign("", Ink(1, 9, 0, True))


def test_greek_and_capitals_that_look_latin() -> None:
    assert is_greek("Φαρακε") and script_name("Φαρακε", drawn("x")) == "Greek"
    assert not is_greek("5 μg of β-carotene")
    assert is_foreign("PECTOPAH", Ink(8, 0, 0, True))
    assert script_name("PECTOPAH", drawn("x")) == "Cyrillic"
    assert not is_foreign("RESTAURANT", Ink(10, 0, 0, True))
    assert is_mixed("3T9向卯") and not is_mixed("向卯") and not is_mixed("3T9")
