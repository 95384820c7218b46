"""A row that shares a word with a question is likely about it, and not yet its answer."""

import pytest

from assistant.answers import Answer, Basis
from assistant.text.page import Page
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

ADVERT = page(
    "Larkhill Council Homes",
    "Telephonist, 25 hours",
    "Confirm by email to our jobs office.",
    "Vacancy number     LCH-0881",
    "Bring this card.",
)


def asked(sheet: Page, question: str) -> Answer:
    return Talk(sheet).ask(question)


@pytest.mark.parametrize("question", ["what is the job", "what do I bring"])
def test_one_word_in_common_is_a_guess(question: str) -> None:
    answer = asked(ADVERT, question)
    assert answer.found and answer.basis is Basis.GUESS


def test_a_short_label_and_its_value_or_two_words_are_read() -> None:
    assert asked(ADVERT, "what is the vacancy number").basis is Basis.READ
    both = asked(
        page("Shop", "The fitting rooms are behind the tills."), "where are the fitting rooms"
    )
    assert both.basis is Basis.READ


def test_what_is_largest_is_likely_the_name_of_the_thing() -> None:
    answer = asked(
        page("Whitgrip", "Denture Cleansing Tablets", "Mint  66 tablets"), "what make is it"
    )
    assert answer.found and answer.basis is Basis.GUESS
