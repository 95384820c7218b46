"""Where telephone numbers, dates and fractions stand in a line, beside figures that look alike."""

import time

import pytest

from assistant.text.dates import find_dates
from assistant.text.tokens import Kind, find_phones, tokens


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("(714) 879-3574", ["(714) 879-3574"]),
        ("+44 20 7946 0958 or (714) 879-3574", ["+44 20 7946 0958", "(714) 879-3574"]),
        ("Tel. 020 7946 0958, Fax 020 7946 0959", ["020 7946 0958", "020 7946 0959"]),
        ("2 x 1.50   3.00", []),
        ("12.50   11.99   10.49", []),
        ("30 seats", []),
    ],
)
def test_every_number_of_a_line_is_found(line: str, numbers: list[str]) -> None:
    assert [line[start:end] for start, end in find_phones(line)] == numbers


def test_a_date_is_never_a_number_to_call() -> None:
    found = tokens("14.06.2027 and 020 7946 0958")
    assert [(token.kind, token.text) for token in found] == [
        (Kind.DATE, "14.06.2027"),
        (Kind.PHONE, "020 7946 0958"),
    ]


def test_a_receipt_of_eight_hundred_lines_is_cut_in_a_second() -> None:
    lines = [f"Item {number} 2 x 1.50   {number}.99" for number in range(800)]
    tokens(lines[0])
    begun = time.process_time()
    for line in lines:
        tokens(line)
    assert time.process_time() - begun < 1.5


@pytest.mark.parametrize("line", ["Table 2 - 3.50", "5 out of 10"])
def test_a_name_with_its_price_and_a_rating_are_no_dates(line: str) -> None:
    assert [date.text for date in find_dates(line) if not date.needs_label] == []


@pytest.mark.parametrize("line", ["1⅜ tsp", "⅝ inch", "2 ⅖ cups"])
def test_every_common_fraction_is_one_token(line: str) -> None:
    assert [token.text for token in tokens(line)] == [line]
