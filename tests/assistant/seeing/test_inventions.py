"""Readings that are taken back or doubted, each of them written down here."""

import numpy as np
import pytest

from assistant.seeing.inventions import taken_back
from assistant.seeing.pieces import Reading
from assistant.seeing.text import LEAST_SURE

BOX = np.array([(0, 0), (90, 0), (90, 30), (0, 30)], float)
HEBREW = Reading(BOX, "", 0.0, True, "Hebrew", 6)


def told(*readings: Reading) -> list[str]:
    return [each.text for each in taken_back(readings)]


def test_a_doubtful_chinese_character_alone_is_not_read_and_a_sure_one_is() -> None:
    assert told(Reading(BOX, "中", 0.88), Reading(BOX, "中", 0.99)) == ["", "中"]
    assert told(Reading(BOX, "出口", 0.7), Reading(BOX, "7", 0.8)) == ["出口", "7"]
    # Beside others that were read.
    assert told(Reading(BOX, "出口", 0.88), Reading(BOX, "中", 0.88)) == ["出口", "中"]


@pytest.mark.parametrize(("text", "is_sure"), [("22222", False), ("00000", False), ("2272", True)])
def test_one_figure_again_and_again_is_not_sure(text: str, is_sure: bool) -> None:
    (reading,) = taken_back([Reading(BOX, text, 0.9)])
    assert reading.text == text and (reading.confidence >= LEAST_SURE) == is_sure
    (surely,) = taken_back([Reading(BOX, text, 0.99)])
    assert surely.confidence == 0.99


def test_letters_of_no_known_shape_are_another_script_unless_something_is_read() -> None:
    alien, sure = Reading(BOX, "RAT AE", 0.54, alien=True), Reading(BOX, "please ring", 0.99)
    (none,) = taken_back([alien])
    assert (none.text, none.foreign, none.script) == ("", True, "")
    assert told(alien, sure) == ["RAT AE", "please ring"]
    assert taken_back([alien], print_known=True) == [alien]


def test_weak_letters_beside_lines_of_another_script_are_of_that_script() -> None:
    weak, sure = Reading(BOX, "NI CCOU", 0.8), Reading(BOX, "please ring", 0.99)
    first, second = taken_back([HEBREW, weak])
    assert first is HEBREW and (second.text, second.script) == ("", "Hebrew") and second.foreign
    assert told(HEBREW, weak, sure, sure) == ["", "NI CCOU", "please ring", "please ring"]
    assert told(weak, weak) == ["NI CCOU", "NI CCOU"]
    # Figures are the same in many scripts, and a script without a name says nothing of others.
    assert told(HEBREW, Reading(BOX, "12.50", 0.8)) == ["", "12.50"]
    assert told(Reading(BOX, "", 0.0, True, "", 4), weak) == ["", "NI CCOU"]
