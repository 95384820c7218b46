"""A second reader of the text, where the rules find nothing or only guess.

A text model copies the words that it takes for the answer. What is told of them is never more than
a guess, and always the place of the page where they stand. The rules are not overruled where they
are sure, where both point to the same row, and where the model finds nothing: it is timid.

The thresholds were chosen on the pictures of dev3a, with what the model wrote freely there, and
reported on those of dev3b.
"""

from collections.abc import Sequence

from assistant.answers import Answer, Basis, Found, Note, NoteKind
from assistant.inference.copying_reader import Copied
from assistant.seeing.text import TextLine
from assistant.skills import quote
from assistant.skills.prose import is_open
from assistant.skills.quote import as_found
from assistant.text.fitting import looks_right
from assistant.text.hits import Hits
from assistant.text.matching import Matching
from assistant.text.page import Page, Passage
from assistant.text.question import language_of, wish
from assistant.text.scoring import Scoring
from assistant.text.tokens import Kind

LEAST_CHANCE = 0.2
"""Probability of an answer in the model's eyes from which it is told."""

LEAST_IN_DOUBT = 0.6
"""The same for what does not look like what was asked for, and for what is asked of a thing that
the page does not name: models like to give the price of another."""

SKILLS = frozenset(
    {
        *(quote.SKILL.name, "price", "date", "phone", "total", "year", "email", "web", "due"),
        *("identify", "title", "author", "item", "bought", "made", "letterhead", "recipient"),
        *("paid", "tax", "change", "discount", "deposit", "subtotal", "hours", "refund"),
    }
)
"""Those that look for one value or place. What moves in a text, recites it, looks for a word, or
gives whole instructions is answered by that alone."""


def wants_second(answer: Answer) -> bool:
    """True for an answer of which a second reader may know better."""
    if answer.model is not None:
        return False
    if answer.skill in SKILLS and answer.basis is Basis.GUESS:
        return bool(answer.evidence)
    return is_open(answer) or (answer.skill in SKILLS and _finds_nothing(answer))


def _finds_nothing(answer: Answer) -> bool:
    """True where a text was read, and nothing of what was asked is in it."""
    kinds = {note.kind for note in answer.notes}
    silent = answer.basis is Basis.UNKNOWN and not answer.found
    return silent and not kinds & {NoteKind.SPOILT, NoteKind.NO_TEXT, NoteKind.NO_MODEL}


def second(answer: Answer, copied: Copied, page: Page, question: str, model: str) -> Answer:
    """The answer of the second reader where it is to be told, else that of the rules.

    answer: one that `wants_second`. model: the name of what copied.
    """
    if not (copied.chance >= LEAST_CHANCE and copied.chance > copied.refusal):
        return answer
    matching = Matching(page, wish(question), language_of(question))
    value, rows = _place(copied, matching)
    told = {row for each in answer.found for row in rows_of(page, each.lines)}
    if not rows or told & set(rows) or not _may_be(value, rows, copied, matching):
        return answer
    found = _quoted(value, rows, matching)
    return Answer(quote.SKILL.name, (found,), Basis.GUESS, (Note(NoteKind.CHOSEN, model),))


def _place(copied: Copied, matching: Matching) -> tuple[str, tuple[int, ...]]:
    """The run and its rows; of several places the one that the question's words lead to."""
    page, scoring = matching.page, Scoring(matching)
    places = [(value, rows_of(page, lines)) for value, lines in copied.places]
    places = [each for each in places if each[1]]
    if not places:
        return "", ()
    return max(places, key=lambda each: scoring.score(page.passage(*each[1])))


def rows_of(page: Page, lines: Sequence[TextLine]) -> tuple[int, ...]:
    """The rows that some lines stand in, in the order of the page."""
    held = set(map(id, lines))
    return tuple(
        number
        for number, row in enumerate(page.rows)
        if any(id(each) in held for each in row.pieces)
    )


def _may_be(value: str, rows: Sequence[int], copied: Copied, matching: Matching) -> bool:
    """False for what is to be doubted unless the model is quite sure of it."""
    wanted = matching.wish
    here = [each for row in rows for each in matching.page.places_in(row)]
    values = [each for each in here if each.token.text in value or value in each.token.text]
    doubted = (
        bool(wanted.kinds and looks_right(value, values, wanted) is False)
        or matching.lacks_a_thing()
        or (Kind.MONEY in wanted.kinds and bool(matching.unheld()))
    )
    return not doubted or copied.chance >= LEAST_IN_DOUBT


def _quoted(value: str, rows: tuple[int, ...], matching: Matching) -> Found:
    """The place as the rules would tell it, if that holds the value; else all of its statement."""
    place = _statement(value, rows, matching.page)
    found = as_found(Hits(matching).of(place, 0.0, is_first=False))
    if _holds(f"{found.label} {found.value}", value):
        return found
    return Found(" ".join(place.text.split()), None, place.lines)


def _statement(value: str, rows: tuple[int, ...], page: Page) -> Passage:
    """The sentence that holds a value, or else its rows."""
    for each in page.statements:
        if set(rows) <= set(each.rows) and _holds(each.text, value):
            return each
    return page.passage(*rows)


def _holds(text: str, value: str) -> bool:
    return "".join(value.split()) in "".join(text.split())
