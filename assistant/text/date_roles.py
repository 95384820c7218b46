"""What a printed date is the date of: expiry, production, or what else its label says.

Packages print two dates side by side, name them in one label ("MFG/EXP"), put the label behind the
date or over it. A date without a label is told as that; nothing here guesses.
"""

import datetime
import re
from dataclasses import dataclass

from assistant.text.dates import Doubt, PrintedDate, find_dates
from assistant.text.page import Page, Place

_DATE = "(?:date|datum|fecha|data|dato)"


@dataclass(frozen=True, slots=True)
class Labels:
    """Words, as a regular expression each, that name a date's role."""

    expiry: str
    production: str
    other: str

    def names_a_date(self, text: str) -> bool:
        """True if a text holds the name of any role."""
        pattern = f"{self.expiry}|{self.production}|{self.other}"
        return re.search(pattern, text, re.IGNORECASE) is not None

    def role(self, label: str) -> str:
        """The role that stands last in a label, nearest to its date: or "" for none."""
        last, found = -1, ""
        for role, pattern in (
            ("other", self.other), ("production", self.production), ("expiry", self.expiry),
        ):  # fmt: skip
            # "Expiry date" is named by its first word.
            for match in re.finditer(rf"(?:{pattern})(?:\W*{_DATE})?", label, re.IGNORECASE):
                if match.end() >= last:
                    last, found = match.end(), role
        return found


@dataclass(frozen=True, slots=True)
class Dated:
    """A date with its role: "expiry", "production", "other", or "" without a label."""

    place: Place
    printed: PrintedDate
    role: str


def dated(page: Page, labels: Labels) -> list[Dated]:
    """The dates of a page with their roles, in reading order."""
    places = page.dates(labels.names_a_date)
    found = []
    for place in places:
        printed = next(iter(find_dates(place.token.text)), None)
        if printed is None:
            continue
        beside = [each for each in places if each.row == place.row and each.label == place.label]
        label = _own_part(place.label, beside.index(place), len(beside))
        role = labels.role(label) or labels.role(place.head) or labels.role(place.behind)
        if not role and not place.left:
            role = labels.role(place.above)
        if printed.needs_label and not role:
            continue
        found.append(Dated(place, printed, role))
    return found


def _own_part(label: str, number: int, count: int) -> str:
    """The part of a label such as "MFG/EXP" that belongs to one of several dates."""
    parts = [part for part in re.split(r"\s*[/|&+,]\s*", label) if part.strip()]
    return parts[number] if count > 1 and len(parts) == count else label


def judged(printed: PrintedDate, today: datetime.date) -> str:
    """Return "past", "future" or "today"; "unsure" where the days it can mean differ in that."""
    if printed.doubt is Doubt.IMPOSSIBLE or not printed.has_year:
        return "unsure"
    sides = {
        "past" if last < today else "future" if first > today else "today"
        for first, last in printed.days
    }
    return sides.pop() if len(sides) == 1 else "unsure"


def distance(printed: PrintedDate, today: datetime.date) -> str:
    """How far away a date is, roughly and in words: "3 days", "over a year"."""
    day = printed.days[0][1]
    days = abs((day - today).days)
    if days < 14:
        return "1 day" if days == 1 else f"{days} days"
    if days < 60:
        return f"{days // 7} weeks"
    if days < 365:
        return f"{days // 30} months"
    return "over a year" if days < 730 else f"over {days // 365} years"
