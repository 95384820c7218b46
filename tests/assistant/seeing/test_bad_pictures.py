"""Pictures that nobody would hand in on purpose, as the real models read them."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.text import TextPart

pytestmark = [pytest.mark.slow, pytest.mark.weights]

SANS = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
WORDS = ("opening", "hours", "ticket", "window", "garden", "bread", "orange", "letter", "bridge")


@pytest.fixture(scope="module")
def reader() -> RapidOcrReader:
    found = RapidOcrReader(threads=1)
    found.load()
    return found


def drawn(size: tuple[int, int], rows: Sequence[tuple[float, float, str]], letters: int) -> Any:
    image = Image.new("RGB", size, (235, 233, 228))
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(SANS, letters)
    for x, y, text in rows:
        draw.text((x, y), text, font=font, fill=(30, 30, 30))
    return np.asarray(image)


def words_of(parts: Sequence[TextPart]) -> list[str]:
    return [word for part in parts for line in part.lines if line.is_sure
            for word in line.text.split()]  # fmt: skip


def test_ten_thousand_tiny_words_end_in_time_and_what_is_left_is_said(
    reader: RapidOcrReader,
) -> None:
    rng = np.random.default_rng(3)
    rows = [
        (20.0, 20.0 + 14 * row, " ".join(map(str, rng.choice(WORDS, 50)))) for row in range(200)
    ]
    picture = drawn((2400, 2860), rows, 10)
    began = time.process_time()
    parts = list(reader.parts(picture, limit_s=20))
    # What is begun is ended: a batch of lines, or a part of the page.
    assert time.process_time() - began < 60
    assert parts[-1].late and (parts[-1].remaining or parts[-1].unread)
    found = words_of(parts)
    assert found and np.mean([word in WORDS for word in found]) > 0.9


def test_a_receipt_of_thirty_thousand_pixels_is_read_from_the_top(reader: RapidOcrReader) -> None:
    rows = [(40.0, 30.0 + 60 * row, f"Item {1000 + row}   {row % 90 + 1}.50") for row in range(498)]
    picture = drawn((600, 30_000), rows, 30)
    parts = list(reader.parts(picture, limit_s=10))
    assert parts[-1].late and (parts[-1].remaining or parts[-1].unread)
    printed = {word for _, _, text in rows for word in text.split()}
    found = words_of(parts)
    assert len(found) >= 12 and set(found) <= printed


def test_text_on_a_screen_in_the_picture_is_read_and_its_frame_is_not(
    reader: RapidOcrReader,
) -> None:
    shown = drawn((800, 440), [(60, 60, "garden market"), (60, 180, "opens at 9:30")], 54)
    pixel = np.ones((3, 3, 1))
    pixel[2, :], pixel[:, 2] = 0.55, 0.55  # the dark grid between the pixels of a display
    lit = np.kron(shown[::2, ::2] / 255, pixel) * 235
    picture = np.full((900, 1500, 3), 60.0)
    picture[100:760, 120:1320] = 18
    picture[100 : 100 + lit.shape[0], 120 : 120 + lit.shape[1]] = lit
    picture[800:860, 300:1100:40] = 25  # keys under it
    rng = np.random.default_rng(1)
    noisy = np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
    parts = list(reader.parts(noisy, limit_s=120))
    assert " ".join(words_of(parts)) == "garden market opens at 9:30"
