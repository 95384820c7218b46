"""What the skills that tell dates share: labels of dates in all languages, and their doubts."""

from collections.abc import Sequence

from assistant.answers import Answer, Found, Note, NoteKind
from assistant.skills import vocabulary
from assistant.skills.grounding import ground_read
from assistant.text.date_roles import Dated, Labels
from assistant.text.dates import Doubt, PrintedDate
from assistant.text.tokens import Kind

MOST_DATES = 3
"""Dates that are told; of more, the first ones."""

_EXPIRY = (
    "exp(?:iry|ires?|iration)?|best (?:before|by)|use[ -]?(?:by|before)|bbe?"
    "|consume (?:before|by)|good (?:until|thru|through|for)"
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
