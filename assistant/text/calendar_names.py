"""Days of the week and months by their names, whole and short, in the languages of papers."""

import functools
import re
from collections.abc import Mapping
from typing import Literal

from babel.dates import get_day_names, get_month_names

from assistant.text.plain_letters import stem_free

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt")
"""In this order: a short name belongs to the first language that has it."""


@functools.cache
def _days() -> dict[str, int]:
    known: dict[str, int] = {}
    for language in LANGUAGES:
        for width in ("wide", "abbreviated", "short"):
            for number, name in get_day_names(width, locale=language).items():
                plain = stem_free(name)
                if len(plain) >= 3:
                    known.setdefault(plain, number)
    known |= {"tues": 1, "weds": 2, "thur": 3, "thurs": 3}
    return known


@functools.cache
def _short_days() -> dict[str, int]:
    names = get_day_names("short", locale="de").items()
    return {stem_free(name): number for number, name in names}


@functools.lru_cache(maxsize=8192)
def weekday(word: str) -> int | None:
    """The day that a word names, Monday 0 to Sunday 6, or None."""
    plain = stem_free(word)
    found = _days().get(plain)
    return found if found is not None else _days().get(plain.removesuffix("s"))


@functools.lru_cache(maxsize=8192)
def month(word: str, *, short: bool = False) -> int | None:
    """The month that a word names, January 1 to December 12, or None.

    short: whether "Jun" may name one, as it does at the head of a column.
    """
    plain = stem_free(word)
    found = _months("wide").get(plain)
    return found if found is not None or not short else _months("abbreviated").get(plain)


@functools.cache
def _months(width: Literal["wide", "abbreviated"]) -> dict[str, int]:
    known: dict[str, int] = {}
    for language in LANGUAGES:
        for number, name in get_month_names(width, locale=language).items():
            known.setdefault(stem_free(name), number)
    return known


def _day(word: str, short: Mapping[str, int]) -> int | None:
    found = weekday(word)
    return found if found is not None else short.get(stem_free(word))


@functools.lru_cache(maxsize=4096)
def weekdays(text: str) -> frozenset[int]:
    """The days that a line is about: those it names, and those between two of a range."""
    found: set[int] = set()
    pattern = r"([^\W\d_]+)\.?(?: ?(?:-|–|—|to|bis|à|au|al|a|tot|até|until|through) ?([^\W\d_]+))?"
    for match in re.finditer(pattern, text):
        # "Do" alone is no Thursday; in "Mo - Do", or before an hour, it is.
        hour = re.match(r"[.:]? ?\d", text[match.end() :])
        short = _short_days() if match[2] or hour and match[1][0].isupper() else {}
        first = _day(match[1], short)
        last = _day(match[2], short) if match[2] else None
        if first is not None and last is not None:
            found |= {(first + step) % 7 for step in range((last - first) % 7 + 1)}
        found |= {day for day in (first, last) if day is not None}
    for named, days in _PARTS_OF_WEEKS:
        if named.search(text):
            found |= days
    return frozenset(found)


_PARTS_OF_WEEKS = (
    (
        re.compile(r"\b(?:week-?ends?|wochenenden?|fins? de semana|fine ?settimana)\b", re.I),
        frozenset({5, 6}),
    ),
    (
        re.compile(r"\b(?:weekdays|werktags|wochentags|en semaine|feriali|laborables)\b", re.I),
        frozenset(range(5)),
    ),
)
"""Names of several days at once."""
