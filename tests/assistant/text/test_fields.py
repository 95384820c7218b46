"""Rows with several labelled values, and what a question takes of them."""

import pytest

from assistant.text.fields import fields
from assistant.text.retrieval import places_for
from tests.assistant.text.pages import page


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("Type KX-20 B Serial no. 3381 0092", ["Type KX-20 B", "Serial no. 3381 0092"]),
        ("IN 110-240 V ~ 2 A OUT 12 V = 1.5 A", ["IN 110-240 V ~ 2 A", "OUT 12 V = 1.5 A"]),
        ("Coach 7 Seat 14 Window", ["Coach 7", "Seat 14 Window"]),
        ("Table: 9 Server: Ivo Guests: 4", ["Table: 9", "Server: Ivo", "Guests: 4"]),
        ("Date 8 February 2027 Time 20:35", ["Date 8 February 2027", "Time 20:35"]),
        ("Batch:Q7710 Exp:11/2029", ["Batch:Q7710", "Exp:11/2029"]),
    ],
)
def test_a_row_is_cut_at_its_labels(row: str, parts: list[str]) -> None:
    assert [each.text for each in fields(row)] == parts


@pytest.mark.parametrize(
    "row",
    [
        "Lunch 11.30 - 14.00, terrace 2",
        "Espresso 2 5.80",
        "Add 3 eggs and bake for 20 minutes.",
        "The fee is paid for 3 years. It does not cover",
        "Duty 20% (not on Books) 51.12",
        "Subtotal 595.00",
    ],
)
def test_one_value_and_prose_are_not_cut(row: str) -> None:
    assert fields(row) == ()


PLATE = page(
    "NORDWIND",
    "Chest freezer Model FZ-88 T",
    "Serial no. 5511 0302 77",
    "INPUT 220-240 V ~ 0.8 A OUTPUT 24 V = 2 A",
    "Fuse 13 A",
    "Made in Denmark 2025",
)


@pytest.mark.parametrize(
    ("question", "value", "never"),
    [
        ("what is the model", "FZ-88 T", "5511"),
        ("serial number please", "5511 0302 77", "FZ-88"),
        ("whats the output", "24 V", "220-240"),
        ("what is the input voltage", "220-240 V", "24 V = 2"),
        ("where was it made", "Denmark", "Fuse"),
    ],
)
def test_of_a_plate_only_the_label_that_is_asked_for(question: str, value: str, never: str) -> None:
    hits = places_for(PLATE, question)
    told = " ".join(hit.passage.text for hit in hits)
    assert value in told and never not in told


def test_a_sentence_is_not_cut_where_a_row_ends() -> None:
    card = page(
        "The guarantee lasts 4 years from the day of purchase. It does not cover",
        "blades, filters or damage caused by falls from more than 2 m.",
    )
    assert "filters" in places_for(card, "are the filters covered")[0].passage.text


def test_an_end_of_a_span_is_never_told_alone() -> None:
    card = page("Pool  8.00 - 21.30, towel 3,00", "Lunch  12.00 - 14.15, terrace", "Bar  dial 4")
    hit = places_for(card, "until when is lunch")[0]
    assert "14.15" in hit.passage.text and hit.value is None


def test_a_mark_of_a_plate_is_its_word() -> None:
    assert "AA7 2210" in places_for(page("Lamp", "S/N AA7 2210"), "the serial")[0].passage.text
