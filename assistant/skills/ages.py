"""How old somebody is, as a question says it, and for which ages a sentence is meant."""

import re
from collections.abc import Iterator

from assistant.text.meaning import number

_COUNT = (
    r"(?P<count>\d+(?:\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen)"
)
_UNIT = r"(?P<unit>years?|yrs?|months?|weeks?|days?)"
_ASKED = (
    rf"\b{_COUNT}[ -]?{_UNIT}[ -]?old\b",
    rf"\b(?:child|boy|girl|son|daughter|kid|baby|someone|person|toddler|teenager) "
    rf"(?:of|aged|who is|is|was) {_COUNT}\b(?: {_UNIT})?",
    rf"\b(?:aged?|i am|he is|she is) {_COUNT}\b(?! (?:mg|ml|tablets?|times))(?: {_UNIT})?",
)
_MONTHS = {"y": 12.0, "m": 1.0, "w": 12 / 52, "d": 12 / 365}
_SPAN = re.compile(
    r"(?P<first>\d+)\s*(?P<unit1>years?|yrs?|months?|weeks?)?\s*(?:-|–|to|bis|à|a|al|tot)\s*"
    r"(?P<last>\d+)\s*(?P<unit2>years?|yrs?|months?|weeks?)?(?!\s*(?:ml|mg|g|times|tablets?)\b)",
    re.IGNORECASE,
)
_UNDER = re.compile(
    r"\b(?:under|below|younger than|less than|up to)(?: the age of)?\s*(?P<last>\d+)"
    r"(?!\s*(?:ml|mg|g|times|tablets?|capsules?|doses?|drops?|puffs?|hours?|days?)\b|[\d.,]\d)"
    r"\s*(?P<unit>years?|yrs?|months?|weeks?)?",
    re.IGNORECASE,
)
_OVER = re.compile(
    r"\b(?:over|above|older than|from|aged)(?: the age of)?\s*(?P<first>\d+)(?!\s*(?:-|to)\s*\d)"
    r"\s*(?P<unit>years?|yrs?|months?|weeks?)?"
    r"|(?P<first2>\d+)\s*(?P<unit2>years?|yrs?|months?|weeks?)?(?: of age)?\s*"
    r"(?:and (?:over|above|older|up)|or (?:over|older)|\+)",
    re.IGNORECASE,
)


def age_in(question: str) -> float | None:
    """The age in months that a question in bare words names; None for none."""
    for pattern in _ASKED:
        found = re.search(pattern, question)
        if found is not None:
            count = found["count"]
            value = float(number(count) or count)
            return value * _MONTHS[(found["unit"] or "years")[0]]
    return None


def is_meant_for(text: str, age: float) -> bool:
    """True if a sentence names a range of ages that holds an age in months."""
    return any(first <= age <= last for first, last in _ranges(text))


def _ranges(text: str) -> Iterator[tuple[float, float]]:
    """The ranges of ages of a text, in months; the last year or month of a range is whole."""
    for span in _SPAN.finditer(text):
        unit = (span["unit2"] or span["unit1"] or "years")[0].lower()
        first = float(span["first"]) * _MONTHS[(span["unit1"] or unit)[0].lower()]
        yield first, (float(span["last"]) + 1) * _MONTHS[unit] - 0.01
    for under in _UNDER.finditer(text):
        yield 0.0, float(under["last"]) * _MONTHS[(under["unit"] or "years")[0].lower()] - 0.01
    for over in _OVER.finditer(text):
        first = float(over["first"] or over["first2"])
        unit = (over["unit"] or over["unit2"] or "years")[0].lower()
        yield first * _MONTHS[unit], float("inf")
