"""The places of a page as a model ranks them."""

import math

import pytest

from assistant.text.matching import Matching
from assistant.text.question import wish
from assistant.text.relevance import MOST_RANKED, Relevance
from tests.assistant.text.liking import Liking
from tests.assistant.text.pages import page

LN_2 = math.log(2)


def relevance(rank: Liking, question: str, *rows: str) -> Relevance:
    return Relevance(Matching(page(*rows), wish(question), "en"), question, rank)


def test_the_best_place_is_first_and_chances_are_shared_with_nothing() -> None:
    rows = (
        "The shop is closed on all of the bank holidays.",
        "Tea is served in the yard when it does not rain.",
        "Opening hours are from nine to five on other days.",
    )
    found = relevance(Liking(bank=6, hours=6, Tea=6 + LN_2), "may I", *rows)
    assert [place.text for place in found.places] == [rows[1], rows[0], rows[2]]
    assert found.scores == pytest.approx([LN_2, 0, 0])
    # Tea weighs two; each of the others, and that nothing answers, one.
    assert found.best == found.chance([1]) == pytest.approx(2 / 5)
    assert [found.chance(rows) for rows in ([0], [0, 1], [])] == pytest.approx([1 / 5, 2 / 4, 0])


def test_a_sentence_over_two_rows_does_not_compete_with_its_own_rows() -> None:
    found = relevance(
        Liking(Uncollected=6, away=6, pieces=6),
        "may I",
        "Uncollected shoes are kept until the end of",
        "the year, when all of them are thrown away.",
        "Keys and other small pieces are cut while you wait.",
    )
    assert found.places[0].rows == (0, 1)
    both, other = math.exp(6), 1.0
    assert found.best == pytest.approx(both / (both + other + 1))


def test_of_a_page_without_a_choice_nothing_is_likely() -> None:
    assert relevance(Liking(hours=30), "may I", "Opening hours 9 - 5").best == pytest.approx(1)
    assert relevance(Liking(hours=30), "what does it cost", "Opening hours").best == 0


def test_a_place_is_shown_behind_its_heading() -> None:
    rank = Liking()
    relevance(rank, "may I", "Side effects:", "You may feel sick in the first week of it.")
    assert "Side effects:: You may feel sick in the first week of it." in rank.shown


def test_of_a_long_page_the_model_is_shown_what_the_rules_think_likeliest() -> None:
    rank = Liking()
    rows = [f"Row with the number {n} of them" for n in range(3 * MOST_RANKED)]
    rows[-2] = "The ferry leaves from the old pier"
    relevance(rank, "when does the ferry leave", *rows)
    assert len(rank.shown) == MOST_RANKED
    assert any("ferry" in text for text in rank.shown)


def test_an_empty_page_has_no_places() -> None:
    assert relevance(Liking(), "may I").places == []
