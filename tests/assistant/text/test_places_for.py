"""Places that answer questions: by form, by table, by heading, by label; and honest silence."""

import pytest

from assistant.text.retrieval import Hit, places_for
from tests.assistant.text.pages import page

FERRY = page(
    "Harbour ferry",
    "Boat     Pier     Weekday     Sunday",
    "A1       North    7:10        9:20",
    "B4       Island   7:35        9:45",
)
GARDEN = page(
    "Allotment society",
    "Meeting on Friday 12 June at 19:30 in Barley Hall, Mill Lane.",
    "Please bring your own cup.",
    "Seeds 4.50",
    "Compost 8.25",
)
SALVE = page(
    "Calendula salve",
    "Rub a thin layer on the skin every 4 hours. Do not use on open wounds.",
    "Keeps for 12 months. Keep below 20 °C.",
)
STEW = page("Bean stew", "You need", "400 g beans", "2 onions", "1 litre stock", "Serves 6")


def told(hits: list[Hit]) -> str:
    return " / ".join(
        hit.cell.text if hit.cell else " ".join(hit.passage.text.split()) for hit in hits
    )


@pytest.mark.parametrize(
    ("question", "cell"),
    [
        ("when does the A1 leave on Sunday", "9:20"),
        ("what is the weekday time of the B4", "7:35"),
        ("which pier is the B4", "Island"),
    ],
)
def test_a_row_and_a_column_that_are_named_give_their_cell(question: str, cell: str) -> None:
    (hit,) = places_for(FERRY, question)
    assert hit.cell is not None and hit.cell.text == cell


def test_of_a_table_with_one_row_the_head_is_enough() -> None:
    sheet = page("Coach     Seat     Class", "14        52B      Second", "Keep this ticket")
    (hit,) = places_for(sheet, "what seat am I in")
    assert hit.cell is not None and (hit.cell.text, hit.cell.name) == ("52B", "")


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("when is the meeting", "12 June"),
        ("where is it", "Barley Hall"),
        ("what do I have to bring", "your own cup"),
        ("how much is the compost", "8.25"),
    ],
)
def test_the_place_that_looks_like_the_answer(question: str, held: str) -> None:
    assert held in told(places_for(GARDEN, question))


@pytest.mark.parametrize(
    ("question", "held", "not_held"),
    [
        ("how often do I rub it in", "every 4 hours", "12 months"),
        ("how long does it keep", "12 months", "every"),
        ("can I put it on an open wound", "Do not use on open wounds", "thin layer"),
    ],
)
def test_one_sentence_of_several_in_a_row(question: str, held: str, not_held: str) -> None:
    text = told(places_for(SALVE, question))
    assert held in text and not_held not in text


def test_a_heading_is_told_with_what_stands_under_it() -> None:
    text = told(places_for(STEW, "what ingredients do I need"))
    assert "400 g beans" in text and "1 litre stock" in text


def test_a_number_before_the_thing_counts_it() -> None:
    assert "2 onions" in told(places_for(STEW, "how many onions"))
    assert "Serves 6" in told(places_for(STEW, "for how many people is it"))


def test_a_question_about_the_thing_itself_asks_for_its_only_value() -> None:
    ticket = page("Lakeside Railway", "Return", "Ticket no. 55 120 447", "Fare £18.60")
    assert "18.60" in told(places_for(ticket, "how much was the ticket"))


@pytest.mark.parametrize(
    "question",
    [
        "how much is the electricity deposit",
        "when does the library open",
        "what is the wifi password",
    ],
)
def test_what_is_not_there_is_not_told(question: str) -> None:
    assert places_for(GARDEN, question) == []


def test_a_word_of_the_same_sense_is_found_but_is_not_literal() -> None:
    board = page("Lawyers    Third floor", "Bakery    Ground floor")
    hits = places_for(board, "where are the solicitors")
    assert "Third floor" in told(hits) and not hits[0].is_literal


def test_other_languages_ask_of_their_own_pages() -> None:
    shop = page("Fietsen Bakker", "Binnenband € 8,95", "Fietsbel € 6,50")
    assert "6,50" in told(places_for(shop, "Wat kost de fietsbel?"))
    assert "6,50" not in told(places_for(shop, "Wat kost de binnenband?"))


def test_a_compound_ends_in_a_word_of_the_same_sense() -> None:
    assert "Nebeneingang" in told(
        places_for(page("Achtung", "Bitte Nebeneingang benutzen"), "which entrance do I use")
    )
