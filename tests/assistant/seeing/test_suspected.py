"""What the detector's map tells of where more text may stand, and what is spared by it."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.page_boxes import turned
from assistant.seeing.pieces import PieceReader, Reading, is_word
from assistant.seeing.second_look import SecondLook, is_bare
from assistant.seeing.suspected import Watched, watched
from assistant.seeing.text import never

WIDTH, HEIGHT = 1000, 600


def corners(left: float, top: float, right: float, bottom: float) -> Any:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def seen(*places: tuple[slice, slice, float]) -> Any:
    """A map of a tenth of the picture's size; rows, columns, likelihood of each place."""
    answer = np.zeros((1, 1, HEIGHT // 10, WIDTH // 10), np.float32)
    for rows, columns, likely in places:
        answer[0, 0, rows, columns] = likely
    return answer


def test_only_where_something_is_suspected_is_looked_again() -> None:
    watch = Watched(lambda answer, shape: ("boxes", shape))
    assert watch.place(WIDTH, HEIGHT) is None  # nothing was looked at
    assert watch(seen((slice(20, 30), slice(40, 60), 0.2)), (HEIGHT, WIDTH)) == (
        "boxes",
        (HEIGHT, WIDTH),
    )
    assert watch.place(WIDTH, HEIGHT) is None
    faint = (slice(20, 30), slice(40, 60), 0.15)
    watch(seen(faint, (slice(25, 26), slice(50, 51), 0.5)), (HEIGHT, WIDTH))
    place = watch.place(WIDTH, HEIGHT)
    assert place is not None
    # All of the trace, and a tenth of the longer side around it.
    assert place.tolist() == corners(300, 100, 700, 400).tolist()
    # The detector is shown a wider ground around a strip: its map is not the strip's.
    strip = watch.place(1000, 30)
    assert strip is not None and strip.tolist() == corners(0, 0, 1000, 30).tolist()


class FakeEngine:
    """Finds one place in every picture, in parts of its size, and reads nothing in it."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.text_det = SimpleNamespace(postprocess_op=lambda answer, shape: "found")

    def __call__(self, bgr: Any, **flags: bool) -> Any:
        height, width = bgr.shape[:2]
        self.sizes.append((width, height))
        place = corners(0.2 * width, 0.2 * height, 0.4 * width, 0.3 * height)
        return SimpleNamespace(boxes=[place], scores=[0.8])

    def crop_text_regions(self, bgr: Any, boxes: list[Any]) -> list[Any]:
        self.cut = boxes
        return [np.full((30, 90, 3), 200, np.uint8) for _ in boxes]

    def recognize_txt(self, crops: list[Any]) -> Any:
        return SimpleNamespace(txts=["LOT 17"] * len(crops), scores=[0.99] * len(crops))


def test_places_in_a_part_of_the_picture_are_where_they_stand_in_it() -> None:
    engine = FakeEngine()
    rgb = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    where = corners(500, 300, 900, 500)
    look = SecondLook(engine, PieceReader(engine))
    added, _ = look.look(rgb, [], math.inf, never, where=where)
    assert [each.text for each in added] == ["LOT 17"]
    assert added[0].box == pytest.approx(corners(580, 340, 660, 360), abs=1)
    assert set(engine.sizes) == {(192, 96)}  # 480 / 1000 of the part


@pytest.mark.parametrize("quarters", range(4))
def test_a_part_that_reaches_the_edges_is_turned_with_its_page(quarters: int) -> None:
    width, height = (WIDTH, HEIGHT) if quarters % 2 == 0 else (HEIGHT, WIDTH)
    engine = FakeEngine()
    where = turned(corners(0, 0, width, height), quarters, width, height)
    look = SecondLook(engine, PieceReader(engine))
    look.look(np.full((HEIGHT, WIDTH, 3), 200, np.uint8), [], math.inf, never, where=where)
    assert all(abs(w - 480) <= 1 and abs(h - 288) <= 1 for w, h in engine.sizes)


def test_where_nothing_stands_out_beside_the_lines_no_copy_is_looked_at() -> None:
    rgb = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    rgb[105:125, 60:240:12] = 20
    line = corners(50, 100, 250, 130)
    everything = corners(0, 0, WIDTH, HEIGHT)
    known = [Reading(line, "opening hours", 1.0)]
    engine = FakeEngine()
    look = SecondLook(engine, PieceReader(engine))
    assert is_bare(rgb, [line]) and not is_bare(rgb, [])
    look.look(rgb, known, math.inf, never, where=everything)
    assert engine.sizes == []
    rgb[400:420, 600:720:12] = 150  # faint letters elsewhere
    assert not is_bare(rgb, [line])
    look.look(rgb, known, math.inf, never, where=everything)
    assert len(engine.sizes) == 4


def test_the_watch_gives_what_the_step_gives() -> None:
    engine = FakeEngine()
    found = watched(engine)
    assert engine.text_det.postprocess_op is found
    assert found(seen(), (HEIGHT, WIDTH)) == "found"


def test_sure_words_are_words_and_figures_are_not() -> None:
    assert is_word("carrianna", 0.97) and is_word("Thank you", 1.0)
    assert not is_word("carrianna", 0.9) and not is_word("LOT 4711", 1.0)
    assert not is_word("元朗酒家", 1.0) and not is_word("OK", 1.0)


@pytest.mark.weights
def test_what_a_line_says_depends_on_no_other_line_and_not_on_its_edge() -> None:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(32)
    crops = []
    for text in ("UNIVERSITY", "TAX INVOICE 12-03-2018 10:13:04 No. 4711"):
        left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
        drawn = Image.new("RGB", (right - left, bottom - top + 8), "white")
        ImageDraw.Draw(drawn).text((-left, 4 - top), text, "black", font)
        crops.append(np.array(drawn))
    reader = RapidOcrReader(threads=1)
    reader.load()
    pieces = PieceReader(reader._engine)
    together = pieces.recognize(crops)
    assert together[0][0] == "UNIVERSITY"
    assert [pieces.recognize([crop])[0] for crop in crops] == together
