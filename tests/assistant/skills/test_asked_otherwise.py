"""A value is not told as the answer of a question that asks for something else about it."""

import pytest

from assistant.answers import Basis
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

SLIP = page(
    "Royal Post",
    "To pay     £20.20",
    "Pay at any post office with this card.",
    "Written on 4 May 2026",
)


@pytest.mark.parametrize("question", ["how do I pay", "where do I pay"])
def test_how_and_where_somebody_pays_is_no_amount(question: str) -> None:
    answer = Talk(SLIP).ask(question)
    assert "post office" in " ".join(answer.values) and answer.basis is Basis.GUESS


def test_an_amount_tells_whether_somebody_pays_as_a_guess_only() -> None:
    assert Talk(SLIP).ask("how much do I have to pay").basis is Basis.READ
    assert Talk(SLIP).ask("do I have to pay").basis is Basis.GUESS


def test_the_day_of_a_deed_that_is_not_spoken_of_is_a_guess() -> None:
    assert Talk(SLIP).ask("what is the date").basis is Basis.READ
    assert Talk(SLIP).ask("what day do we get the house").basis is not Basis.READ


def test_an_amount_with_its_currency_is_no_date_below_a_label_of_dates() -> None:
    tin = page("Best before     see base of tin", "6 pack £5.40     single £1.05")
    answer = Talk(tin).ask("what is the date")
    assert "5.40" not in " ".join(answer.values)


def test_whose_funeral_it_is_for_is_not_sure_to_be_whom_the_letter_is_for() -> None:
    letter = page(
        "Harker & Sons", "Mrs Vera Harker", "9 Carr End Lane", "Dear Mrs Harker,", "Thank you."
    )
    assert Talk(letter).ask("who is it for").basis is Basis.READ
    assert Talk(letter).ask("whose funeral is it for").basis is not Basis.READ


def test_what_is_said_beside_a_question_and_stands_nowhere_leaves_a_value_in_doubt() -> None:
    pool = page("Pool", "Swim     $9.95")
    assert Talk(pool).ask("how much is it").basis is Basis.READ
    assert Talk(pool).ask("He is only five. How much is it?").basis is Basis.GUESS
    assert Talk(pool).ask("We want a swim. How much is it?").basis is not Basis.UNKNOWN
