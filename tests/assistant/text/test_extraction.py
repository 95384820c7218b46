"""Values come out of lines as they stand, with their line, and doubts are named."""

import pytest

from assistant.seeing.layout import Row
from assistant.seeing.text import TextLine
from assistant.text.extraction import (
    find_amounts,
    find_dates,
    find_doses,
    find_expiry,
    find_phones,
    find_price,
    find_total,
)


def rows(*texts: str) -> list[Row]:
    """One row for each text; " | " separates pieces of a row."""
    made = []
    for y, text in enumerate(texts):
        pieces = []
        for x, piece in enumerate(text.split(" | ")):
            left, top = 200.0 * x, 30.0 * y
            box = ((left, top), (left + 190, top), (left + 190, top + 20), (left, top + 20))
            pieces.append(TextLine(piece, box, 0.9))
        made.append(Row(tuple(pieces)))
    return made


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Date: 15/03/2018", "15/03/2018"),
        ("18-11-18 13:58 SH01 T2", "18-11-18"),
        ("Date:9/3/201820:54:50", "9/3/2018"),
        ("05 Mar 2018 18:24", "05 Mar 2018"),
        ("31Jul2018 Balance", "31Jul2018"),
        ("March 5, 2024", "March 5, 2024"),
        ("2024-02-29T10:00", "2024-02-29"),
        ("1.2.2024", "1.2.2024"),
    ],
)
def test_dates_are_read_as_they_stand(text: str, date: str) -> None:
    found = find_dates(rows("No. 12/3 Harmony Road", text))
    assert [value.text for value in found] == [date]
    assert found[0].row.text == text


@pytest.mark.parametrize(
    "text",
    ["Tel 07-8263254", "32/13/2018", "00/05/2018", "12,50", "1 X 3.11", "192.168.10.20", "5-300"],
)
def test_what_is_no_date(text: str) -> None:
    assert find_dates(rows(text)) == []


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("03/04/25", "the year"),
        ("03/04/2025", "the day and which the month"),
        ("13/04/2025", ""),
        ("04/04/2025", ""),
        ("3 Apr 2025", ""),
        ("2025-04-03", ""),
    ],
)
def test_ambiguous_dates_are_called_so(text: str, doubt: str) -> None:
    (value,) = find_dates(rows(text))
    assert (doubt in value.note) if doubt else value.note == ""


def test_labelled_date_comes_first_and_printing_date_last() -> None:
    found = find_dates(rows("Printed date: 01/01/2020", "14/07/2019", "Date : | 13/05/2019"))
    assert [value.text for value in found] == ["13/05/2019", "14/07/2019", "01/01/2020"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["MFD.12:2023EXP.11/2025"], ["11/2025"]),
        (["Mfg 03/2023 | Exp. date 02/2026"], ["02/2026"]),
        (["BEST BEFORE", "12 AUG 2025"], ["12 AUG 2025"]),
        (["Use by 14.08.25"], ["14.08.25"]),
        (["EXP MAY 2026"], ["MAY 2026"]),
        (["Manufactured 01/02/2024"], []),
        (["Date 01/02/2024"], []),
        (["BEST BEFORE", "MFD 12/2023"], []),
        (["An expert 12/2024"], []),
    ],
)
def test_expiry_needs_its_label(lines: list[str], expected: list[str]) -> None:
    assert [value.text for value in find_expiry(rows(*lines))] == expected


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        (
            ["Total RM 30.91", "ROUNDING -RM 0.01", "TOTAL ROUNDED RM 30.90", "CASH 51.00"],
            "RM 30.90",
        ),
        (["SUB TOTAL : 20.00", "GRAND TOTAL : | 21.20", "CHANGE : 0.00"], "21.20"),
        (["Total (Excluding GST): 6.62", "TOTAL: 7.00"], "7.00"),
        (["Total (Inclusive of GST): 65.72", "Rounding Adj -0.02", "TOTAL: 65.70"], "65.70"),
        (["Total: 8.00", "GST Summary Amount", "Total 7.55 0.45", "Total 7.55"], "8.00"),
        (["Total GST 0.45", "Total Qty: 5"], None),
        (["TOTAL", "$ 1,234.50"], "$1,234.50"),
        (["TOTAL RM5:00"], "RM 5.00"),
        (["Milk 2.10", "Bread 3.40"], None),
    ],
)
def test_the_amount_to_pay(lines: list[str], total: str | None) -> None:
    found = find_total(rows(*lines))
    assert (None if found is None else found.text) == total


def test_a_subtotal_alone_is_called_so() -> None:
    found = find_total(rows("SUBTOTAL 28.70", "CASH 100.00"))
    assert found is not None and found.text == "28.70"
    assert "subtotal" in found.note


def test_price_by_label_then_total_then_all() -> None:
    def prices(*lines: str) -> list[str]:
        return [value.text for value in find_price(rows(*lines))]

    assert prices("Jam", "Price: £2.50", "was 3.00") == ["£2.50"]
    assert prices("M.R.P. Rs.53.60 for 10 caps") == ["Rs.53.60"]
    assert prices("Milk 2.10", "Total 2.10") == ["2.10"]
    assert prices("Milk 2.10", "Bread 3.40") == ["2.10", "3.40"]


def test_amounts_are_whole_figures() -> None:
    assert [v.text for v in find_amounts(rows("99,878.08 RM1.38 12:30:15 3.5 4.123"))] == [
        "99,878.08",
        "RM 1.38",
    ]


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("Price 1.89 EUR", ["1.89 EUR"]),
        ("nur 1,89 €", ["1,89 €"]),
        ("Special $5 today", ["$5"]),
        ("RM 12 each", ["RM 12"]),
        ("GST RM 6% of 2018", []),
        ("2 for 3", []),
        ("firm 12", []),
        ("$1,234.50", ["$1,234.50"]),
    ],
)
def test_currencies_stay_with_their_amounts(text: str, amounts: list[str]) -> None:
    assert [value.text for value in find_amounts(rows(text))] == amounts


def test_doses_are_quoted() -> None:
    found = find_doses(rows("Dosage: one tablet daily | Contains 400 mg", "Vitamin E 400mg, 5 ml"))
    assert [value.text for value in found] == ["Dosage: one tablet daily", "400 mg", "5 ml"]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Tel:07-8263254 Fax: 07-8266888", ["07-8263254"]),
        ("Phone no. +44 20 7946 0958", ["+44 20 7946 0958"]),
        ("07-355 2616", ["07-355 2616"]),
        ("(714) 879-3574", ["(714) 879-3574"]),
        ("GST No : 000800589824", []),
        ("9555916500133 1 X 3.11", []),
        ("Tel 01/02/2018", []),
        ("F/Castell 187057-75", []),
    ],
)
def test_phone_numbers(text: str, numbers: list[str]) -> None:
    assert [value.text for value in find_phones(rows(text))] == numbers
