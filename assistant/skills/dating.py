"""What the skills that tell dates share: labels of dates in all languages, and their doubts."""

from collections.abc import Sequence

from assistant.answers import Answer, Found, Note, NoteKind
from assistant.skills import vocabulary
from assistant.skills.grounding import ground_read
from assistant.skills.skill import Asked
from assistant.text.date_roles import Dated, Labels, distance, judged
from assistant.text.dates import Doubt, PrintedDate
from assistant.text.tokens import Kind

MOST_DATES = 3
"""Dates that are told; of more, the first ones."""

_EXPIRY = (
    "exp(?:iry|ires?|iration)?|best (?:before|by)|use[ -]?(?:by|before)|bbe?"
    "|consume (?:before|by)|bbd|bbf|good (?:until|thru|through|for)"
    "|valid(?: until| thru| to| on| for)?(?! ?from)"
)
_PRODUCTION = (
    "m(?:fg|fd)|manufactur[a-z]*|prod(?:uced|uction)?|packed|pkd|sell[ -]?by|display until"
    "|print(?:ed)?|dob|born|frozen on"
)
_OTHER = "dated?|issued?"


def _whole(words: str, key: str) -> str:
    """English words, and those of all languages, where no letter touches them; a figure may."""
    return rf"(?<![a-z])(?:{words})(?![a-z])|{vocabulary.pattern('dates', key)}"


LABELS = Labels(
    expiry=_whole(_EXPIRY, "expiry"),
    production=_whole(_PRODUCTION, "production"),
    other=_whole(_OTHER, "other"),
)


def as_dates(skill: str, dates: Sequence[Dated], *notes: Note) -> Answer:
    """An answer that quotes dates, at least one, with what is open about each."""
    found = tuple(
        Found(each.place.token.text, each.place.label or None, each.place.lines, Kind.DATE)
        for each in dates
    )
    doubts = dict.fromkeys(filter(None, (doubt(each.printed) for each in dates)))
    basis = ground_read(found)
    return Answer(skill, found, basis, (*notes, *doubts))


def doubt(printed: PrintedDate) -> Note | None:
    """What cannot be known about a date, or None."""
    if printed.doubt is not Doubt.AMBIGUOUS:
        return None
    # 12-06-25 may begin with the year; 12/06/2025 cannot.
    years = {str(day.year) for day, _ in printed.days}
    two_digits = printed.has_year and not any(year in printed.text for year in years)
    return Note(NoteKind.AMBIGUOUS, "year" if two_digits else "day")


def judgement(first: Dated, asked: Asked) -> tuple[Note, ...]:
    """What today makes of a date; empty where two readings lie on two sides of it."""
    if not first.printed.days:
        return (Note(NoteKind.IMPOSSIBLE),)
    side = judged(first.printed, asked.today)
    # Of an ambiguous date only the side is known, and only where both readings lie on it.
    sure = len(first.printed.days) == 1
    far = distance(first.printed, asked.today) if sure else ""
    kinds = {"past": NoteKind.PAST, "future": NoteKind.FUTURE}
    if side == "today":
        return (Note(NoteKind.FUTURE, "today"),)
    return (Note(kinds[side], far),) if side in kinds else ()


def verdict(answer: Answer) -> str:
    """Whether the day has passed, and how long ago or how far it is; "" if that is not known."""
    note = answer.note(NoteKind.PAST) or answer.note(NoteKind.FUTURE)
    if note is not None and note.kind is NoteKind.PAST:
        return f"That is {note.detail} ago: it has passed." if note.detail else "It has passed."
    if note is not None and note.detail == "today":
        return "That is today."
    if note is not None:
        return f"That is in {note.detail}." if note.detail else "It has not passed."
    if answer.note(NoteKind.IMPOSSIBLE):
        return "There is no such day in any calendar."
    return ""
