"""What any answer may say beside its values: why nothing is told, doubts, evidence, the model."""

from collections.abc import Iterator

from assistant.answers import Answer, Basis, Note, NoteKind
from assistant.inference.pocket import Refusal
from assistant.seeing.framing import FIXES
from assistant.seeing.quality import SENTENCES, WASHED_OUT, Cause
from assistant.skills.way_on import (
    CUT_OFF,
    NO_TEXT_OF_FILE,
    OFFERS,
    SPOILT_FILES,
    TRY_ANOTHER,
)

MOST_QUOTED = 3
"""Lines that are quoted as evidence; more cannot be kept in mind by ear."""

OPENINGS = {
    NoteKind.FROM_BEFORE: "In the picture from before:",
    NoteKind.AGREED: "I checked again and both answers agree:",
    NoteKind.SAME_AGAIN: "I checked again, with the same result.",
    NoteKind.ONE_LOOK: "Only one of two looks gave an answer:",
}
"""What stands before an answer, in this order."""

UNVERIFIED = "I could not find these figures in the text, so have somebody check them."
HARD_TO_READ = "It is hard to read; have somebody check it."
NO_TEXT = (
    "I can't tell: I find no text in this picture. Move closer, or turn the page to the light."
)
AMBIGUOUS = {
    "day": "day and month are ambiguous",
    "year": "day, month and year are ambiguous",
}
DECLINED = "I can't tell: the model finds no answer in this picture."
OTHER_VIEW = "Try another view."
EMPTY = "I can't tell: the model gives no answer."

REFUSALS = {
    Refusal.NOT_ENGLISH: "I can't tell: the small model understands English only.",
    Refusal.NO_SUCH_QUESTION: "I can't tell: the small model cannot answer such questions.",
    Refusal.NO_SUCH_THING: (
        "I can't tell: the small model knows only simple drawn objects, such as circles and cups."
    ),
    Refusal.NOT_PLAIN: "I can't tell: the small model knows only plain, short questions.",
}
"""The cause; what can be done with the picture follows it."""


def opening(answer: Answer) -> str:
    """What stands before an answer, with a space behind it; or ""."""
    kinds = {note.kind for note in answer.notes}
    return "".join(f"{words} " for kind, words in OPENINGS.items() if kind in kinds)


def remarks(answer: Answer) -> Iterator[str]:
    """The sentences of the notes that any skill's answer may have, in the order of the notes."""
    of_file = answer.note(NoteKind.OF_FILE) is not None
    for note in answer.notes:
        sentence = (_of_file(note) if of_file else None) or _sentence(note)
        if sentence:
            yield sentence


def _of_file(note: Note) -> str | None:
    """What is said of a picture file where a camera would be moved; None where it is the same."""
    match note:
        case Note(NoteKind.SPOILT, cause):
            return f"I can't tell: {SPOILT_FILES[Cause(cause)]}. {TRY_ANOTHER}"
        case Note(NoteKind.NO_TEXT):
            return NO_TEXT_OF_FILE
        case Note(NoteKind.LIGHT_HINT):
            return "The picture is very bright, which may hide some."
        case Note(NoteKind.CUT_OFF, edge):
            return CUT_OFF.format(edge)
        case Note(NoteKind.DECLINED):
            return DECLINED
        case _:
            return None


def _sentence(note: Note) -> str:
    match note:
        case Note(NoteKind.SPOILT, cause):
            return SENTENCES[Cause(cause)]
        case Note(NoteKind.NO_TEXT):
            return NO_TEXT
        case Note(NoteKind.LIGHT_HINT):
            return WASHED_OUT
        case Note(NoteKind.NO_MODEL, reason):
            return f"I can't tell: {reason}"
        case Note(NoteKind.CAN, what):
            return OFFERS[what]
        case Note(NoteKind.REFUSED, refusal):
            return REFUSALS[Refusal(refusal)]
        case Note(NoteKind.DECLINED):
            return f"{DECLINED} {OTHER_VIEW}"
        case Note(NoteKind.EMPTY):
            return EMPTY
        case Note(NoteKind.AMBIGUOUS, what):
            return f"I read it as it stands: {AMBIGUOUS[what]}."
        case Note(NoteKind.UNVERIFIED):
            return UNVERIFIED
        case Note(NoteKind.HARD_TO_READ, count):
            return f"{count} lines are hard to read." if count else HARD_TO_READ
        case Note(NoteKind.CUT_OFF, edge):
            return FIXES[edge]
        case _:
            return ""


def details(answer: Answer) -> Iterator[str]:
    """What a listener who wants to know everything hears behind an answer."""
    lines = answer.evidence
    if answer.basis is Basis.READ and lines:
        if len(lines) <= MOST_QUOTED:
            yield f"I read it here: {'; '.join(line.text for line in lines)}."
        least = min(line.confidence for line in lines)
        yield f"Letters {round(100 * least)} percent sure."
    if answer.model is not None:
        yield f"The model is {answer.model}."


def ended(text: str) -> str:
    """A text with a mark at its end, so that another sentence can follow."""
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text}."
