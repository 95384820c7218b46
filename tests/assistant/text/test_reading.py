"""Moving in a text, as a person listening would."""

import pytest

from assistant.errors import UsageError
from assistant.seeing.layout import reading_order
from assistant.seeing.text import TextLine
from assistant.text.reading import Reading, spelled

LINES = ["CORNER SHOP", "", "Milk costs 2.10 today. Bread", "is fresh. Dr. Who", "", "Total 5.50"]


def reading() -> Reading:
    return Reading(LINES, headings=(0, 5))


def test_by_line() -> None:
    text = reading()
    assert (text.next().text, text.next().where) == ("CORNER SHOP", "line 2 of 4")
    assert text.previous().text == "CORNER SHOP"
    with pytest.raises(UsageError, match="first line"):
        text.previous()
    for _ in range(3):
        last = text.next()
    assert (last.text, last.where) == ("Total 5.50", "line 4 of 4")
    with pytest.raises(UsageError, match="last line"):
        text.next()


def test_by_sentence_across_lines() -> None:
    text = reading()
    said = [text.next("sentence").text for _ in range(3)]
    assert said == ["CORNER SHOP", "Milk costs 2.10 today.", "Bread is fresh."]
    assert text.previous("sentence").text == "Milk costs 2.10 today."
    assert text.next("line").text == "is fresh. Dr. Who"


def test_by_word_and_spelling() -> None:
    text = reading()
    assert [text.next("word").text for _ in range(3)] == ["CORNER", "SHOP", "Milk"]
    place = text.spell()
    assert (place.text, place.where) == ("capital M, i, l, k", "Milk")
    assert text.previous("word").text == "SHOP"
    assert text.spell().text == "S, H, O, P"
    assert spelled("a-1@b.C") == "a, dash, 1, at, b, dot, capital C"


def test_headings_and_words_are_found() -> None:
    text = reading()
    assert text.heading().text == "CORNER SHOP"
    assert text.heading().text == "Total 5.50"
    with pytest.raises(UsageError, match="no further heading"):
        text.heading()
    assert text.find("bread is").where == "line 2 of 4"
    assert text.find("FRESH").text == "is fresh. Dr. Who"
    for nothing in ("eggs", "read"):
        with pytest.raises(UsageError, match=nothing):
            text.find(nothing)
    with pytest.raises(UsageError, match="name the word"):
        text.find(" ")


def test_reading_goes_on_where_it_stopped() -> None:
    text = reading()
    assert text.rest().text.startswith("CORNER SHOP")
    text = reading()
    text.heard("Milk costs 2.10 today.")
    place = text.rest()
    assert place.text.startswith("Milk costs") and place.where == "line 2 of 4"
    text = reading()
    text.next()
    text.next()
    assert text.rest().text.startswith("Milk")


def test_reading_that_is_stopped_twice_goes_on_twice() -> None:
    text = reading()
    text.rest()
    text.heard("CORNER SHOP")
    text.heard("Milk costs 2.10 today.")
    assert text.rest().text.startswith("Milk costs")
    text.heard("Milk costs 2.10 today.")
    text.heard("Bread is fresh.")
    text.heard("What never stood there.")
    assert text.rest().text.startswith("Bread\nis fresh")


def test_an_empty_text() -> None:
    for move in (Reading([]).next, Reading([]).spell, Reading([""]).rest):
        with pytest.raises(UsageError, match="no text"):
            move()


def test_headings_of_a_page_are_its_large_lines() -> None:
    def line(text: str, y: float, height: float) -> TextLine:
        right = 10.0 * len(text)
        return TextLine(text, ((0, y), (right, y), (right, y + height), (0, y + height)), 0.9)

    page = [
        line("Opening hours", 0, 44),
        line("Monday to Friday", 60, 20),
        line("from nine to five", 86, 20),
        line("Prices", 150, 40),
        line("Adults pay 5.50", 210, 20),
    ]
    text = Reading.of(reading_order(page))
    assert [text.heading().text, text.heading().text] == ["Opening hours", "Prices"]
    assert text.next().text == "Adults pay 5.50"


def test_a_word_is_found_in_words_that_ran_together_but_the_line_stays_as_read() -> None:
    text = Reading(["Welcome", "NOPARKING here", "Calendar"])
    assert text.find("parking").text == "NOPARKING here"
    with pytest.raises(UsageError):
        text.find("end")
    assert Reading(["NOPARKING", "Parking behind"]).find("parking").text == "Parking behind"
