"""What was bought, wherever a paper puts the figures: beside a name, below it, above it."""

import pytest

from assistant.skills.goods import end_of_goods
from assistant.text.goods import add_up, goods
from assistant.text.page import Page
from tests.assistant.text.pages import page

BESIDE = page("Kiosk Nord", "2 Lemonade     4.80", "Pretzel     1.10", "Total     5.90")
BELOW = page(
    "Kiosk Nord",
    "TAX INVOICE",
    "ITEM     QTY     TOTAL",
    "Lemonade cold",
    "2 X     2.40     4.80 S",
    "Pretzel",
    "1 X     1.10     1.10 S",
    "TOTAL QTY: 3",
    "TOTAL (EXCLUDING TAX):     5.90",
    "TAX:     0.00",
)
ABOVE = page(
    "Kiosk Nord",
    "QTY     DESCRIPTION     AMOUNT",
    "2     80417     4.80 S",
    "Lemonade cold",
    "1     80418     1.10 S",
    "Pretzel",
    "SUB TOTAL AMT     5.90",
)
COUNTED = page(
    "Kiosk Nord",
    "DATE: 03/04/2026",
    "440 Lemonade cold",
    "2 BOTTLE @ 2.40     4.80",
    "Pretzel",
    "1 x 1.10     1.10",
    "GST TAX AMT     0.33",
    "Total     5.90",
)
CODED = page(
    "Kiosk Nord",
    "-INVOICE-",
    "LEMONADE COLD 500ML",
    "WA45 /2A - 12",
    "9555916500133     2     X     2.40     4.80",
    "PRETZEL SALTED",
    "WA44-A - 12",
    "9555916500126     1     X     1.10     1.10",
    "ITEM(S): 2",
    "TOTAL     5.90",
)


def told(sheet: Page) -> list[str]:
    return [" ".join(each.text.split()) for each in goods(sheet, end_of_goods(sheet))]


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [
        (BESIDE, ["2 Lemonade 4.80", "Pretzel 1.10"]),
        (BELOW, ["Lemonade cold 2 X 2.40 4.80 S", "Pretzel 1 X 1.10 1.10 S"]),
        (ABOVE, ["Lemonade cold 2 4.80 S", "Pretzel 1 1.10 S"]),
        (COUNTED, ["440 Lemonade cold 2 BOTTLE @ 2.40 4.80", "Pretzel 1 x 1.10 1.10"]),
        (CODED, ["LEMONADE COLD 500ML 2 X 2.40 4.80", "PRETZEL SALTED 1 X 1.10 1.10"]),
    ],
)
def test_a_name_comes_with_its_figures(sheet: Page, expected: list[str]) -> None:
    assert told(sheet) == expected
    assert add_up(sheet, goods(sheet, end_of_goods(sheet)), end_of_goods(sheet))


@pytest.mark.parametrize(
    "row",
    [
        *("TOTAL (EXCLUDING GST):     4.60", "SUB TOTAL AMT     4.60", "TOT QTY:     2     4.60"),
        *("GST TA AMT     1.30", "MwSt 19%     1,30", "Zwischensumme     4,60", "CASH     5.00"),
    ],
)
def test_a_sum_was_not_bought(row: str) -> None:
    sheet = page("Kiosk Nord", "GST REG NO: 0013357", row)
    assert told(sheet) == []


def test_figures_without_a_name_of_their_own_are_no_entry() -> None:
    sheet = page("Milk     2.00", "0.532 kg @ 2.35     1.25", "Total     3.25")
    assert told(sheet) == ["Milk 2.00"]


def test_what_does_not_add_up_is_noticed() -> None:
    short = page("Lemonade cold", "2 X     2.40     4.80", "TOTAL     5.90")
    end = end_of_goods(short)
    assert not add_up(short, goods(short, end), end)
