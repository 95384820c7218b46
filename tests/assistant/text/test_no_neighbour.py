"""A line about something else answers nothing, near as it may be."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from assistant.text.closeness import Closeness
from assistant.text.meaning import likeness, says_opposite, words
from assistant.text.question import wish
from assistant.text.retrieval import names_one_of_many, places_for, places_near
from tests.assistant.text.pages import page

RECEIPT = page(
    "CORNER KIOSK",
    "Crossword puzzles  3.20",
    "Chocolate  1.90",
    "Batteries AA  5.40",
    "TOTAL  10.50",
)


def close(value: float, to: str) -> Closeness:
    """Not a model: one text has this cosine to every question, all others have none."""

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        rows = []
        for text in texts:
            asked = text.endswith("?")
            near = value if to in text else 0.0
            rows.append([1.0, 0.0] if asked else [near, (1 - near**2) ** 0.5])
        return np.array(rows, dtype=np.float32)

    return Closeness(RECEIPT, embed)


@pytest.mark.parametrize(("cosine", "told"), [(0.42, 0), (0.6, 1)])
def test_the_price_of_another_thing_is_told_only_where_it_is_the_same_thing(
    cosine: float, told: int
) -> None:
    near = close(cosine, "Chocolate")
    assert len(places_near(RECEIPT, "how much was the nougat?", near)) == told


def test_what_is_asked_to_be_there_must_be_named() -> None:
    menu = page("Menu of the week", "Every large pizza 9.00", "Monday lentil soup")
    assert places_for(menu, "is there a risotto this week") == []
    assert places_for(menu, "is there soup on monday")


def test_goods_are_one_of_many_on_a_list_of_prices_only() -> None:
    assert names_one_of_many("magazine", RECEIPT, for_money=True)
    assert not names_one_of_many("magazine", page("Country Magazine  4.50"), for_money=True)
    assert not names_one_of_many("receipt", RECEIPT, for_money=True)


def test_another_meal_is_not_the_whole_card() -> None:
    card = page("Breakfast  6.30 - 9.45", "Laundry  8.00 - 18.00")
    assert places_for(card, "what time is supper") == []
    assert "9.45" in places_for(card, "what time is breakfast")[0].passage.text


def test_where_a_thing_is_is_not_told_of_another() -> None:
    sign = page("FIRE DRILL", "1. Ring the bell.", "2. Meet at gate C.")
    assert places_for(sign, "where is the fire hose") == []


@pytest.mark.parametrize(
    ("asked", "printed", "opposite"),
    [
        ("the new fee", "Your present fee is", True),
        ("last tram", "Premier départ 5h10", True),
        ("last tram", "Letzte Abfahrt", False),
        ("the premium this year", "Last year's premium", True),
        ("first and last tram", "first tram", False),
    ],
)
def test_words_that_exclude_each_other(asked: str, printed: str, opposite: bool) -> None:
    assert says_opposite(words(asked), words(printed)) is opposite


def test_the_line_that_says_the_opposite_loses() -> None:
    letter = page(
        "Your present fee is 48.00 a month.", "From 1 May 2028 your fee will be 52.50 a month."
    )
    assert "52.50" in places_for(letter, "what is my new fee")[0].passage.text


def test_swapped_letters_are_a_slip() -> None:
    assert likeness("tyers", "tyres") > 0
    assert likeness("trail", "trial") > 0 and likeness("table", "cable") == 0.0


def test_heads_that_leave_the_corner_free() -> None:
    board = page(
        "              Mon-Fri    Saturday",
        "First tram    5.10       6.40",
        "Last tram     23.50      22.15",
    )
    cell = places_for(board, "when does the last tram go on saturday")[0].cell
    assert cell is not None and cell.text == "22.15"


def test_where_to_vote_leads_to_the_house() -> None:
    card = page(
        "POLL CARD",
        "Your polling place is:",
        "Grove School, Elm Road",
        "You must bring ID to vote.",
    )
    assert "Grove School" in places_for(card, "where do I vote")[0].passage.text


def test_how_many_takes_the_column_of_quantities() -> None:
    bill = page(
        "Item             Qty      Amt",
        "Lentil pancake   3        210.00",
        "Tea              2        60.00",
    )
    cell = places_for(bill, "how many pancakes were there")[0].cell
    assert cell is not None and cell.text == "3"


def test_the_size_of_a_bag_is_not_what_nutrients_are_counted_for() -> None:
    bag = page("Lentil crisps 140 g", "Per 100 g: fat 12 g, salt 1 g")
    assert "140 g" in places_for(bag, "what weight is it")[0].passage.text


def test_a_quotation_comes_with_who_said_it() -> None:
    cover = page("The Salt Road", '"A quiet triumph." - The Harbour Review', "A novel")
    assert "quiet triumph" in places_for(cover, "what did the review say")[0].passage.text


def test_who_may_not_is_no_question_for_a_name() -> None:
    assert wish("who shouldn't take it").form is not wish("who should I call").form


def test_the_hours_of_a_telephone_are_not_those_of_the_appointment() -> None:
    letter = page(
        "Your appointment is on:",
        "Monday 3 May 2027 at 11:20 am",
        "To move your appointment ring 020 7946 0321, 8 am to 5 pm.",
    )
    told = places_for(letter, "what time is the appointment")[0].passage.text
    assert "11:20" in told and "8 am" not in told
    assert "8 am" in places_for(letter, "when can I ring to move it")[0].passage.text
