"""What the skills that tell dates share: labels of dates in all languages, and their doubts."""

from collections.abc import Sequence

from assistant.answers import Answer, Found, Note, NoteKind
from assistant.skills import vocabulary
from assistant.skills.grounding import ground_read
from assistant.text.date_roles import Dated, Labels
from assistant.text.dates import Doubt, PrintedDate

MOST_DATES = 3
"""Dates that are told; of more, the first ones."""

LABELS = Labels(
    expiry=(
        r"\bexp(?:iry|ires?|iration)?\b|\bexp(?=\d)|\bbest (?:before|by)|\buse[ -]?(?:by|before)"
        r"|\bbbe?\b|\bconsume (?:before|by)|\bgood (?:until|thru|through)|\bvalid (?:until|thru|to)"
        rf"|{vocabulary.pattern('dates', 'expiry')}"
    ),
    production=(
        r"\bm(?:fg|fd)\b|\bmanufactur\w*|\bprod(?:uced|uction)?\b|\bpacked\b|\bpkd\b"
        r"|\bsell[ -]?by|\bdisplay until|\bprint(?:ed)?\b|\bdob\b|\bborn\b|\bfrozen on"
        rf"|{vocabulary.pattern('dates', 'production')}"
    ),
    other=rf"\bdated?\b|\bissued?\b|{vocabulary.pattern('dates', 'other')}",
)


def as_dates(skill: str, dates: Sequence[Dated], *notes: Note) -> Answer:
    """An answer that quotes dates, at least one, with what is open about each."""
    found = tuple(
        Found(each.place.token.text, each.place.label or None, each.place.lines) for each in dates
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
