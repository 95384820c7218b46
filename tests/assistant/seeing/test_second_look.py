"""Places read whichever way they lie, and the second look, around a stand-in engine."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assistant.seeing.ink import Ink
from assistant.seeing.pieces import PieceReader, Reading, is_broken, letters_of, vote
from assistant.seeing.second_look import COPY, SecondLook
from assistant.seeing.text import LEAST_SURE, never


def box(left: float, top: float, width: float, height: float) -> Any:
    right, bottom = left + width, top + height
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


class FakeEngine:
    """Cuts out as the engine does; reads by a table of the level at the left top of a crop."""

    def __init__(self, says: dict[int, tuple[str, float]], boxes: tuple[Any, ...] = ()) -> None:
        self.says, self.boxes = says, boxes
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, bgr: Any, **flags: bool) -> Any:
        self.sizes.append(bgr.shape[:2])
        scale = bgr.shape[1] / 1000
        return SimpleNamespace(
            boxes=[each * scale for each in self.boxes] or None, scores=[0.8] * len(self.boxes)
        )

    def crop_text_regions(self, bgr: Any, boxes: list[Any]) -> list[Any]:
        crops = []
        for each in boxes:
            (left, top), (right, bottom) = each.min(axis=0), each.max(axis=0)
            crop = bgr[int(top) : int(bottom), int(left) : int(right)]
            tall = crop.shape[0] >= 1.5 * crop.shape[1]
            crops.append(np.ascontiguousarray(np.rot90(crop) if tall else crop))
        return crops

    def recognize_txt(self, crops: list[Any]) -> Any:
        found = [self.says.get(int(crop[0, 0, 0]), ("", 0.0)) for crop in crops]
        return SimpleNamespace(txts=[t for t, _ in found], scores=[s for _, s in found])


def picture() -> Any:
    return np.full((600, 1000, 3), 200, np.uint8)


def test_what_most_readings_say_is_sure_and_what_they_dispute_is_not() -> None:
    text, confidence = vote([("105", 1.0), ("105-", 0.98), ("1 05", 0.97), ("05", 0.9)])
    assert text == "105" and confidence > 0.95
    text, confidence = vote([("14.06", 1.0), ("14.06", 1.0), ("14.86", 0.98), ("14.86", 0.99)])
    assert text == "14.06" and confidence < LEAST_SURE
    # What is read less surely was spoilt by closing, and disputes nothing.
    times = [("21:13", 1.0), ("21:13", 1.0), ("21:13", 1.0), ("2:13", 0.85), ("2=13", 0.8)]
    assert vote(times) == ("21:13", 1.0)
    # Points are lost where gaps are closed: the first reading with most marks counts.
    assert vote([("31.00", 0.92), ("3100", 0.98), ("3100", 0.98), ("3100", 0.97)])[0] == "31.00"
    assert vote([("a", 0.3), ("", 0.9)]) == ("", 0.0)
    # A mark that one look of many has seen is told, but not surely; so is what is read less well.
    text, confidence = vote([("8:8", 0.99), ("88", 1.0), ("88", 1.0), ("88", 0.99)])
    assert text == "8:8" and confidence < LEAST_SURE
    text, confidence = vote([("C84302", 0.93), ("C84302", 0.92), ("C84302", 0.92)])
    assert text == "C84302" and confidence < LEAST_SURE


def test_many_pieces_for_a_character_are_broken_ink() -> None:
    assert is_broken("158", Ink(8, 5, 0, True)) and is_broken("**", Ink(2, 40, 0, True))
    assert is_broken("", Ink(1, 30, 0, True))
    assert not is_broken("HELLO", Ink(5, 1, 0, True))
    assert letters_of(Ink(9, 0, 0, True, cut=6)) == 0 and letters_of(Ink(9, 0, 0, True)) == 9


@pytest.mark.parametrize(
    ("corner", "first"),
    [
        ((50, 249), (50, 250)),  # reads up: its left top lies at the bottom left
        ((79, 50), (80, 50)),  # reads down
    ],
)
def test_a_tall_place_is_read_the_way_it_lies(corner: Any, first: Any) -> None:
    rgb = picture()
    place = box(50, 50, 30, 200)
    x, y = corner
    rgb[y, x] = 7  # the left top of the text, once it is upright
    engine = FakeEngine({7: ("EXP 14.06.2027", 0.99), 200: ("EX.027", 0.72)})
    [reading] = PieceReader(engine).read(rgb, [place])
    assert (reading.text, reading.confidence) == ("EXP 14.06.2027", 0.99)
    assert tuple(reading.box[0]) == first
    along = reading.box[1] - reading.box[0]
    assert math.hypot(*along) == pytest.approx(200)


def test_a_line_that_is_clearly_better_upside_down_is_turned() -> None:
    rgb, place = picture(), box(50, 50, 200, 30)
    rgb[79, 249] = 7
    engine = FakeEngine({7: ("BEST BEFORE", 0.97), 200: ("3R0", 0.6)})
    [reading] = PieceReader(engine).read(rgb, [place])
    assert reading.text == "BEST BEFORE" and tuple(reading.box[0]) == (250, 80)
    # What is only a little better stays as it lies.
    engine.says[200] = ("BEFORE IT", 0.84)
    [reading] = PieceReader(engine).read(rgb, [place])
    assert reading.text == "BEFORE IT" and tuple(reading.box[0]) == (50, 50)


def test_the_second_look_adds_what_most_readings_say() -> None:
    engine = FakeEngine({200: ("105", 0.98)}, (box(300, 200, 300, 120), box(50, 50, 200, 30)))
    known = [Reading(box(50, 50, 200, 30), "mmHg", 1.0)]
    added, unread = SecondLook(engine, PieceReader(engine)).look(picture(), known, math.inf, never)
    assert [(each.text, each.confidence > 0.9) for each in added] == [("105", True)]
    assert np.array(added[0].box) == pytest.approx(box(300, 200, 300, 120), abs=1)
    assert unread == [] and all(max(size) == COPY for size in engine.sizes)


def test_what_nobody_can_read_is_unread_and_weak_pieces_come_back() -> None:
    rgb = picture()
    place = box(300, 200, 300, 60)
    for left in range(330, 570, 40):  # six letters of ink, clear of the edges
        rgb[215:245, left : left + 12] = 20
    engine = FakeEngine({}, (place,))
    weak = Reading(box(10, 500, 20, 30), "7", 0.9)
    added, unread = SecondLook(engine, PieceReader(engine)).look(rgb, [weak], math.inf, never)
    assert [each.text for each in added] == ["7"]
    assert len(unread) == 1 and unread[0].foreign
    # The same found once only, or on a plain ground, is nothing.
    added, unread = SecondLook(engine, PieceReader(engine)).look(picture(), [], math.inf, never)
    assert (added, unread) == ([], [])


def test_a_second_look_ends_in_time_and_when_nobody_wants_it() -> None:
    engine = FakeEngine({200: ("105", 0.98)}, (box(300, 200, 300, 120),))
    look = SecondLook(engine, PieceReader(engine))
    assert look.look(picture(), [], -math.inf, never) == ([], [])
    assert look.look(picture(), [], math.inf, lambda: True) == ([], [])
    assert engine.sizes == []


def test_what_is_not_sure_is_left_to_those_parts_of_it_that_are() -> None:
    both = Reading(box(250, 180, 400, 400), "15.1007", 0.6)
    assert both.is_weak and not Reading(box(0, 0, 90, 30), "15.1007", 0.8).is_weak
    engine = FakeEngine({200: ("105", 0.98)}, (box(300, 200, 300, 120),))
    added, unread = SecondLook(engine, PieceReader(engine)).look(picture(), [both], math.inf, never)
    # The rest of it is said to be unread.
    assert [each.text for each in added] == ["105"]
    assert [each.box.tolist() for each in unread] == [both.box.tolist()]


def test_letters_beside_what_was_read_are_read_or_said_to_be_there() -> None:
    rgb = picture()
    for left in range(300, 396, 24):
        rgb[110:130, left : left + 14] = 20
        rgb[113:127, left + 3 : left + 11] = 200
    known = [Reading(box(50, 100, 220, 40), "opening hours", 1.0)]
    engine = FakeEngine({})
    for text, score in (("9-17", 0.98), ("9-17", 0.6)):
        engine.says[200] = (text, score)
        look = SecondLook(engine, PieceReader(engine))
        added, unread = look.look(rgb, known, math.inf, never)
        assert [each.text for each in added] == (["9-17"] if score > 0.9 else [])
        [found] = [*added, *unread]
        (left, top), (right, bottom) = found.box.min(axis=0), found.box.max(axis=0)
        assert 285 < left < 300 and 386 < right < 402 and 100 < top < 110 and 130 < bottom < 140


def test_what_there_was_no_time_for_is_unread() -> None:
    blank = Reading(box(300, 200, 300, 60), "", 0.2, letters=6)
    look = SecondLook(FakeEngine({}), PieceReader(FakeEngine({})))
    assert look.look(picture(), [blank], -math.inf, never) == ([], [blank])
