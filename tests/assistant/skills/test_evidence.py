"""What may be called read, and what is no text at all."""

import math

import pytest

from assistant.answers import Answer, Basis, Found, NoteKind
from assistant.seeing.text import TextLine
from assistant.skills.answerer import Answerer
from assistant.skills.evidence import LEAST_CONFIDENCE, has_words, weighed
from assistant.skills.router import say
from assistant.stopwatch import Stopwatch
from tests.assistant.skills.test_vocabulary import KnownLines, picture


def line(text: str, confidence: float, y: float = 0) -> TextLine:
    return TextLine(text, ((0, y), (90, y), (90, y + 20), (0, y + 20)), confidence)


SURE, UNSURE = LEAST_CONFIDENCE + 0.001, LEAST_CONFIDENCE - 0.001


@pytest.mark.parametrize(
    ("confidences", "basis"),
    [
        ((SURE,), Basis.READ),
        ((SURE, SURE), Basis.READ),
        ((SURE, UNSURE), Basis.GUESS),
        ((UNSURE,), Basis.GUESS),
        ((math.nan,), Basis.GUESS),
    ],
)
def test_an_answer_is_read_only_where_every_line_is_sure(
    confidences: tuple[float, ...], basis: Basis
) -> None:
    lines = tuple(line("TOTAL 5.50", each, 30 * row) for row, each in enumerate(confidences))
    answer = weighed(Answer("total", (Found("5.50", None, lines),), Basis.READ), lines)
    assert answer.basis is basis
    assert (answer.note(NoteKind.HARD_TO_READ) is None) is (basis is Basis.READ)
    assert ("hard to read" in say(answer)) is (basis is Basis.GUESS)


def test_one_smudged_line_does_not_make_a_page_a_guess_but_is_told() -> None:
    lines = tuple(line(f"Line number {row}", UNSURE if row < 2 else SURE, row) for row in range(9))
    page = weighed(Answer("read", (Found("page", None, lines),), Basis.READ), lines)
    assert page.basis is Basis.READ and say(page).endswith("2 of 9 lines are hard to read.")
    bad = tuple(line(f"Line number {row}", UNSURE if row < 5 else SURE, row) for row in range(9))
    page = weighed(Answer("read", (Found("page", None, bad),), Basis.READ), bad)
    assert page.basis is Basis.GUESS


@pytest.mark.parametrize("basis", [Basis.GUESS, Basis.SEEN, Basis.UNKNOWN])
def test_sure_lines_make_nothing_better(basis: Basis) -> None:
    lines = (line("TOTAL 5.50", SURE),)
    assert weighed(Answer("total", (Found("5.50", None, lines),), basis), lines).basis is basis


def test_what_is_quoted_has_the_language_of_its_page() -> None:
    lines = (
        line("Bitte überweisen Sie den offenen Betrag", SURE),
        line("Summe 148,20 EUR", SURE, 40),
    )
    answer = weighed(Answer("total", (Found("148,20 EUR", "Summe", lines[1:]),), Basis.READ), lines)
    assert answer.found[0].language == "de"
    model = Answer("count", (Found("two"),), Basis.SEEN, model="model")
    assert weighed(model, lines) is model


@pytest.mark.parametrize(
    ("seen", "is_text"),
    [
        ((), False),
        ((("V", 0.6),), False),
        ((("VL", 0.7), ("I.", 0.55)), False),
        ((("9", 0.99),), True),
        ((("EXIT", 0.7),), True),
        ((("V", 0.6), ("EXIT", 0.95)), True),
    ],
)
def test_letters_that_are_no_words_are_no_text(
    seen: tuple[tuple[str, float], ...], is_text: bool
) -> None:
    lines = tuple(line(text, sure) for text, sure in seen)
    assert has_words(lines) is is_text


def test_shadows_like_letters_are_not_read_aloud() -> None:
    reader = KnownLines()
    reader.lines = (line("VL", 0.6),)
    answerer = Answerer(reader, lambda: "there is none.", Stopwatch())
    for question in ("read this", "what does it say", "what is the total", "is there any text"):
        answer = answerer.answer(picture(), question)
        assert answer.basis is Basis.UNKNOWN and "VL" not in say(answer), question
    assert answerer.read(picture()).basis is Basis.UNKNOWN
