"""Dates as they are printed, in figures or with the month's name in seven languages.

A date keeps the characters that stand on the paper. What they can mean is worked out beside them:
one day, several days where the order of day and month is open, or no day of any calendar.
"""

import calendar
import datetime
import enum
import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from babel.dates import get_month_names

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt")
"""Languages whose names of months are known."""

LEAP_YEAR = 2000
"""Stands for a year that is not printed; it has every day."""

CENTURY_PIVOT = 70
"""A year of two digits is of this century below, of the last one from here on."""


class Doubt(enum.Enum):
    """What keeps a printed date from being one day."""

    NONE = "none"
    AMBIGUOUS = "ambiguous"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class PrintedDate:
    """A date in a text.

    text:       the characters as printed.
    start, end: where they stand in the text.
    days:       every (first, last) day that they can mean, one for a full date that is sure;
                a month without a day lasts from its first to its last; none if impossible.
    has_day:    False for a month and a year only.
    has_year:   False where no year is printed; the days are then those of the year 2000.
    needs_label: True for figures that are a date only where a label says so.
    """

    text: str
    start: int
    end: int
    days: tuple[tuple[datetime.date, datetime.date], ...]
    has_day: bool = True
    has_year: bool = True
    needs_label: bool = False

    @property
    def doubt(self) -> Doubt:
        """Whether it can be one day only."""
        if not self.days:
            return Doubt.IMPOSSIBLE
        return Doubt.NONE if len(self.days) == 1 else Doubt.AMBIGUOUS


def find_dates(text: str) -> list[PrintedDate]:
    """Every date of a line, in order; of two that overlap the earlier, then the more telling."""
    found: list[PrintedDate] = []
    if not any(character.isdigit() for character in text):
        return found
    for order, pattern in enumerate(_patterns()):
        for match in pattern.finditer(text):
            # Roman hand-written months and the like are left to whoever reads the line.
            read = _read(match, needs_label=order >= _SURE_PATTERNS)
            free = all(match.end() <= each.start or match.start() >= each.end for each in found)
            if read is not None and free:
                found.append(read)
    return sorted(found, key=lambda each: each.start)


def month_number(name: str) -> int | None:
    """The month, 1 to 12, that a name or its abbreviation means in any of the languages."""
    return _months().get(_plain(name))


@functools.cache
def _months() -> dict[str, int]:
    known: dict[str, int] = {}
    for language in LANGUAGES:
        for width in ("wide", "abbreviated"):
            for context in ("format", "stand-alone"):
                names = get_month_names(width, context=context, locale=language)
                for number, name in names.items():
                    known.setdefault(_plain(name), number)
                    # Packages print three or four letters where a grammar has more.
                    if language in ("en", "de", "nl"):
                        known.setdefault(_plain(name)[:3], number)
    known["sept"] = 9
    return known


def _plain(name: str) -> str:
    """Lower case, no accents, no full stop: as packages print a month."""
    letters = unicodedata.normalize("NFKD", name.lower())
    return "".join(letter for letter in letters if letter.isalpha())


_LEFT = r"(?<![\w/.,£$€₹¥-])(?<![£$€₹¥] )"
_GLUED = r"(?:(?<![\w/.,£$€₹¥-])(?<![£$€₹¥] )|(?<=[A-Za-z:])|(?<=[A-Za-z][.:]))"
_RIGHT = r"(?![A-Za-z\d]|[/.,-]\d| ?[£€₹¥])"
"""What stands before and behind a date: no other figures, and no currency, as of "£2.20"."""
_RIGHT_OR_CLOCK = r"(?:(?![A-Za-z\d]|[/.,-]\d)|(?=\d\d:\d\d))"
"""Receipts run the date and the clock together, as in 9/3/201820:54."""
_YEAR4 = r"(?P<y>(?:19|20)\d\d)"
_YEAR = r"(?P<y>(?:19|20)\d\d|\d\d)"
_SURE_PATTERNS = 7


@functools.cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """From the most to the least telling form; the last few need a label."""
    names = "|".join(sorted({*_months(), *_with_accents()}, key=len, reverse=True))
    # "5 out of 10" is no day of the Portuguese "out".
    name = rf"(?P<name>(?!out of\b)(?:{names}))\.?(?![a-z\u00e0-\u00ff])"
    ordinal = r"(?:st|nd|rd|th|er|º|\.)?"
    of = r"(?:of |de |di |del )?"
    gap = r"[ .,/'’-]{0,3}"
    # The same mark twice: "2 - 3.50" is a name and a price.
    figures = r"(?P<a>\d{1,2}) ?(?P<s>[./-]) ?(?P<b>\d{1,2}) ?(?P=s) ?"
    forms = (
        rf"{_LEFT}{_YEAR4}(?P<s>[./-])(?P<m>\d{{1,2}})(?P=s)(?P<d>\d{{1,2}})(?:(?=T\d\d)|{_RIGHT})",
        rf"{_GLUED}{figures}{_YEAR4}{_RIGHT_OR_CLOCK}",
        rf"{_GLUED}{figures}(?P<y>\d\d){_RIGHT}",
        rf"{_GLUED}(?P<d>\d{{1,2}}){ordinal}[ ./-]{{0,2}}{of}{name}{gap}{of}{_YEAR}{_RIGHT}",
        rf"{_LEFT}{name}[ .]{{0,2}}(?P<d>\d{{1,2}})(?!\d)(?:st|nd|rd|th)?[, ]+{_YEAR}{_RIGHT}",
        rf"{_LEFT}{name}{gap}{of}{_YEAR4}{_RIGHT}",
        rf"{_LEFT}(?P<d>\d{{1,2}}){ordinal} {{0,2}}{of}{name}{_RIGHT}",
        # From here on only behind a label.
        rf"{_LEFT}{name}\.? {{0,2}}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?{_RIGHT}",
        rf"{_GLUED}(?P<m>\d{{1,2}}) ?[./-] ?{_YEAR4}{_RIGHT}",
        rf"{_GLUED}{_YEAR4} ?[./-] ?(?P<m>\d{{1,2}}){_RIGHT}",
        rf"{_LEFT}{name}{gap}{of}(?P<y>\d\d){_RIGHT}",
        rf"{_GLUED}(?P<m>\d{{1,2}}) ?[./-] ?(?P<y>\d\d){_RIGHT}",
        rf"{_GLUED}(?P<a>\d\d) (?P<b>\d\d) {_YEAR}{_RIGHT}",
        rf"{_GLUED}(?P<a>\d\d)(?P<b>\d\d){_YEAR}{_RIGHT}",
    )
    return tuple(re.compile(form, re.IGNORECASE) for form in forms)


@functools.cache
def _with_accents() -> frozenset[str]:
    """The names as they are printed, accents and all."""
    return frozenset(
        name.lower().rstrip(".")
        for language in LANGUAGES
        for width in ("wide", "abbreviated")
        for name in get_month_names(width, locale=language).values()
    )


def _read(match: re.Match[str], *, needs_label: bool) -> PrintedDate | None:
    parts = match.groupdict()
    days = tuple(dict.fromkeys(_meanings(parts)))
    in_figures = parts.get("name") is None
    if not days and in_figures and (needs_label or parts.get("a") is None):
        return None  # figures such as 47/99: nothing says that they are a date
    if not days and parts.get("a") is not None and not _could_be_a_day(parts):
        return None
    has_day = parts.get("d") is not None or parts.get("a") is not None
    return PrintedDate(
        match[0], match.start(), match.end(), days, has_day, parts.get("y") is not None, needs_label
    )


def _meanings(parts: dict[str, str | None]) -> Iterator[tuple[datetime.date, datetime.date]]:
    """Every (first, last) day that the parts of a date can mean."""
    named = parts.get("name")
    month = month_number(named) if named else int(parts.get("m") or 0) or None
    year = _full_year(parts.get("y"))
    if parts.get("a") is not None:
        assert year is not None
        one, other = int(parts["a"] or 0), int(parts["b"] or 0)
        yield from _day(year, other, one)
        yield from _day(year, one, other)
    elif month is not None and parts.get("d") is not None:
        yield from _day(LEAP_YEAR if year is None else year, month, int(parts["d"] or 0))
    elif month is not None and year is not None and 1 <= month <= 12:
        last = calendar.monthrange(year, month)[1]
        yield datetime.date(year, month, 1), datetime.date(year, month, last)


def _could_be_a_day(parts: dict[str, str | None]) -> bool:
    """True for figures that look like a day and a month, though no calendar has that day."""
    low, high = sorted((int(parts["a"] or 0), int(parts["b"] or 0)))
    return 1 <= low <= 12 and 1 <= high <= 31


def _full_year(text: str | None) -> int | None:
    if text is None:
        return None
    year = int(text)
    return year if year > 99 else year + (2000 if year < CENTURY_PIVOT else 1900)


def _day(year: int, month: int, day: int) -> Iterator[tuple[datetime.date, datetime.date]]:
    if 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]:
        one = datetime.date(year, month, day)
        yield one, one
