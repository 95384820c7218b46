"""Which rows are the heads of a table, and which are entries between entries."""

import re

import pytest

from assistant.skills.router import say
from assistant.text.page import Page
from assistant.text.tables import Tables
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

HEATER = page(
    "Fan heater",
    "Cable          1.8 m",
    "Made by        Corvane Ltd",
    "Helpline       0113 496 0182",
)
LAB = page(
    "Eastbay Labs",
    "Test        Result        Reference",
    "pH          6.0           5.0-8.0",
    "Glucose     1+            Negative",
    "Leukocytes  Trace         Negative",
)
WORDS = page(
    "Eastbay Labs",
    "Test        Result        Reference",
    "Protein     Negative      Negative",
    "pH          6.0           5.0-8.0",
)
SIZES = page("Tea room", "            S       M       L", "Latte       3.2     3.7     4.2")
PAY = page(
    "Laundry",
    "Earnings      Hours     Rate      This period     Year to date",
    "Overtime      5.50      25.88     142.34          1,811.60",
    "Federal tax                       112.80          2,424.30",
    "Net pay                           1,165.36        25,081.66",
)
TWO = page(
    "Menu",
    "Starters     Price",
    "Soup         6.00",
    "",
    "",
    "Drinks       Price",
    "Tea          2.00",
)


@pytest.mark.parametrize(
    ("sheet", "row", "heads"),
    [
        pytest.param(HEATER, 3, [], id="an entry without a value heads nothing"),
        pytest.param(LAB, 3, ["Test", "Result", "Reference"], id="an entry has the heads over it"),
        pytest.param(WORDS, 3, ["Test", "Result", "Reference"], id="a word twice heads nothing"),
        pytest.param(TWO, 4, ["Drinks", "Price"], id="heads behind a gap are heads"),
    ],
)
def test_the_heads_over_a_row(sheet: Page, row: int, heads: list[str]) -> None:
    assert [cell.head for cell in Tables(sheet).cells(row)] == heads


@pytest.mark.parametrize(
    ("sheet", "question", "value"),
    [
        (HEATER, "who made it", "Corvane"),
        (LAB, "what is the result for glucose", "1+"),
        (SIZES, "how much is a medium latte", "3.7"),
        (SIZES, "large latte how much", "4.2"),
        (PAY, "how many hours of overtime did I do", "5.50"),
        (PAY, "how much federal tax so far this year", "2,424.30"),
    ],
)
def test_an_entry_is_told_with_its_own_value(sheet: Page, question: str, value: str) -> None:
    said = say(Talk(sheet).ask(question))
    assert value in said and len(re.findall(r"\d+[.,]\d+\b", said.replace("2,4", "24"))) <= 1


def test_of_two_rows_of_cells_one_is_the_answer() -> None:
    sheet = page("An evening of songs", "Emma Stride     soprano", "Luis Caro       guitar")
    answer = Talk(sheet).ask("who is the soprano")
    assert answer.values == ("Emma Stride soprano",)


def test_a_label_with_its_value_close_behind_it_heads_nothing() -> None:
    sheet = page("Made in     Portugal", "Year of manufacture     2024", "Guarantee     2 years")
    assert not any(Tables(sheet).cells(row) for row in range(3))
    assert say(Talk(sheet).ask("where was it made")).endswith("Made in Portugal")
    heads = page("Seat        Coach", "14A         C")
    assert [cell.head for cell in Tables(heads).cells(1)] == ["Seat", "Coach"]
