"""What the skills that read share: rows of a picture, values as findings, and lists of them."""

from collections.abc import Sequence

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.seeing.layout import Paragraph, Row, reading_order, rows_of
from assistant.skills.grounding import ground_read
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked
from assistant.text.addresses import Value
from assistant.text.page import Place
from assistant.text.tokens import Kind

MOST_NAMED = 5
"""Values that one sentence lists; more cannot be kept in mind by ear."""

_OF_THE_VIEW = frozenset(
    {
        *(NoteKind.OF_FILE, NoteKind.CUT_OFF, NoteKind.UNREAD, NoteKind.NOT_READ),
        *(NoteKind.FOREIGN, NoteKind.MIRRORED, NoteKind.FROM_BEFORE),
    }
)
"""Notes on the picture, which say nothing of why an answer tells nothing."""


def lacks_a_cause(answer: Answer) -> bool:
    """True for an answer that tells nothing, and does not note why."""
    return not answer.found and all(note.kind in _OF_THE_VIEW for note in answer.notes)


def is_said(answer: Answer, before: Sequence[Answer]) -> bool:
    """True for the answer of one breath's question that says what another of them has said."""
    return bool(answer.found) and any(
        answer.values == each.values and answer.skill == each.skill for each in before
    )


def paragraphs(asked: Asked, scene: Scene) -> tuple[Paragraph, ...]:
    """The text in reading order; nothing where there is none, or nobody wants it any more.

    Raises:
        OcrError: text recognition cannot start or failed.
    """
    return reading_order(scene.lines(asked.cancelled))


def rows(asked: Asked, scene: Scene) -> tuple[Row, ...]:
    """The same by rows."""
    return rows_of(paragraphs(asked, scene))


def as_read(
    skill: str,
    values: Sequence[Value],
    *notes: Note,
    most: int = MOST_NAMED,
    labelled: bool = True,
    kind: Kind | None = None,
) -> Answer:
    """An answer that quotes the first values, at least one.

    labelled: whether what stands before a value on its line says what it is.
    kind:     what the values are; None for words.
    """
    named = values[:most]
    found = tuple(
        Found(value.text, value.label if labelled else None, value.row.pieces, kind)
        for value in named
    )
    more = (Note(NoteKind.MORE),) if len(values) > most else ()
    return Answer(skill, found, ground_read(found), (*notes, *more))


def found_places(
    skill: str, places: Sequence[Place], *notes: Note, most: int = MOST_NAMED
) -> Answer:
    """An answer that quotes values where they stand, at least one, with their labels."""
    named = places[:most]
    found = tuple(
        Found(_printed(each), each.label or None, each.lines, each.token.kind) for each in named
    )
    more = (Note(NoteKind.MORE),) if len(places) > most else ()
    values = [(each.label, each.value) for each in found]
    # Of two values with one name one is meant, and nothing says which.
    told_apart = len({label for label, _ in values}) == len(set(values))
    basis = ground_read(found) if told_apart else Basis.GUESS
    return Answer(skill, found, basis, (*notes, *more))


def _printed(place: Place) -> str:
    """A value as printed; a worn decimal point that was taken for a colon is a point again."""
    token = place.token
    return token.text.replace(":", ".") if token.kind is Kind.MONEY else token.text


def labelled(answer: Answer) -> str:
    """Each value behind its label as printed."""
    more = " and more" if answer.note(NoteKind.MORE) else ""
    named = (f"{each.label}: {each.value}" if each.label else each.value for each in answer.found)
    return "; ".join(named) + more


def not_found(skill: str, what: str) -> Answer:
    """An answer that says what is not in the text."""
    return Answer(skill, notes=(Note(NoteKind.NOT_FOUND, what),))


def different(values: Sequence[Value]) -> list[Value]:
    """The first of each text, in any case."""
    return list({value.text.lower(): value for value in reversed(values)}.values())[::-1]


def row_values(rows: Sequence[Row]) -> list[Value]:
    """Whole rows as values."""
    return [Value(row.text, row) for row in rows]


def listed(answer: Answer) -> str:
    """The values, and whether there are more."""
    more = " and more" if answer.note(NoteKind.MORE) else ""
    return "; ".join(answer.values) + more


def ended(text: str) -> str:
    """A sentence with its full stop; what is quoted at its end may have brought one."""
    quoted = text.rstrip(CLOSING)
    return text if quoted.endswith((".", "!", "?")) else f"{text}."


CLOSING = "\uf8ff"
"""What `telling` marks the end of a value with while a sentence is made."""


def in_sentence(
    answer: Answer, detail: Detail, one: str, several: str | None = None, *, missing: str = ""
) -> str:
    """The sentence about one value or about several, the values alone, or what is missing.

    one, several: with {} where the values stand; `several` is like `one` where it is None.
    missing:      what the user can do where nothing was found.
    """
    if answer.found:
        if detail is Detail.SHORT:
            return ended(listed(answer))
        sentence = one if len(answer.found) == 1 or several is None else several
        told = listed(answer)
        if sentence.endswith("{}."):
            return ended(sentence.removesuffix(".").format(told))
        return sentence.format(told)
    what = answer.note(NoteKind.NOT_FOUND)
    way_out = way_of(answer, missing)
    return "" if what is None else f"I can't tell: I find no {what.detail} in the text. {way_out}"


def way_of(answer: Answer, missing: str) -> str:
    """What the user can do where something is not found; a file has no other side to show."""
    return _OF_FILE.get(missing, missing) if answer.note(NoteKind.OF_FILE) else missing


READ_TEXT = "Ask me to read the text, or show the other side."
TURN_PACKAGE = "Turn the package and try again."
READ_COVER = "Ask me to read the cover."
"""What the user can do where something is not found."""

_OF_FILE = {READ_TEXT: "Shall I read it?", TURN_PACKAGE: "Shall I read it?"}
"""What is said instead where the picture is a file, which has no other side."""
