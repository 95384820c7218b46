"""Entries of lists by their place: goods, steps, ingredients, articles."""

import pytest

from assistant.text.lists import entries
from assistant.text.page import Page
from tests.assistant.text.pages import page

TILL = page(
    "Kiosk Nord", "Lemonade     2.40", "Pretzel     1.10", "Total     3.50", "Cash     5.00"
)
CARD = page(
    "Starters",
    "Onion soup     6.00",
    "Beetroot     5.50",
    "Drinks",
    "Cider     4.00",
    "Tea     2.00",
)
JAM = page(
    "Plum jam",
    "1. Halve the plums and",
    "take out the stones.",
    "2. Boil them with the sugar.",
    "3. Fill the jars.",
)
BAR = page("Nut bar", "Ingredients: oats, honey (12%, local), sea salt.")


NO_SUM = 99
"""A row below all others: nothing is a sum."""


@pytest.mark.parametrize(
    ("sheet", "noun", "place", "expected"),
    [
        (TILL, "item", "", ["Lemonade 2.40", "Pretzel 1.10"]),
        (CARD, "thing", "drinks", ["Cider 4.00", "Tea 2.00"]),
        (CARD, "starter", "", ["Onion soup 6.00", "Beetroot 5.50"]),
        (BAR, "ingredient", "", ["oats", "honey (12%, local)", "sea salt"]),
        (CARD, "item", "desserts", []),
        (TILL, "step", "", []),
    ],
)
def test_entries(sheet: Page, noun: str, place: str, expected: list[str]) -> None:
    end = 3 if sheet is TILL else NO_SUM
    assert [each.text for each in entries(sheet, noun, place, end)] == expected


def test_a_step_goes_on_to_the_next_number() -> None:
    steps = entries(JAM, "step", "", NO_SUM)
    assert [" ".join(each.text.split()) for each in steps] == [
        "1. Halve the plums and take out the stones.",
        "2. Boil them with the sugar.",
        "3. Fill the jars.",
    ]
