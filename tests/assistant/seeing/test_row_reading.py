"""Rows of glyphs read around a stand-in recognizer: what is told where a part is missing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from assistant.seeing import row_reading
from assistant.seeing.glyph_rows import GlyphRow
from assistant.seeing.pieces import Reading
from assistant.seeing.row_reading import RowReader
from assistant.seeing.text import LEAST_SURE


def box(left: float, top: float, right: float, bottom: float) -> Any:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


GLYPHS = tuple(box(60 + 60 * at, 50, 100 + 60 * at, 130) for at in range(3))
ROW = GlyphRow(box(44, 34, 236, 146), GLYPHS, broken=True)
PART = box(44, 34, 170, 146)


class FakePieces:
    """Reads a place by its left and right edge."""

    def __init__(self, says: dict[tuple[int, int], tuple[str, float]]) -> None:
        self._says = says

    def read(self, bgr: Any, boxes: Sequence[Any]) -> list[Reading]:
        return [Reading(each, *self._says[round(each[0, 0]), round(each[1, 0])]) for each in boxes]


def reader(
    monkeypatch: pytest.MonkeyPatch, says: dict[tuple[int, int], tuple[str, float]], *boxes: Any
) -> RowReader:
    picture = np.full((200, 300, 3), 200, np.uint8)
    return RowReader(FakePieces(says), picture, boxes, [ROW])  # type: ignore[arg-type]  # reads alike


def test_the_whole_value_is_told_in_the_place_of_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = reader(monkeypatch, {(44, 236): ("151", 0.99), (44, 170): ("15", 1.0)}, PART)
    assert [each.text for each in rows.read(rows.boxes)] == ["151"] and not rows.cut


@pytest.mark.parametrize("whole", [("15", 0.99), ("151", 0.8), ("", 0.0)])
def test_a_part_is_never_sure_where_the_whole_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, whole: tuple[str, float]
) -> None:
    rows = reader(monkeypatch, {(44, 236): whole, (44, 170): ("15", 1.0)}, PART)
    read = rows.read(rows.boxes)
    assert [each.text for each in read] == ["15"] and read[0].confidence < LEAST_SURE
    assert [each.text for each in rows.cut] == [""] and (rows.cut[0].box == ROW.box).all()


def test_a_row_beside_which_strokes_stand_is_not_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    says = {(44, 236): ("151", 0.99), (44, 170): ("15", 1.0)}
    rows = reader(monkeypatch, says, PART)
    rows._bgr[50:88, 262:270] = 20  # the half of a "1" at the end
    assert all(each.confidence < LEAST_SURE for each in rows.read(rows.boxes))


def test_a_place_that_holds_the_row_is_read_closely_if_it_is_not_sure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loose = box(30, 20, 250, 160)
    says = {(44, 236): ("151", 0.99), (30, 250): ("I5I", 0.8)}
    rows = reader(monkeypatch, says, loose)
    assert [each.text for each in rows.read([loose])] == ["151"]
    says[44, 236] = ("1S1", 0.8)
    (kept,) = reader(monkeypatch, says, loose).read([loose])
    assert kept.text == "I5I" and kept.confidence < LEAST_SURE
    says[30, 250] = ("151", 0.97)
    (kept,) = reader(monkeypatch, says, loose).read([loose])
    assert kept.text == "151" and kept.box is loose


def display(monkeypatch: pytest.MonkeyPatch, said: str) -> RowReader:
    """A reader of ROW, whose segments say something."""
    monkeypatch.setattr(row_reading, "figures_of", lambda bgr, glyphs: said)
    return reader(monkeypatch, {(44, 236): ("151", 0.99)}, ROW.box)


@pytest.mark.parametrize(
    ("segments", "text", "is_sure"),
    [
        ("151", "151", True), ("151", "151 mmHg", True), ("15.1", "15:1", True),
        ("151", "157", False), ("15.1", "151", False), ("151", "15.1", False),
        ("15.1", "15-:1", False), ("151", "1S1", False), ("1151", "151", False),
    ],
)  # fmt: skip
def test_figures_count_as_read_only_if_their_segments_say_the_same(
    monkeypatch: pytest.MonkeyPatch, segments: str, text: str, is_sure: bool
) -> None:
    for confidence in (0.7, 1.0):
        told = display(monkeypatch, segments).checked(Reading(ROW.box, text, confidence))
        assert told.text == text and (told.confidence >= LEAST_SURE) == is_sure


@pytest.mark.parametrize("confidence", [0.7, 1.0])
def test_segments_that_say_nothing_or_lie_elsewhere_change_nothing(
    monkeypatch: pytest.MonkeyPatch, confidence: float
) -> None:
    reading = Reading(ROW.box, "157", confidence)
    assert display(monkeypatch, "").checked(reading) is reading
    # Of 157 the row holds two figures only: the first was too faint to be one of its glyphs.
    assert display(monkeypatch, "57").checked(reading) is reading
    label = Reading(box(44, 150, 236, 170), "157", confidence)
    assert display(monkeypatch, "151").checked(label) is label
    word = Reading(ROW.box, "AUTO", confidence)
    assert display(monkeypatch, "151").checked(word) is word


def test_a_row_that_lies_in_two_places_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = box(44, 34, 165, 146), box(175, 34, 236, 146)
    says = {(44, 236): ("151", 0.99), (44, 165): ("15", 0.8), (175, 236): ("1", 0.8)}
    rows = reader(monkeypatch, says, first, second)
    assert [each.text for each in rows.read(rows.boxes)] == ["151"]


@pytest.mark.parametrize("said_over", ["151", ""])
def test_figures_beside_words_on_their_head_are_sure_only_if_they_cannot_be_so(
    monkeypatch: pytest.MonkeyPatch, said_over: str
) -> None:
    over = box(150, 170, 250, 195)[[2, 3, 0, 1]]  # its left top lies at the bottom right
    monkeypatch.setattr(row_reading, "figures_of", lambda bgr, glyphs: "151")
    monkeypatch.setattr(row_reading, "figures_over", lambda bgr, glyphs: said_over)
    says = {(44, 236): ("151", 0.99), (250, 150): ("ALARM", 0.99)}
    rows = reader(monkeypatch, says, ROW.box, over)
    found = {each.text: each.confidence >= LEAST_SURE for each in rows.read(rows.boxes)}
    assert found == {"151": not said_over, "ALARM": True}
    again, _ = rows.later([Reading(ROW.box, "151", 0.99)])
    assert (again[0].confidence >= LEAST_SURE) == (not said_over)


def test_what_a_second_look_has_read_is_judged_as_the_first_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = display(monkeypatch, "157")
    told, none = rows.later([Reading(ROW.box, "151", 1.0), Reading(PART, "中", 0.88)])
    assert [(each.text, each.confidence >= LEAST_SURE) for each in told] == [("151", False)]
    assert [each.text for each in none] == [""]
