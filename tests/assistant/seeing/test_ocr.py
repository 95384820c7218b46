"""Text recognition around its models: a stand-in engine sees boxes and names what is in them."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assistant.errors import OcrError
from assistant.seeing.layout import page_text, reading_order
from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.page_boxes import (
    in_batches,
    is_turned_by_a_quarter,
    joined,
    needs_tiles,
    tiles,
    turned,
    turned_back,
)
from assistant.seeing.wording import plain_width
from models.pictures import load_picture


def box(left: float, top: float, width: float, height: float) -> Any:
    right, bottom = left + width, top + height
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


class FakeEngine:
    """Finds the boxes it is given; each is painted with a number of its own in the picture."""

    def __init__(self, boxes: list[Any], *, flips: bool = False) -> None:
        self.boxes, self.flips = boxes, flips
        self.batches: list[int] = []
        self.delay_s = 0.0

    def __call__(self, bgr: Any, **flags: bool) -> Any:
        assert flags == {"use_det": True, "use_cls": False, "use_rec": False}
        return SimpleNamespace(boxes=self.boxes or None)

    def crop_text_regions(self, bgr: Any, boxes: list[Any]) -> list[Any]:
        found = []
        for each in boxes:
            x, y = each.mean(axis=0)
            found.append(np.full((10, 100, 3), bgr[int(y), int(x), 0], np.uint8))
        return found

    def cls_and_rotate(self, crops: list[Any]) -> tuple[list[Any], Any]:
        label = "180" if self.flips else "0"
        return crops, SimpleNamespace(cls_res=[(label, 0.9)] * len(crops))

    def recognize_txt(self, crops: list[Any]) -> Any:
        time.sleep(self.delay_s)
        self.batches.append(len(crops))
        # Asked both ways round, the second is the surer one.
        score = 0.9 if len(self.batches) != 1 or not self.flips else 0.6
        texts = tuple(f"line {crop[0, 0, 0]}" for crop in crops)
        return SimpleNamespace(txts=texts, scores=(score,) * len(crops))


def reader(engine: FakeEngine) -> RapidOcrReader:
    found = RapidOcrReader()
    found._engine = engine
    return found


def painted(count: int) -> tuple[Any, list[Any]]:
    picture = np.zeros((40 * count + 40, 600, 3), np.uint8)
    boxes = []
    for number in range(count):
        place = box(20, 20 + 40 * number, 260, 24)
        x, y = place.mean(axis=0).astype(int)
        picture[y - 12 : y + 12, x - 120 : x + 120] = number + 1
        boxes.append(place)
    return picture, boxes


def corners(box: Any) -> Any:
    """The corners in an order of their own, whatever they are called."""
    return np.array(sorted(map(tuple, np.asarray(box).tolist())))


def texts(lines: Any) -> list[str]:
    return page_text(reading_order(lines)).split("\n")


def test_lines_come_in_parts_from_the_top() -> None:
    picture, boxes = painted(20)
    parts = list(reader(FakeEngine(boxes[::-1])).parts(picture, limit_s=9))
    assert [(len(part.lines), part.remaining) for part in parts] == [(8, 12), (8, 4), (4, 0)]
    lines = [line for part in parts for line in part.lines]
    assert [line.text for line in lines] == [f"line {number + 1}" for number in range(20)]
    assert np.array(lines[0].box) == pytest.approx(boxes[0])


def test_the_time_limit_and_cancelling_end_a_reading() -> None:
    picture, boxes = painted(20)
    slow = FakeEngine(boxes)
    slow.delay_s = 0.05
    parts = list(reader(slow).parts(picture, limit_s=0.01))
    assert [(len(part.lines), part.remaining, part.late) for part in parts] == [
        (8, 12, False),
        (0, 12, True),
    ]
    engine = FakeEngine(boxes)
    stopped = reader(engine).parts(picture, limit_s=9, cancelled=lambda: len(engine.batches) >= 1)
    assert len(list(stopped)) == 1


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_turned_pages_are_read_upright(quarters: int) -> None:
    picture, boxes = painted(5)
    height, width = picture.shape[:2]
    page = np.ascontiguousarray(np.rot90(picture, quarters))
    placed = [turned(each, quarters, width, height) for each in boxes]
    # The first guess about a quarter turn may be upside down; the engine's look decides.
    engine = FakeEngine(placed, flips=quarters in (1, 2))
    lines = reader(engine).read(page)
    assert texts(lines) == [f"line {number}" for number in range(1, 6)]
    for line, place in zip(sorted(lines, key=lambda each: each.text), placed, strict=True):
        assert corners(line.box) == pytest.approx(corners(place), abs=1.5)


def test_boxes_go_and_come_back() -> None:
    place = box(30, 40, 200, 20)
    for quarters in range(4):
        there = turned(place, quarters, 600, 400)
        back = turned_back(there, quarters, 600, 400)
        assert corners(back) == pytest.approx(corners(place))
    assert is_turned_by_a_quarter([turned(place, 1, 600, 400)])
    assert not is_turned_by_a_quarter([place, box(0, 0, 10, 12)])


def test_tiles_cover_a_page_and_lose_no_line() -> None:
    covered = np.zeros((2300, 3100), bool)
    for left, top, right, bottom in tiles(3100, 2300):
        assert right - left <= 1000 and bottom - top <= 1000
        covered[top:bottom, left:right] = True
    assert covered.all()
    assert list(tiles(500, 700)) == [(0, 0, 500, 700)]
    whole, left, right = box(0, 0, 400, 20), box(0, 1, 210, 18), box(190, 1, 210, 18)
    assert len(joined([whole], [left, right])) == 1
    assert len(joined([], [left, box(0, 40, 210, 18)])) == 2


def test_a_long_line_that_leans_takes_no_word_of_the_next_row() -> None:
    leaning = np.array([(100, 100), (1100, 130), (1099, 160), (99, 130)], float)
    below, within = box(120, 138, 50, 24), box(600, 120, 50, 20)
    kept = joined([leaning], [below, within])
    assert [each.tolist() for each in kept] == [leaning.tolist(), below.tolist()]


def test_a_label_and_its_figure_come_in_one_part() -> None:
    rows = [[0, 1], [2, 3], [4, 5], [6]]
    assert list(in_batches(rows, 3)) == [[0, 1, 2, 3], [4, 5, 6]]
    assert list(in_batches([], 3)) == []


def test_tiles_are_for_small_letters_on_large_pages() -> None:
    assert needs_tiles([box(0, 0, 300, 30)], 3000, 960)
    assert not needs_tiles([box(0, 0, 300, 90)], 3000, 960)
    assert not needs_tiles([box(0, 0, 300, 5)], 900, 960)
    assert needs_tiles([], 3000, 960)


def test_parts_of_a_large_page_for_which_there_was_no_time_are_unread() -> None:
    picture = np.zeros((1500, 2600, 3), np.uint8)
    boxes = [box(20, 20 + 30 * number, 260, 12) for number in range(20)]
    *_, last = reader(FakeEngine(boxes)).parts(picture, limit_s=0)
    assert last.late and last.remaining == 12
    seen = np.zeros(picture.shape[:2], bool)
    for left, top, right, bottom in (tuple(map(int, each.box)) for each in last.unread):
        seen[top:bottom, left:right] = True
    assert seen.all()


def test_no_text_and_a_failing_engine() -> None:
    picture, boxes = painted(2)
    assert reader(FakeEngine([])).read(picture) == ()
    broken: Any = FakeEngine(boxes)
    broken.recognize_txt = lambda crops: 1 / 0
    with pytest.raises(OcrError, match="try another picture"):
        reader(broken).read(picture)


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_receipt_is_read_whichever_way_it_lies(data_dir: Path, quarters: int) -> None:
    picture = load_picture(data_dir / "vision" / "sroie" / "004.jpg")
    page = np.ascontiguousarray(np.rot90(picture, quarters))
    parts = list(RapidOcrReader(threads=1).parts(page, limit_s=60))
    text = page_text(reading_order([line for part in parts for line in part.lines]))
    # Of a turned line a letter may be misread ("STRICILY"), by the processor that reads it.
    assert text.index("MR D.I.Y") < text.index("TOTAL") < text.index("NO CASH REFUND")
    assert len(parts) > 3 and parts[0].remaining > 20


def test_full_width_becomes_plain_and_fractions_stay_whole() -> None:
    assert plain_width("１２：３０（１½）") == "12:30(1½)"
    assert plain_width("Take 1¼ to 2⅔ cups") == "Take 1¼ to 2⅔ cups"
