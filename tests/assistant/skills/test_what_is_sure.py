"""What is called read: the place that holds what was said, and nothing that only may be meant."""

import pytest

from assistant.answers import Basis
from assistant.skills.router import say
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

SLIP = page(
    "Employee     Ana Reyes",
    "          This period     Year to date",
    "Federal tax     112.80     2,424.30",
    "Pool depth     0.9 m",
    "Reminder: all lockers must be emptied before the caretaker makes his round at ten in the "
    "evening because everything that is left in one of them will be given to charity next day",
)


def test_two_values_with_one_name_are_a_guess() -> None:
    answer = Talk(SLIP).ask("how much is the federal tax")
    assert answer.basis is not Basis.READ or len(answer.found) == 1


def test_a_word_that_stands_for_a_saying_finds_no_more_than_a_guess() -> None:
    answer = Talk(page("Sunny Baths", "Depth 0.9 m", "No diving")).ask("how deep does it get")
    assert "0.9 m" in say(answer) and answer.basis is Basis.GUESS


def test_who_recites_has_not_chosen() -> None:
    answer = Talk(SLIP).ask("what about the lockers")
    assert answer.basis is not Basis.READ


@pytest.mark.parametrize(
    ("top", "question", "basis"),
    [
        ("Harbour Repairs", "who is it from", Basis.READ),
        ("We have your parcel", "who is it from", Basis.GUESS),
        ("Harbour Repairs", "who sent it", Basis.GUESS),
        ("Harbour Repairs", "who signed it", Basis.GUESS),
    ],
)
def test_a_top_row_names_nobody_who_did_something_for_sure(
    top: str, question: str, basis: Basis
) -> None:
    slip = page(top, "Collect it before Friday", "Desk open 9:00 - 17:00")
    assert Talk(slip).ask(question).basis is basis


def test_a_sender_with_its_label_is_read() -> None:
    slip = page("Sender: Harbour Repairs", "Collect it before Friday")
    assert Talk(slip).ask("who sent it").basis is Basis.READ


def test_what_is_counted_is_said_to_be_counted() -> None:
    answer = Talk(page("Trio", "1 Geese", "2 Mill", "3 Snow", "Oslo")).ask(
        "how many songs are there"
    )
    assert "I count 3 songs" in say(answer) and answer.basis is Basis.GUESS
