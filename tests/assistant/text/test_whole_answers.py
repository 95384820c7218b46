"""What is about a question and does not answer it, or not all of it, is told as a guess."""

import pytest

from assistant.answers import Answer, Basis, Found
from assistant.text.page import Page
from assistant.text.whole_answers import can_be_all
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

FORM = page("Registration", "7. Previous doctor", "8. Locker (optional)      Towel service")
METER = page("Town gas", "Meter reading      3,118      3,171      53", "Rate per unit      0.40")
TABLETS = page("Directions", "Chew 2 to 4 tablets when heartburn begins.", "Shake 1 time.")
BAG = page("Your visit", "Bring with you:", "- this letter", "- your glasses", "Ward 4")
STEPS = page("Your visit", "What to bring:", "1. this letter", "3. your glasses", "Ward 4")
MEAL = page("Jiawei House", "Fish head      35.00", "Service Charge RM      0.00")
COOKING = page(
    "Preparation. Stir the sauce while the water",
    "boils for twelve minutes and no longer than",
    "that.",
)
PLAIN = page("Clinic", "Surgery hours: Mon to Fri 8.30 - 18.30", "Bring this card.")


def asked(sheet: Page, question: str) -> Answer:
    return Talk(sheet).ask(question)


@pytest.mark.parametrize(
    ("sheet", "question"),
    [
        pytest.param(FORM, "what is the previous doctor called", id="only the question's words"),
        pytest.param(FORM, "did he take a locker", id="another name does not say yes or no"),
        pytest.param(METER, "what is the meter reading", id="a row of several values"),
        pytest.param(TABLETS, "how many do I chew", id="one end of a span"),
        pytest.param(MEAL, "who served me", id="an amount where a person is asked for"),
        pytest.param(STEPS, "what do I have to bring", id="a list that lacks a number"),
    ],
)
def test_what_may_not_be_all_of_it_is_no_more_than_a_guess(sheet: Page, question: str) -> None:
    assert asked(sheet, question).basis is not Basis.READ


@pytest.mark.parametrize(
    ("sheet", "question", "value"),
    [
        (PLAIN, "when are the surgery hours", "Surgery hours: Mon to Fri 8.30 - 18.30"),
        (METER, "what is the rate per unit", "0.40"),
    ],
)
def test_a_whole_row_a_whole_sentence_and_a_labelled_value_stay_read(
    sheet: Page, question: str, value: str
) -> None:
    answer = asked(sheet, question)
    assert answer.basis is Basis.READ
    assert value in answer.found[0].value


def test_a_list_that_is_told_to_its_end_is_read() -> None:
    answer = asked(BAG, "what do I have to bring with me")
    assert answer.basis is Basis.READ
    assert answer.values == ("this letter", "your glasses")


def test_a_place_that_tells_a_list_without_its_end_is_not_all_of_it() -> None:
    quoted = BAG.passage(1, 2)
    found = Found(quoted.text, None, quoted.lines)
    assert not can_be_all(BAG, found, "what do I have to bring with me")


@pytest.mark.parametrize(("row", "is_whole"), [(0, True), (1, False)])
def test_what_begins_in_the_middle_of_a_sentence_is_not_all_of_it(
    row: int, *, is_whole: bool
) -> None:
    quoted = COOKING.rows[row]
    found = Found(quoted.text, None, quoted.pieces)
    assert can_be_all(COOKING, found, "how long is that") is is_whole


@pytest.mark.parametrize(
    ("value", "question", "is_whole"),
    [
        ("Towel service", "did he take a locker", False),
        ("Towel service", "what stands beside the locker", True),
        ("no. 14", "did he take a locker", True),
    ],
)
def test_another_name_does_not_tell_yes_from_no(
    value: str, question: str, *, is_whole: bool
) -> None:
    found = Found(value, "Locker", FORM.rows[2].pieces)
    assert can_be_all(FORM, found, question) is is_whole
