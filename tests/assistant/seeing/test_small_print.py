"""Small print beside a second reader: played by stand-ins and by small programs, and the real."""

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.errors import OcrError
from assistant.seeing import small_print
from assistant.seeing.ocr import OtherReader, RapidOcrReader
from assistant.seeing.pieces import PieceReader, Reading
from assistant.seeing.small_print import SmallPrint, is_small_print
from assistant.seeing.tesseract import Tesseract, installed
from assistant.seeing.text import LEAST_SURE
from tests.assistant.seeing.test_tesseract import HEAD, program, row

SENTENCE = (
    "store this medicine in a dry place below and keep it out of the reach of children ask your"
    " doctor before taking other tablets while you are using it or when symptoms get worse"
)
SERIF = "/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf"
TEXT = "take one tablet after a meal and drink water"


class Second:
    """A second reader that says the same of every line, or fails; it counts its lines."""

    def __init__(self, text: str | OcrError, sure: float = 0.96) -> None:
        self._text, self._sure = text, sure
        self.asked: list[int] = []

    def packs_for(self, script: str) -> tuple[str, ...]:
        return ()

    def read(self, crops: Sequence[Any], script: str) -> list[tuple[str, float]]:
        raise AssertionError("no other script is on the page")

    def reads(self, language: str) -> bool:
        return language == "en"

    def words(
        self, crops: Sequence[Any], language: str, *, limit_s: float
    ) -> list[list[tuple[str, float]]]:
        self.asked.append(len(crops))
        if isinstance(self._text, OcrError):
            raise self._text
        return [[(word, self._sure) for word in self._text.split()] for _ in crops]


class Cutter:
    """What cuts out places, as the engine does."""

    def crop_text_regions(self, bgr: Any, boxes: Sequence[Any]) -> list[Any]:
        return [np.full((16, 400, 3), 255, np.uint8) for _ in boxes]


def place(number: int, *, tall: float = 16, wide: float = 400) -> Any:
    top = 20.0 * number
    return np.array([[0, top], [wide, top], [wide, top + tall], [0, top + tall]], np.float64)


def line(number: int, confidence: float, text: str = TEXT) -> Reading:
    return Reading(place(number), text, confidence, letters=36)


def looker(
    second: Any, *, boxes: Sequence[Any] | None = None, language: str | None = "en"
) -> SmallPrint:
    places = [place(number) for number in range(16)] if boxes is None else boxes
    pieces = PieceReader(Cutter())
    return SmallPrint(second, lambda lines: language, pieces, np.zeros((9, 9, 3), np.uint8), places)


def test_a_page_is_small_print_by_the_height_length_and_number_of_its_lines() -> None:
    assert is_small_print([place(number) for number in range(12)])
    assert not is_small_print([place(number) for number in range(11)])
    assert not is_small_print([place(number, tall=30) for number in range(40)])
    assert not is_small_print([place(number, wide=90) for number in range(40)]), "prices"
    many = [*(place(number) for number in range(12)), *(place(n, tall=40) for n in range(13))]
    assert not is_small_print(many)


def test_only_unsure_lines_are_given_and_agreement_makes_them_sure() -> None:
    second = Second(TEXT)
    lines = [line(0, 0.99), line(1, 0.7), line(2, 0.96), line(3, 0.98)]
    told, waiting = looker(second).checked(lines, until=math.inf)
    assert second.asked == [2] and not waiting
    assert [each.text for each in told] == [TEXT] * 4
    assert all(each.confidence >= 0.95 for each in told)
    assert [each.settled for each in told] == [False, True, True, False]


def test_a_line_in_which_they_differ_is_told_in_its_place_as_a_guess() -> None:
    wrong = TEXT.replace("one", "two")
    told, _ = looker(Second(TEXT)).checked([line(0, 0.9, wrong), line(1, 0.9)], until=math.inf)
    assert [each.confidence >= LEAST_SURE for each in told] == [False, True]
    assert told[0].text == TEXT and not told[0].is_weak, "no second look is waited for"


@pytest.mark.parametrize(
    "lines",
    [
        [line(0, 0.99), line(1, 0.98)],
        [line(0, 0.5), line(1, 0.99)],
        [Reading(place(0), "", 0, True, "Thai", 40), Reading(place(1), "", 0, True, "Thai", 40)],
        [replace(line(0, 0.9, "12.50 EUR"), letters=7), replace(line(1, 0.9, "7.00"), letters=3)],
        [line(0, 0.9, "本店所有商品均为正品如有质量问题请及时与我们联系谢谢"), line(1, 0.99)],
    ],
)
def test_what_is_sure_alone_foreign_or_chinese_is_not_given(lines: list[Reading]) -> None:
    second = Second(TEXT)
    assert looker(second).checked(lines, until=math.inf) == (lines, [])
    assert second.asked == []


@pytest.mark.parametrize(
    "other",
    [
        {"language": None},
        {"language": "pl"},
        {"boxes": [place(number, tall=40) for number in range(30)]},
    ],
)
def test_without_its_language_or_small_print_nothing_changes(other: dict[str, Any]) -> None:
    second, lines = Second(TEXT), [line(0, 0.6), line(1, 0.9)]
    assert looker(second, **other).checked(lines, until=math.inf) == (lines, [])
    assert looker(None).checked(lines, until=math.inf) == (lines, [])
    assert looker(Second(TEXT)).checked(lines, until=time.monotonic() - 1) == (lines, [])
    assert second.asked == []


def test_the_first_lines_wait_for_nobody() -> None:
    second = Second(TEXT)
    look = looker(second)
    lines = [line(0, 0.99), line(1, 0.9), line(2, 0.8)]
    told, waiting = look.checked(lines, until=math.inf, first=True)
    assert told == lines[:1] and waiting == lines[1:] and second.asked == []
    told, left = look.checked([*waiting, line(3, 0.99)], until=math.inf)
    assert len(told) == 3 and not left and second.asked == [2]
    # Where all of them are doubted, one is told all the same.
    told, waiting = looker(second).checked(lines[1:], until=math.inf, first=True)
    assert told == lines[1:2] and waiting == lines[2:]
    # A weak one is kept back by whoever asked: it is nothing that is told.
    weak = replace(line(3, 0.6, "end."), letters=4)
    told, waiting = looker(second).checked([weak, *lines[1:]], until=math.inf, first=True)
    assert told == [weak, lines[1]] and waiting == lines[2:]


def test_one_that_fails_is_not_asked_again() -> None:
    second, lines = Second(OcrError("it failed")), [line(0, 0.6), line(1, 0.9)]
    look = looker(second)
    for _ in range(3):
        assert look.checked(lines, until=math.inf) == (lines, [])
    assert second.asked == [2]


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(60)",
        "sys.stdin.buffer.read(); sys.exit(3)",
        "import os; os.kill(os.getpid(), 9)",
        "sys.stdin.buffer.read(); sys.stdout.buffer.write(bytes(range(256)) * 300)",
        "sys.stdin.buffer.read(); print(1); print('5\\t' + 'x\\t' * 10 + 'x')",
        "sys.exit(0)",
    ],
)
def test_a_program_that_hangs_dies_or_prints_rubbish_costs_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(small_print, "LIMIT_S", 1.5)
    second = Tesseract(program(tmp_path, body), ["eng"])
    lines = [line(0, 0.6), line(1, 0.9), line(2, 0.99)]
    look, began = looker(second), time.monotonic()
    for _ in range(3):
        assert look.checked(lines, until=math.inf) == (lines, [])
    assert time.monotonic() - began < 20


def test_a_program_whose_words_are_wrong_spoils_no_sure_word(tmp_path: Path) -> None:
    table = [row(40 + 70 * n, 44, 60, 12, word) for n, word in enumerate(["tcke", "cne", "tcblet"])]
    text = "\n".join([HEAD, *table, ""])
    body = f"sys.stdin.buffer.read(); sys.stdout.buffer.write({text!r}.encode())"
    second = Tesseract(program(tmp_path, body), ["eng"])
    lines = [line(0, 0.96), line(1, 0.96)]
    told, _ = looker(second).checked(lines, until=math.inf)
    assert [each.text for each in told] == [TEXT, TEXT]
    assert all(each.confidence >= LEAST_SURE for each in told)


def leaflet(size: int, count: int = 14) -> tuple[Any, list[str]]:
    """A page of small print (H, W, 3), and its lines."""
    font, words = ImageFont.truetype(SERIF, size), SENTENCE.split()
    lines = [
        " ".join(words[(5 * number + n) % len(words)] for n in range(14)) + f" {number + 3}"
        for number in range(count)
    ]
    image = Image.new("L", (60 * size, (2 * count + 4) * size), 235)
    for number, text in enumerate(lines):
        ImageDraw.Draw(image).text((2 * size, (2 + 2 * number) * size), text, 70, font)
    small = image.resize((image.width * 4 // 5, image.height * 4 // 5))
    rng = np.random.default_rng(5)
    grey = np.clip(np.asarray(small, float) + rng.normal(0, 6, small.size[::-1]), 0, 255)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2), lines


def read_with(second: OtherReader | None, rgb: Any) -> list[Any]:
    reader = RapidOcrReader(
        threads=1, open_other=lambda: second, language_of=lambda lines: "en", second_look_s=60
    )
    return [part for part in reader.parts(rgb, limit_s=600)]


def test_a_page_is_told_line_by_line_as_early_as_before_and_whole() -> None:
    rgb, lines = leaflet(11)
    second = Second("nothing of this stands here at all", 0.3)
    alone, both = read_with(None, rgb), read_with(second, rgb)
    assert second.asked, "the page is not read surely"
    texts = [[each.text for part in parts for each in part.lines] for parts in (alone, both)]
    assert sorted(texts[0]) == sorted(texts[1]), "an unsure second reader changes no word"
    assert len(texts[0]) == len(lines)
    # The first part is there before the other reader is asked.
    assert both[0].lines and {each.text for each in both[0].lines} <= set(texts[0])
    assert both[0].remaining > alone[0].remaining, "what waits is told to be unread"
    first = max(n for n, part in enumerate(both) if part.more)
    tops = [each.box[0][1] for part in both[1 : first + 1] for each in part.lines]
    assert tops == sorted(tops), "what is told later is told in its order"


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
def test_the_real_one_makes_small_print_surer_and_nothing_wrong() -> None:
    second = installed()
    if second is None or not second.reads("en"):
        pytest.skip("its English pack is not installed")
    rgb, lines = leaflet(11)
    known = {word for each in lines for word in each.split()}
    counts = []
    for parts in (read_with(None, rgb), read_with(second, rgb)):
        told = [each for part in parts for each in part.lines]
        assert len(told) == len(lines)
        sure = [word for each in told if each.is_sure for word in each.text.split()]
        counts.append(sum(word not in known for word in sure))
    assert counts[1] <= counts[0]
