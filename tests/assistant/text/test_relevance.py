"""The places of a page as a model ranks them."""

from assistant.text.matching import Matching
from assistant.text.question import wish
from assistant.text.relevance import MOST_RANKED, NOTHING, Relevance
from tests.assistant.text.liking import FLOOR, Liking
from tests.assistant.text.pages import page


def relevance(rank: Liking, question: str, *rows: str) -> Relevance:
    return Relevance(Matching(page(*rows), wish(question), "en"), question, rank)


def test_the_best_place_is_first_and_stands_out_from_the_next() -> None:
    rows = (
        "The shop is closed on all of the bank holidays.",
        "Tea is served in the yard when it does not rain.",
        "Opening hours are from nine to five on other days.",
    )
    found = relevance(Liking(bank=6, hours=4), "may I", *rows)
    assert [place.text for place in found.places] == [rows[0], rows[2], rows[1]]
    assert found.scores == [FLOOR + 6, FLOOR + 4, FLOOR]
    assert found.margin == 2
    assert (found.of([1]), found.of([1, 2]), found.of([])) == (FLOOR, FLOOR + 4, NOTHING)


def test_a_sentence_over_two_rows_does_not_compete_with_its_own_rows() -> None:
    found = relevance(
        Liking(Uncollected=5, away=1, pieces=2),
        "may I",
        "Uncollected shoes are kept until the end of",
        "the year, when all of them are thrown away.",
        "Keys and other small pieces are cut while you wait.",
    )
    assert found.places[0].rows == (0, 1)
    assert found.margin == 4


def test_a_page_of_one_place_stands_out_from_nothing() -> None:
    found = relevance(Liking(hours=3), "may I", "Opening hours 9 - 5")
    assert found.margin == FLOOR + 3 - NOTHING


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
