"""Which lines answer a question."""

import pytest

from assistant.text.calendar_names import weekdays
from assistant.text.meaning import content_words, likeness
from assistant.text.retrieval import places_for
from tests.assistant.text.pages import page

BANK = page(
    "First National Bank",
    "Account number 4471 2209 8830",
    "Balance due 310.55 by 20 Dec 2026",
    "Minimum payment 35.00",
    "Customer service 0800 555 1234",
    "Fraud line 0800 555 9999",
)
HOURS = page("Opening hours", "Mon-Fri 8:30 - 17:45", "Sat 9:15 - 12:00", "Closed on Sunday")
FOOD = page("Choco Bar 40 g", "Energy 2210 kJ / 528 kcal", "Sodium 20mg", "Sugars 48 g")


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("what is the minimum payment please", "35.00"),
        ("Whats the customer service number?", "0800 555 1234"),
        ("number of the fraud line", "0800 555 9999"),
    ],
)
def test_the_row_that_accounts_for_the_question_gives_its_value(question: str, value: str) -> None:
    hits = places_for(BANK, question)
    assert hits and hits[0].value is not None and hits[0].value.token.text == value


def test_a_day_is_found_in_a_span_of_days() -> None:
    assert places_for(HOURS, "when do they open on Saturday")[0].passage.text.startswith("Sat")
    assert places_for(HOURS, "when do you open on wednesday")[0].passage.text.startswith("Mon-Fri")
    assert places_for(HOURS, "are they open on sunday")[0].passage.text == "Closed on Sunday"


def test_a_word_of_the_same_sense_counts() -> None:
    assert "528 kcal" in places_for(FOOD, "how many calories")[0].passage.text
    assert "Sodium" in places_for(FOOD, "how much sodium is in this?")[0].passage.text


@pytest.mark.parametrize(
    "question", ["how much protein is in it", "where is my wallet", "what is this"]
)
def test_what_is_not_there_is_not_found(question: str) -> None:
    assert places_for(FOOD, question) == []


def test_courtesy_and_place_are_no_subject() -> None:
    words = content_words("Hi, could you please tell me the price on this label? Thank you!")
    assert words == ("price",)


@pytest.mark.parametrize(
    ("asked", "printed"),
    [
        ("parking", "noparking"),
        ("ingredient", "INGREDIENTS"),
        ("insurance", "lnsurance"),
    ],
)
def test_stems_compounds_and_near_spellings_match(asked: str, printed: str) -> None:
    assert likeness(asked, printed.lower()) > 0


@pytest.mark.parametrize(
    ("asked", "printed"),
    [("change", "charge"), ("total", "tool"), ("2026", "2027"), ("tax", "taxi")],
)
def test_other_words_do_not(asked: str, printed: str) -> None:
    assert likeness(asked, printed) == 0


def test_weekdays_of_a_span() -> None:
    assert weekdays("Mon-Fri") == {0, 1, 2, 3, 4}
    assert weekdays("Fri - Mon") == {4, 5, 6, 0}
    assert weekdays("Samstag") == {5} and weekdays("nothing") == frozenset()


def test_a_question_of_four_hundred_words_and_a_page_of_twelve_thousand_are_borne() -> None:
    rows = [f"row {number} holds word{number} and more words of no use" for number in range(1500)]
    assert places_for(page(*rows), "please " * 400 + "word700")[0].passage.text.startswith(
        "row 700 "
    )


COTTAGE = page(
    "Welcome to Seaview Cottage",
    "WiFi network: SeaviewGuest",
    "Password: blue-92",
    "Check out is at 10 am.",
    "The rubbish goes out on Thursday evening.",
)


@pytest.mark.parametrize("question", ["what's the wifi password", "wi-fi password please"])
def test_two_rows_one_under_the_other_answer_together_where_neither_does_alone(
    question: str,
) -> None:
    (hit,) = places_for(COTTAGE, question)
    assert "blue-92" in hit.passage.text
    assert not hit.is_literal


def test_rows_apart_answer_nothing_together() -> None:
    hits = places_for(COTTAGE, "which password does the rubbish have")
    assert not any("blue-92" in hit.passage.text and "rubbish" in hit.passage.text for hit in hits)


def test_a_label_with_its_value_is_no_heading_of_what_follows() -> None:
    (hit,) = places_for(COTTAGE, "what is the password")
    assert hit.passage.text == "Password: blue-92"
