"""How old somebody is, as a question says it, and for which ages a sentence is meant."""

import re
from collections.abc import Iterator

from assistant.text.meaning import number

_COUNT = (
    r"(?P<count>\d+(?:\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty"
    r"|sixty|seventy|eighty|ninety)"
)
_UNIT_WORD = r"(?:years?|yrs?|months?|weeks?|days?)"
_UNIT = rf"(?P<unit>{_UNIT_WORD})"
_NOT_GONE = rf"(?! {_UNIT_WORD} (?:pregnant|gone|along|into))"
"""What makes weeks those of a pregnancy."""

_ASKED = (
    rf"\b{_COUNT}[ -]?{_UNIT}[ -]?old\b",
    rf"\b(?:child|boy|girl|lad|lass|husband|wife|mother|father|mum|mom|dad|grandma|grandpa"
    rf"|(?:grand)?son|(?:grand)?daughter|grandchild|nephew|niece|brother"
    rf"|sister|kid"
    rf"|baby|someone|person|toddler|teenager|little one) "
    rf"(?:of|aged|who is|is|was) {_COUNT}\b{_NOT_GONE}(?: {_UNIT})?",
    r"\bmy \w+(?: \w+)?(?:'s| is| has| will be| turns)(?: (?:just|now|only))*"
    rf"(?: turned)? {_COUNT}\b(?! (?:mg|ml|tablets?|times|o clock|am|pm|pounds?|euros?))"
    rf"{_NOT_GONE}(?: {_UNIT})?(?= old|$|[.,;?!]| (?:and|so|can"
    rf"|how|what|is|may|should))",
    rf"\b(?:aged?|i am|he is|she is) {_COUNT}\b(?! (?:mg|ml|tablets?|times))"
    rf"{_NOT_GONE}(?: {_UNIT})?",
)
_UNITS = (
    r"(?:years?|yrs?|jahren?|ans|años?|anni|jaar|anos?|months?|monaten?|mois|mes(?:es|i)?|maanden?"
    r"|weeks?|wochen?|semaines?|semanas?|settimane|weken|days?)"
)
_NO_AGE = (
    r"(?!\s*(?:ml|mg|g|times|tablets?|capsules?|doses?|drops?|puffs?|hours?|days?|mal|fois|veces"
    r"|volte"
    r"|keer|vezes)\b|[\d.,]\d)"
)
"""What makes a figure one of something else than years."""

_SPAN = re.compile(
    rf"(?P<first>\d+)\s*(?P<unit1>{_UNITS})?\s*(?:-|–|to|bis|à|a|al|tot)\s*"
    rf"(?P<last>\d+)\s*(?P<unit2>{_UNITS})?{_NO_AGE}",
    re.IGNORECASE,
)
_UNDER = re.compile(
    r"\b(?:under|below|younger than|less than|up to|unter|bis|moins de|menos de|menores de|sotto i"
    r"|meno di|minori di|onder|jonger dan|tot)(?: the age of)?\s*"
    rf"(?P<last>\d+){_NO_AGE}\s*(?P<unit>{_UNITS})?",
    re.IGNORECASE,
)
_OVER = re.compile(
    r"\b(?:over|above|older than|from|aged|über|ab|à partir de|plus de|desde|mayores de|más de"
    r"|oltre i|dai|sopra i|vanaf|ouder dan|boven|a partir de|maiores de|mais de)(?: the age of)?\s*"
    rf"(?P<first>\d+)(?!\s*(?:-|to)\s*\d){_NO_AGE}\s*(?P<unit>{_UNITS})?"
    rf"|(?P<first2>\d+)\s*(?P<unit2>{_UNITS})?(?: of age)?\s*"
    r"(?:and (?:over|above|older|up)|or (?:over|older)|\+)",
    re.IGNORECASE,
)


def _months_of(unit: str | None) -> float:
    """Months in a unit of time, in any of the languages; a year where none is named."""
    name = (unit or "years").lower()
    if name.startswith("d"):
        return 12 / 365
    if name.startswith(("w", "se")):
        return 12 / 52
    return 1.0 if name.startswith(("mo", "me", "ma")) else 12.0


_TENS = {
    word: 10 * tens
    for tens, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2
    )
}
_YOUNG = {"newborn": 0.5, "baby": 6.0, "infant": 6.0, "toddler": 24.0}
"""Months of those whose name tells their age."""


def age_in(question: str) -> float | None:
    """The age in months that a question in bare words names; None for none."""
    named = [match for pattern in _ASKED for match in re.finditer(pattern, question)]
    if not named:
        said = frozenset(question.split())
        return next((age for word, age in _YOUNG.items() if word in said), None)
    # "A child of four, and a baby of seven months": who is named last is asked about.
    last = max(named, key=lambda match: (match.start("count"), match.end()))
    count = last["count"]
    value = float(number(count) or _TENS.get(count) or count)
    return value * _months_of(last["unit"])


def is_meant_for(text: str, age: float) -> bool:
    """True if a sentence names a range of ages that holds an age in months."""
    return any(first <= age <= last for first, last in _ranges(text))


def _ranges(text: str) -> Iterator[tuple[float, float]]:
    """The ranges of ages of a text, in months; the last year or month of a range is whole."""
    for span in _SPAN.finditer(text):
        unit = span["unit2"] or span["unit1"]
        first = float(span["first"]) * _months_of(span["unit1"] or unit)
        yield first, (float(span["last"]) + 1) * _months_of(unit) - 0.01
    for under in _UNDER.finditer(text):
        yield 0.0, float(under["last"]) * _months_of(under["unit"]) - 0.01
    for over in _OVER.finditer(text):
        first = float(over["first"] or over["first2"])
        yield first * _months_of(over["unit"] or over["unit2"]), float("inf")
