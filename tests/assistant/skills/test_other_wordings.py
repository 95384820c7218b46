"""Values that are asked for in idioms, and those that a paper names for somebody else."""

import pytest

from assistant.answers import Basis
from assistant.skills.router import say, understand
from assistant.text.page import Page
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

FAIR = page("Marble Fair", "Visitor      £7.00", "Carer      free")
DIARY = page("Boiler record", "Fitted by Holt in 2014", "Flue replaced in 2021")
CARD = page(
    "Rosa Field",
    "Piano lessons",
    "07700 900 123",
)
BILL = page(
    "Tiler Green",
    "Tiles      80.00",
    "Labour      140.00",
    "Balance now owing      £220.00",
)
NOTE = page(
    "Dear Ina,",
    "we were glad to see you at the lake.",
    "Love from Karl and Mia",
)


@pytest.mark.parametrize(
    ("question", "skill"),
    [
        ("what did I pay with", "paid"),
        ("which card did we pay for it with", "paid"),
        ("what did I pay", "total"),
        ("what did I pay with tax", "total"),
    ],
)
def test_what_one_pays_with_is_no_amount(question: str, skill: str) -> None:
    assert understand(question).skill == skill


@pytest.mark.parametrize(
    ("paper", "question", "value"),
    [
        (FAIR, "does my carer have to pay", "Carer free"),
        (DIARY, "what year was the flue replaced", "2021"),
        (CARD, "what's her number", "07700 900 123"),
        (BILL, "how much do they want from me", "220.00"),
        (NOTE, "who wrote this", "Karl and Mia"),
    ],
)
def test_an_idiom_asks_for_the_value(paper: Page, question: str, value: str) -> None:
    assert value in say(Talk(paper).ask(question))


def test_what_a_visitor_pays_is_not_told_of_the_carer() -> None:
    assert "7.00" not in say(Talk(FAIR).ask("does my carer have to pay"))


def test_which_of_several_years_is_a_guess() -> None:
    assert Talk(DIARY).ask("what is the year").basis is Basis.GUESS


@pytest.mark.parametrize(
    "question", ["do they allow cats, does it say", "how long are we supposed to read"]
)
def test_who_asks_about_something_does_not_want_all_of_it_read(question: str) -> None:
    assert understand(question).skill != "read"
