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
from assistant.text.meaning import words

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
TO_BE_CHECKED = "Have somebody check it."
HARD_TO_READ = "It is hard to read; have somebody check it."
NO_TEXT = (
    "I can't tell: I find no text in this picture. Move closer, or turn the page to the light."
)
MIRRORED = "This looks mirrored; I read it the right way round."
UNREADABLE = (
    "I can't tell: I see text but cannot read it. Hold the camera still and closer to the text."
)
PERHAPS = "perhaps in a script that I do not know"
UNREADABLE_FILE = "I can't tell: I see text but cannot read it. Try another picture."
OVERRULED = {
    Cause.BLACK: "The picture is black.",
    Cause.DARK: "It is dark, so I may be wrong.",
    Cause.BLANK: "The picture looks blank.",
    Cause.BLURRED: "The picture is blurred, so I may be wrong.",
    Cause.NOISE: "The picture is noisy, so I may be wrong.",
    Cause.COVERED: "Something covers the lens.",
    Cause.BRIGHT: "The picture is very bright, which may hide some text.",
    Cause.GLARE: "Light is reflected into the lens, which may hide some text.",
}
"""What is said beside an answer from a picture that was looked at all the same."""
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
        sentence = (_of_file(note) if of_file else None) or _sentence(note, answer)
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


def _sentence(note: Note, answer: Answer) -> str:
    match note:
        case Note(NoteKind.SPOILT, cause):
            return SENTENCES[Cause(cause)]
        case Note(NoteKind.NO_TEXT):
            return NO_TEXT
        case Note(NoteKind.MIRRORED):
            return MIRRORED
        case Note(NoteKind.OTHER_WAY_UP, other):
            return f"If it is upside down, it says {other}."
        case Note(NoteKind.NOT_READ, where):
            return not_read(answer, where)
        case Note(NoteKind.MARKS, detail):
            return marks(detail)
        case Note(NoteKind.FOREIGN, detail):
            return foreign(answer, *detail.split("|", 1))
        case Note(NoteKind.ANYWAY, cause):
            return OVERRULED[Cause(cause)]
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
        case Note(NoteKind.RESTS_ON):
            return resting(answer)
        case Note(NoteKind.UNVERIFIED, where):
            return TO_BE_CHECKED if where else UNVERIFIED
        case Note(NoteKind.HARD_TO_READ, count):
            return f"{count} lines are hard to read." if count else HARD_TO_READ
        case Note(NoteKind.CUT_OFF, edge):
            return FIXES[edge]
        case _:
            return ""


def marks(detail: str) -> str:
    """That letters may have lost their marks; detail: pairs such as "L Ľ, D Ď"."""
    pairs = (pair.split(" ") for pair in detail.split(", "))
    return f"Marks get lost: {', '.join(f'{read} may be {own}' for read, own in pairs)}."


def resting(answer: Answer) -> str:
    """The printed lines that hold what a model's words claim; "" where they are the same words."""
    lines = [line.text for line in answer.evidence]
    said = set(words(" ".join(answer.values)))
    if set(words(" ".join(lines))) <= said:
        return ""
    return f"I read: {'; '.join(lines)}"


def not_read(answer: Answer, where: str) -> str:
    """That there is text which could not be read, and where."""
    if _is_all(answer):
        return UNREADABLE if answer.note(NoteKind.OF_FILE) is None else UNREADABLE_FILE
    if answer.basis is Basis.UNKNOWN:
        return _briefly(where)
    return f"There is more text {where} that I cannot read.".replace("  ", " ")


def _briefly(where: str) -> str:
    """The same behind a refusal, which is short: it may come with every question."""
    return f"I cannot read some text {where}.".replace(" .", ".")


def _is_all(answer: Answer) -> bool:
    """True if an answer tells nothing but that there is text which cannot be read."""
    known = {NoteKind.NOT_READ, NoteKind.FOREIGN, NoteKind.OF_FILE, NoteKind.ANYWAY}
    return answer.basis is Basis.UNKNOWN and all(note.kind in known for note in answer.notes)


def foreign(answer: Answer, script: str, where: str) -> str:
    """That there is text in a script which the installed models cannot read."""
    alone = _is_all(answer)
    if not script:
        if alone:
            return f"I can't tell: I see text that I cannot read, {PERHAPS}."
        if answer.basis is Basis.UNKNOWN:
            return _briefly(where)
        return f"There is text {where} that I cannot read, {PERHAPS}.".replace("  ", " ")
    name = f"in a script that I cannot read; it looks like {script}"
    if alone:
        return f"I can't tell: I see text {name}."
    return f"There is text {where} {name}.".replace("  ", " ")


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
    chosen = answer.note(NoteKind.CHOSEN)
    if chosen is not None:
        yield f"The model {chosen.detail} chose it."


def ended(text: str) -> str:
    """A text with a mark at its end, so that another sentence can follow."""
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text}."
