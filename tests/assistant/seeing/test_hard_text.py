"""Hard text as the real models read it: drawn here, so that every word is known."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.text import TextPart

SCRIPTS = Path(__file__).parents[3] / "scripts"

pytestmark = [pytest.mark.slow, pytest.mark.weights]


@pytest.fixture(scope="module")
def reader() -> RapidOcrReader:
    found = RapidOcrReader(threads=1, second_look_s=60)
    found.load()
    return found


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield importlib.import_module("twins.hard_text")


def read(reader: RapidOcrReader, rgb: Any) -> tuple[list[str], list[TextPart]]:
    parts = list(reader.parts(rgb, limit_s=120))
    return [line.text for part in parts for line in part.lines if line.is_sure], parts


@pytest.mark.parametrize(("kind", "seed"), [("lcd", 2), ("lcd", 4), ("dots", 1), ("dots", 9)])
def test_displays_and_dots_are_read(
    reader: RapidOcrReader, draw: Any, kind: str, seed: int
) -> None:
    made = draw.twin(kind, seed)
    found = [text.replace(" ", "") for text in read(reader, made.rgb)[0]]
    assert sorted(found) == sorted(line.replace(" ", "") for line in made.lines)


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize(("kind", "seed"), [("lcd", 4), ("dots", 2)])
def test_displays_and_dots_are_read_whichever_way_they_lie(
    reader: RapidOcrReader, draw: Any, kind: str, seed: int, quarters: int
) -> None:
    made = draw.twin(kind, seed)
    found, _ = read(reader, np.ascontiguousarray(np.rot90(made.rgb, quarters)))
    known = {line.replace(" ", "") for line in made.lines}
    assert {text.replace(" ", "") for text in found} == known


def test_a_mirrored_page_is_read_flipped_and_said_to_be_mirrored(
    reader: RapidOcrReader, draw: Any
) -> None:
    made = draw.twin("mirror", 1)
    found, parts = read(reader, made.rgb)
    assert found == list(made.lines) and all(part.mirrored for part in parts)
    straight, parts = read(reader, np.ascontiguousarray(made.rgb[:, ::-1]))
    assert straight == list(made.lines) and not any(part.mirrored for part in parts)


def test_a_blurred_display_is_not_taken_for_one_in_a_mirror(
    reader: RapidOcrReader, draw: Any
) -> None:
    made = draw.twin("lcd", 42)
    blurred = draw.Image.fromarray(made.rgb).filter(draw.ImageFilter.GaussianBlur(6))
    found, parts = read(reader, np.asarray(blurred))
    assert found == ["155", "68", "102"] and not any(part.mirrored for part in parts)


def test_small_letters_on_a_dim_display_are_read(reader: RapidOcrReader, draw: Any) -> None:
    made = draw.twin("dim", 4)
    assert sorted(read(reader, made.rgb)[0]) == sorted(made.lines)


def test_pieces_that_lie_on_their_side_are_read(reader: RapidOcrReader, draw: Any) -> None:
    made = draw.twin("side", 3)
    assert sorted(read(reader, made.rgb)[0]) == sorted(made.lines)


def test_cyrillic_is_said_to_be_there_and_not_read(reader: RapidOcrReader, draw: Any) -> None:
    lines = draw.SCRIPTS["Cyrillic"][:3]
    font = draw.ImageFont.truetype(draw.FONTS[0], 36)
    rng = np.random.default_rng(1)
    ink, _ = draw.text_mask((900, 260), lines, (50, 40), font)
    found, parts = read(
        reader, draw.finished(draw.inked(draw.paper(rng, 900, 260), ink, (30,) * 3), rng)
    )
    assert found == []
    unread = [place for part in parts for place in part.unread]
    assert len(unread) == 3 and all(place.foreign for place in unread)


# Of the other textures the first seeds draw none: water and foliage.
@pytest.mark.parametrize("seed", [*range(8), 13, 15, 20, 26])
def test_nothing_is_read_where_there_is_no_text(
    reader: RapidOcrReader, draw: Any, seed: int
) -> None:
    assert read(reader, draw.twin("textures", seed).rgb)[0] == []
