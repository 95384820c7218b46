"""What becomes of an answer of the rules where a model ranks the places of the text."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from assistant.answers import Answer, Basis, NoteKind
from assistant.errors import VisionError
from assistant.text.meaning_models import MeaningModels, Rank
from tests.assistant.skills.talking import Talk
from tests.assistant.text.liking import Liking
from tests.assistant.text.pages import page

CARD = (
    "Hargreaves Shoe Repairs",
    "Keys and watch straps are mended while you wait for them.",
    "Uncollected shoes: until Christmas Eve",
)
LEFT = "I've left a pair in there, how long have I got"
BILL = ("To pay  12.40", "Rice  3.10", "Points this visit  20", "Points balance  1,264")


def asked(rank: Rank | None, question: str, *rows: str) -> Answer:
    return Talk(page(*rows), MeaningModels(rank=lambda: rank)).ask(question)


def values(answer: Answer) -> list[str]:
    return [each.value for each in answer.found]


def test_where_words_lead_nowhere_the_place_that_stands_out_is_quoted_as_a_guess() -> None:
    assert asked(None, LEFT, *CARD).basis is Basis.UNKNOWN
    found = asked(Liking(Christmas=8), LEFT, *CARD)
    assert "until Christmas Eve" in " ".join(values(found))
    assert found.basis is Basis.GUESS
    assert [note.detail for note in found.notes if note.kind is NoteKind.CHOSEN] == ["liking"]


@pytest.mark.parametrize(
    "rank",
    [Liking(Christmas=5), Liking(Christmas=7), Liking()],
    ids=["too weak", "one in four that nothing answers", "nothing"],
)
def test_what_is_not_likely_is_not_told(rank: Liking) -> None:
    found = asked(rank, LEFT, *CARD)
    assert found.basis is Basis.UNKNOWN and not found.found


def test_the_price_of_another_thing_is_not_told_for_one_that_stands_nowhere() -> None:
    # Likelier than not: enough elsewhere.
    rank = Liking(pay=6.5)
    assert asked(rank, "how much were the eggs", *BILL).basis is Basis.UNKNOWN
    # Only a model that is surer may call it otherwise than the paper does.
    assert asked(Liking(Rice=12), "how much were the eggs", *BILL).basis is Basis.GUESS


def test_of_two_places_that_the_rules_guess_the_one_far_less_likely_is_left_out() -> None:
    question = "how many points have I got altogether"
    both = asked(None, question, *BILL)
    assert len(both.found) == 2
    one = asked(Liking(balance=8, visit=6), question, *BILL)
    assert len(one.found) == 1 and "1,264" in values(one)[0]
    assert asked(Liking(balance=8, visit=7), question, *BILL).found == both.found
    # Where likely nothing answers, neither is told.
    assert asked(Liking(balance=5, visit=5), question, *BILL).basis is Basis.UNKNOWN


def test_another_place_is_told_instead_of_a_guess_only_if_it_is_far_likelier() -> None:
    rows = (
        "We rest on Sundays and on the Mondays after them.",
        "Last walk in is half an hour before we close in the evening.",
    )
    question = "can I walk in on a sunday evening"
    before = asked(None, question, *rows)
    assert before.basis is Basis.GUESS and values(before) == [rows[1]]
    # Four times as likely in the eyes of the model alone: the rules count as well.
    assert values(asked(Liking(rest=8 + math.log(4), walk=8), question, *rows)) == [rows[1]]
    instead = asked(Liking(rest=13, walk=8), question, *rows)
    assert values(instead) == [rows[0]] and instead.basis is Basis.GUESS


def test_a_guess_that_the_page_hardly_answers_is_not_told() -> None:
    rows = ("Open days are listed inside.", "The hall can be hired by anyone.")
    question = "can the hall be heated for a party"
    assert asked(None, question, *rows).basis is Basis.GUESS
    # One in four that nothing answers is too much; one in nine is not.
    assert asked(Liking(hired=7), question, *rows).basis is Basis.UNKNOWN
    assert asked(Liking(hired=8), question, *rows).basis is Basis.GUESS


def test_a_sure_value_is_a_guess_where_another_place_likely_answers() -> None:
    question = "what is the total"
    assert asked(None, question, *BILL).basis is Basis.READ
    assert asked(Liking(Rice=7, pay=7), question, *BILL).basis is Basis.READ
    doubted = asked(Liking(Rice=9, pay=7), question, *BILL)
    assert doubted.basis is Basis.GUESS and values(doubted) == ["12.40"]


def test_what_is_no_search_for_a_place_never_asks_the_model() -> None:
    rank = Liking(Rice=20)
    for question in ("read this", "spell that", "read the last line", "find milk"):
        asked(rank, question, *BILL)
    assert rank.shown == []


def test_of_what_a_text_is_as_a_whole_a_place_is_told_that_is_asked_for() -> None:
    rows = ("Audiology Department", "Two beeps  battery low", "Lasts 7 to 10 days")
    question = "It goes beep beep. What's that?"
    assert "Audiology" in " ".join(values(asked(None, question, *rows)))
    told = asked(Liking(beeps=8), question, *rows)
    assert "battery low" in " ".join(values(told)) and told.basis is Basis.GUESS
    assert "Audiology" in " ".join(values(asked(Liking(beeps=5), question, *rows)))


def test_what_the_text_says_of_an_allergen_is_never_replaced() -> None:
    rows = ("Chicken Pie", "Contains wheat, milk and egg.", "Suitable for home freezing")
    question = "is there any milk in it"
    found = asked(Liking(freezing=12), question, *rows)
    assert found == asked(None, question, *rows)
    assert "milk" in " ".join(values(found)) and found.basis is Basis.READ
    # Where it does not stand there, what may be meant is a guess.
    other = asked(Liking(freezing=12), "is there any mustard in it", *rows)
    assert "freezing" in " ".join(values(other)) and other.basis is Basis.GUESS


def test_of_a_page_in_another_language_only_what_is_very_likely_is_told() -> None:
    rows = (
        "Schuhmacherei Hargreaves in der Altstadt",
        "Wir reparieren Schlüssel und Uhren, während Sie warten.",
        "Nicht abgeholte Schuhe werden nach Weihnachten weggeworfen.",
    )
    # Two places share the chance; then one has nearly all of it.
    likely, very = Liking(Weihnachten=8, Schlüssel=8), Liking(Weihnachten=9)
    assert asked(likely, LEFT, *rows).basis is Basis.UNKNOWN
    assert "Weihnachten" in " ".join(values(asked(very, LEFT, *rows)))
    english = asked(Liking(Christmas=8, straps=8), LEFT, *CARD)
    assert english.found and english.basis is Basis.GUESS


def test_where_the_model_fails_the_rules_answer_and_that_is_said_once() -> None:
    class Failing:
        name = "failing"

        def __call__(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
            raise VisionError("it failed")

    talk = Talk(page(*BILL), MeaningModels(rank=Failing))
    told = talk.conversation.answer(talk.frame, "what is the total", talk.context)
    first = next(told)
    assert isinstance(first, Answer)
    assert (values(first), first.basis) == (["12.40"], Basis.READ)
    with pytest.raises(VisionError, match="it failed"):
        next(told)
    assert values(talk.ask("what is the total")) == ["12.40"]
    # Where nothing is found, that it failed may be why.
    with pytest.raises(VisionError, match="it failed"):
        talk.ask("who painted the ceiling")


@pytest.mark.parametrize("at", [1, 2], ids=["at the page", "at the question"])
def test_where_the_model_of_vectors_fails_words_lead_to_the_answer_and_that_is_said_once(
    at: int,
) -> None:
    calls = 0

    def failing(texts: Sequence[str]) -> NDArray[np.float32]:
        nonlocal calls
        calls += 1
        if calls >= at:
            raise VisionError("it failed")
        return np.ones((len(texts), 2), np.float32)

    talk = Talk(page(*BILL), MeaningModels(embed=lambda: failing))
    told = talk.conversation.answer(talk.frame, "how many points have I got", talk.context)
    first = next(told)
    assert isinstance(first, Answer) and "1,264" in " ".join(values(first))
    with pytest.raises(VisionError, match="it failed"):
        list(told)
    assert "1,264" in " ".join(values(talk.ask("how many points have I got")))
