"""A second reader as another program: played by small scripts, and, where it is there, the real."""

import shutil
import stat
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.doctor.checks import State
from assistant.doctor.other_scripts import look_at_tesseract
from assistant.errors import OcrError
from assistant.seeing import tesseract, tesseract_process
from assistant.seeing.pieces import PieceReader, Reading
from assistant.seeing.tesseract import PACKS, Tesseract, installed
from assistant.seeing.tesseract_lines import read_foreign
from assistant.seeing.text import LEAST_SURE

SANS = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
HEAD = (
    "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
)


def row(left: int, top: int, width: int, conf: float, text: str, height: int = 40) -> str:
    return f"5\t1\t1\t1\t1\t1\t{left}\t{top}\t{width}\t{height}\t{conf}\t{text}"


def program(folder: Path, body: str) -> str:
    """A program that says what a body of Python says."""
    path = folder / "tesseract"
    path.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def says(folder: Path, table: Sequence[str]) -> Tesseract:
    text = "\n".join([HEAD, *table, ""])
    body = f"sys.stdin.buffer.read(); sys.stdout.buffer.write({text!r}.encode())"
    return Tesseract(program(folder, body), ["rus", "tha", "heb"])


def line(width: int = 200) -> Any:
    crop = np.full((40, width, 3), 230, np.uint8)
    crop[10:30, 10:30] = 20
    return crop


def test_words_are_put_to_the_lines_in_which_they_stand(tmp_path: Path) -> None:
    reader = says(
        tmp_path,
        [row(40, 130, 90, 90, "ступени"), row(40, 44, 90, 80, "Вход"), row(150, 130, 60, 50, "тут"),
         row(150, 44, 60, 96, "закрыт")],
    )  # fmt: skip
    (first, sure), (second, less) = reader.read([line(), line()], "Cyrillic")
    assert (first, second) == ("Вход закрыт", "ступени тут")
    assert sure == pytest.approx((4 * 0.80 + 6 * 0.96) / 10)
    assert less == pytest.approx((7 * 0.90 + 3 * 0.50) / 10)


def test_thai_letters_are_joined_where_no_space_is_seen(tmp_path: Path) -> None:
    letters = [row(40, 44, 20, 90, "ท"), row(62, 44, 20, 90, "า"), row(110, 44, 20, 90, "ง")]
    assert says(tmp_path, letters).read([line()], "Thai")[0][0] == "ทา ง"
    assert says(tmp_path, letters).read([line()], "Cyrillic")[0][0] == "ท า ง"


def test_marks_of_direction_are_no_letters(tmp_path: Path) -> None:
    reader = says(
        tmp_path, [row(40, 44, 90, 90, "\u200fשלום\u200e"), row(150, 44, 9, 90, "\u200f")]
    )
    assert reader.read([line()], "Hebrew") == [("שלום", 0.9)]


def test_nothing_is_said_where_nothing_stands(tmp_path: Path) -> None:
    assert says(tmp_path, []).read([line()], "Cyrillic") == [("", 0.0)]


def test_the_given_picture_is_dark_on_white_and_leaves_no_file(tmp_path: Path) -> None:
    seen = tmp_path / "seen.pgm"
    body = f"open({str(seen)!r}, 'wb').write(sys.stdin.buffer.read()); print('x')"
    light = 255 - line()
    Tesseract(program(tmp_path, body), ["rus"]).read([line(), light], "Cyrillic")
    page = np.asarray(Image.open(seen))
    assert page.shape == (216, 320)
    for top in (40, 128):
        band = page[top : top + 48, 40:280]
        assert band[24, 24] < 40 and band[24, 200] > 215 and np.median(band) > 215


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("time.sleep(60)", "takes longer than 1 seconds"),
        ("sys.stdin.buffer.read(); sys.exit(3)", "failed .code 3."),
        ("sys.exit(0)", None),
        ("\nwhile True: sys.stdout.write('x' * 65536)", "says more than a page holds"),
        ("sys.stdin.buffer.read(); print(1); print('5\\t' + 'x\\t' * 10 + 'x')", "cannot be read"),
    ],
)
def test_a_program_that_misbehaves_is_ended_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, cause: str | None
) -> None:
    monkeypatch.setattr(tesseract, "READ_LIMIT_S", 1.0 if "longer" in (cause or "") else 30.0)
    monkeypatch.setattr(tesseract_process, "MOST_BYTES", 200_000)
    reader = Tesseract(program(tmp_path, body), ["rus"])
    began = time.monotonic()
    if cause is None:
        assert reader.read([line()] * 40, "Cyrillic") == [("", 0.0)] * 40
    else:
        with pytest.raises(OcrError, match=cause):
            reader.read([line()] * 40, "Cyrillic")
    assert time.monotonic() - began < 25


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OcrError, match="cannot be started"):
        Tesseract(str(tmp_path / "none"), ["rus"]).read([line()], "Cyrillic")


def test_packs_are_those_installed_and_chosen(tmp_path: Path) -> None:
    reader = Tesseract("x", ["eng", "rus", "ukr", "bul", "heb"], chosen=["rus", "ell"])
    assert reader.packs_for("Cyrillic") == ("rus",) and not reader.packs_for("Hebrew")
    every = Tesseract("x", ["eng", "bul", "ukr", "rus", "heb"])
    assert every.packs_for("Cyrillic") == ("rus", "ukr") and every.packs_for("Hebrew") == ("heb",)
    with pytest.raises(OcrError, match="no pack for Greek"):
        every.read([line()], "Greek")
    assert len({pack for packs in PACKS.values() for pack in packs}) == sum(
        map(len, PACKS.values())
    )


class Fake:
    """A second reader that reads Cyrillic, or fails."""

    def __init__(self, answers: Sequence[tuple[str, float]] | OcrError) -> None:
        self._answers = answers

    def packs_for(self, script: str) -> tuple[str, ...]:
        return ("rus",) if script == "Cyrillic" else ()

    def read(self, crops: Sequence[Any], script: str) -> list[tuple[str, float]]:
        if isinstance(self._answers, OcrError):
            raise self._answers
        return list(self._answers)[: len(crops)]


class Cutter:
    """What cuts out places, as the engine does."""

    def crop_text_regions(self, bgr: Any, boxes: Sequence[Any]) -> list[Any]:
        return [line() for _ in boxes]


def place(x: float, script: str, *, foreign: bool = True) -> Reading:
    box = np.array([[x, 0], [x + 9, 0], [x + 9, 9], [x, 9]], np.float64)
    return Reading(box, "", 0.0, foreign, script, 5)


def test_only_named_places_are_given_and_what_is_read_is_a_guess() -> None:
    places = [place(0, "Cyrillic"), place(20, "Hebrew"), place(40, ""), place(60, "Cyrillic"),
              place(80, "", foreign=False)]  # fmt: skip
    read: Callable[..., Any] = lambda fake: read_foreign(  # noqa: E731
        fake, PieceReader(Cutter()), np.zeros((9, 99, 3), np.uint8), places
    )
    added, left = read(Fake([("Вход", 0.99), ("?!", 0.99)]))
    assert [each.text for each in added] == ["Вход"] and added[0].confidence < LEAST_SURE
    assert np.array_equal(added[0].box, places[0].box)
    assert left == places[1:]
    assert read(Fake([("Вход", 0.4), ("", 0.0)])) == ([], places)
    assert read(Fake(OcrError("it failed"))) == ([], places)


def test_the_doctor_names_it_and_its_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = look_at_tesseract("all")
    assert finding.state is State.LIMITED and "tesseract-ocr-rus" in finding.fix
    assert installed() is None
    program(tmp_path, "print('List (3):\\neng\\nosd\\nrus\\nheb')")
    assert look_at_tesseract("all").text == (
        "Tesseract reads Cyrillic, Hebrew, as guesses, with rus heb;"
        " small print is checked with eng"
    )
    assert "ell is not installed" in look_at_tesseract("rus ell").cause
    assert "tesseract.packs is none" in look_at_tesseract("none").cause
    assert installed("none") is None
    assert look_at_tesseract("eng").text == (
        "they are named, not read; small print is checked with eng"
    )
    assert look_at_tesseract("rus").text == "Tesseract reads Cyrillic, as guesses, with rus"
    reader = installed("heb")
    assert reader is not None and reader.packs_for("Hebrew") == ("heb",)
    assert not reader.packs_for("Cyrillic")


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
def test_the_real_one_reads_russian() -> None:
    reader = installed()
    if reader is None or not reader.packs_for("Cyrillic"):
        pytest.skip("its Russian pack is not installed")
    crops = []
    for text in ("Осторожно, ступени", "Аптека открыта"):
        image = Image.new("RGB", (560, 60), (30, 30, 60))
        font = ImageFont.truetype(SANS, 40)
        ImageDraw.Draw(image).text((10, 4), text, font=font, fill=(240, 240, 240))
        crops.append(np.asarray(image)[:, :, ::-1])
    found = reader.read(crops, "Cyrillic")
    assert [text for text, _ in found] == ["Осторожно, ступени", "Аптека открыта"]
    assert all(sure > 0.8 for _, sure in found)
