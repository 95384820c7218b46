"""Answers for tests that are about something else, and their words."""

from collections.abc import Iterable

from assistant.answers import Answer, Basis, Detail, Found, Piece
from assistant.seeing.text import TextLine
from assistant.session.events import AnswerGiven
from assistant.skills.router import say


def answered(
    text: str,
    basis: Basis = Basis.READ,
    lines: tuple[TextLine, ...] = (),
    model: str | None = None,
    skill: str = "other",
) -> Answer:
    """An answer whose words are one value."""
    return Answer(skill, (Found(text, None, lines),), basis, model=model)


def total(amount: str = "5.50") -> Answer:
    """An answer that was read: "The total is ..."."""
    return answered(amount, skill="total")


def given(answer: Answer, *, in_parts: bool = False) -> AnswerGiven:
    """The event of an answer in its usual words."""
    return AnswerGiven(answer, say(answer), in_parts)


def said(pieces: Iterable[Piece], detail: Detail = Detail.USUAL) -> list[str]:
    """What is told, the basis of whole answers before them."""
    return [
        piece if isinstance(piece, str) else f"{piece.basis.value}: {say(piece, detail)}"
        for piece in pieces
    ]
