"""Addresses, years, titles and authors in lines made by hand."""

import pytest

from assistant.seeing.framing import cut_off
from assistant.seeing.layout import Row, reading_order
from assistant.seeing.text import TextLine
from assistant.text.addresses import (
    find_author,
    find_emails,
    find_web,
    find_years,
    largest_text,
)


def line(text: str, y: float = 0, height: float = 20, x: float = 30) -> TextLine:
    right = x + height / 2 * len(text)
    return TextLine(text, ((x, y), (right, y), (right, y + height), (x, y + height)), 0.9)


def rows(*texts: str) -> list[Row]:
    return [Row((line(text),)) for text in texts]


def test_addresses() -> None:
    found = rows("Mail: info@shop.example.com or www.shop.com/help", "see my-shop.co.uk", "1.50 kg")
    assert [v.text for v in find_emails(found)] == ["info@shop.example.com"]
    assert [v.text for v in find_web(found)] == ["www.shop.com/help", "my-shop.co.uk"]
    assert find_web(rows("https://a.example/x?y=1"))[0].text == "https://a.example/x?y=1"
    assert find_web(rows("e.g. this", "No.12", "S.H.H.")) == []


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("First published 1998, reprinted 2003", ["1998", "2003"]),
        ("03/04/2018", []),
        ("RM 1998.50", []),
        ("Tel 19981234", []),
        ("1350 kcal", []),
    ],
)
def test_years(text: str, years: list[str]) -> None:
    assert [value.text for value in find_years(rows(text))] == years


def test_authors_need_their_word() -> None:
    assert [v.text for v in find_author(rows("THE SEA", "by Ann Lee", "Author: B. Stone"))] == [
        "Ann Lee",
        "B. Stone",
    ]
    assert find_author(rows("Stand by me, baby 2", "Nearby Farm")) == []


def test_the_largest_text() -> None:
    cover = [
        line("A NOVEL", 0),
        line("The Long", 40, 50),
        line("Road", 95, 46),
        line("A. Lee", 200),
    ]
    found = largest_text(reading_order(cover))
    assert found is not None and found.text == "The Long Road"
    assert largest_text(reading_order([line("one", 0), line("two", 30)])) is None
    assert largest_text(reading_order([line("alone")])) is None


def test_text_that_is_cut_off_at_an_edge() -> None:
    page = [line(f"line {number} of it", 30 * number + 20) for number in range(5)]
    width = int(page[0].box[1][0])
    assert cut_off(page, width + 100, 400) is None
    assert cut_off(page, width + 2, 400) == "right"
    moved = [line(each.text, each.box[0][1], x=0) for each in page]
    assert cut_off(moved, width + 100, 400) == "left"
    assert cut_off([line("EXIT", 5, x=0)], 42, 30) is None
    assert cut_off([], 10, 10) is None
