"""Which rows are the heads of a table, and which are entries between entries."""

import pytest

from assistant.answers import Basis
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
        pytest.param(TWO, 4, ["Drinks", "Price"], id="heads behind a gap are heads"),
    ],
)
def test_the_heads_over_a_row(sheet: Page, row: int, heads: list[str]) -> None:
    assert [cell.head for cell in Tables(sheet).cells(row)] == heads


@pytest.mark.parametrize(
    ("sheet", "question", "value"),
    [(HEATER, "who made it", "Corvane"), (LAB, "what is the result for glucose", "1+")],
)
def test_an_entry_is_told_with_its_own_value(sheet: Page, question: str, value: str) -> None:
    assert value in say(Talk(sheet).ask(question))


def test_two_rows_of_cells_are_not_called_the_answer() -> None:
    sheet = page("An evening of songs", "Emma Stride     soprano", "Luis Caro       guitar")
    answer = Talk(sheet).ask("who is the soprano")
    assert "Emma Stride" in say(answer)
    assert answer.basis is Basis.GUESS
