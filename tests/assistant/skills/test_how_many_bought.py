"""How many things were bought: the receipt's own count, or its entries where they add up."""

import pytest

from assistant.answers import Basis
from assistant.skills.router import say
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

GOODS = ("Kiosk Nord", "2 Lemonade     4.80", "Pretzel     1.10")


@pytest.mark.parametrize(
    "row", ["TOTAL QTY: 3", "ITEM(S) : 3", "3 ITEM(S)", "NO. OF ITEMS     3", "Artikel: 3"]
)
@pytest.mark.parametrize("question", ["how many items", "how many things did I buy"])
def test_the_count_that_is_printed_is_read(row: str, question: str) -> None:
    answer = Talk(page(*GOODS, "Total     5.90", row)).ask(question)
    assert row.replace("     ", " ") in say(answer) and answer.basis is Basis.READ


def test_entries_are_counted_where_they_add_up() -> None:
    answer = Talk(page(*GOODS, "Total     5.90")).ask("how many things did I buy")
    assert "I count 2 different things" in say(answer) and answer.basis is Basis.GUESS


def test_entries_that_do_not_add_up_are_not_counted() -> None:
    answer = Talk(page(*GOODS, "Total     9.90")).ask("how many things did I buy")
    assert "I count" not in say(answer)


def test_a_letter_has_no_items() -> None:
    answer = Talk(page("Dear Mr Rao,", "Please bring 3 items of identity.")).ask("how many items")
    assert "different" not in say(answer) and "3" in say(answer)
