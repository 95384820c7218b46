"""An amount is named by its whole label."""

import pytest

from assistant.text.amounts import best, named_amounts, names, rank_of
from tests.assistant.text.pages import page

TOTAL = names(
    [
        (6, "amount due;to pay;total rounded"),
        (5, "grand total"),
        (4, "total;summe"),
        (2, "subtotal"),
    ],
    "the of in rm eur amount",
)


def totals(*rows: str) -> list[str]:
    return [place.token.text for place in best(named_amounts(page(*rows), TOTAL))]


@pytest.mark.parametrize(
    "label",
    ["Total weight", "Total saved today", "Your points total", "Total qty", "Total (excluding GST)",
     "Totally natural", "Previous total balance forward", "GST payable", "Total tax"],
)  # fmt: skip
def test_a_label_with_a_word_left_over_names_something_else(label: str) -> None:
    assert rank_of(label, TOTAL) == 0


@pytest.mark.parametrize(
    ("label", "rank"),
    [("TOTAL", 4), ("Total (RM)", 4), ("Grand Total:", 5), ("TOTAL AMOUNT DUE", 6),
     ("Total incl. GST", 4), ("Total (Inclusive of GST)", 4), ("Summe EUR", 4), ("Subtotal", 2)],
)  # fmt: skip
def test_what_may_stand_beside_it_changes_nothing(label: str, rank: int) -> None:
    assert rank_of(label, TOTAL) == rank


def test_the_better_label_wins_whatever_comes_last() -> None:
    assert totals("Subtotal 10.00", "Total 12.40", "Total saved today 1.20") == ["12.40"]
    assert totals("Amount due 61.75", "Total 66.75") == ["61.75"]


def test_two_that_differ_are_both_told() -> None:
    assert totals("Total 10.00", "Total 12.00") == ["10.00", "12.00"]


def test_the_total_of_a_list_of_columns_is_none() -> None:
    rows = ("TOTAL  29.16", "Code  Net  Tax", "Total  27.51  1.65")
    assert totals(*rows) == ["29.16"]


def test_a_label_over_the_amount_and_one_behind_it_count() -> None:
    assert totals("Amount due", "61.75") == ["61.75"]
    assert totals("1.234,56 EUR Summe") == ["1.234,56 EUR"]


def test_a_count_is_no_amount_where_the_page_prints_decimals() -> None:
    assert totals("Total 340", "Milk 1.20") == []
    assert totals("Ramen 980", "Total 1980") == ["1980"]
