"""Which lines answer a question: those that hold its words, with the value that it asks for.

Every row of a page is weighed by how many of the question's words it accounts for. A word that
stands on few rows tells more than one that stands on many; a heading over a row lends it its words;
and where a question asks for an amount, a row with an amount is worth more than one without.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.text.meaning import SAME, best_match, content_words, weekday, weekdays, words
from assistant.text.page import Page, Passage, Place
from assistant.text.tokens import Kind

LEAST = 0.5
"""Part of a question's meaning that a place must account for."""

AS_GOOD = 0.85
"""Part of the best score from which a second place is told, too."""

MOST_PLACES = 2
HEADING = 0.6
"""What a word in the heading counts against one in the row itself."""

MOST_QUOTED_WORDS = 40
"""Words of a sentence that is quoted whole; of a longer one only its row."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A place that answers a question.

    score:    0 to 1, the part of the question that it accounts for.
    passage:  what is quoted.
    value:    the value that was asked for, if the place has exactly one of that kind.
    """

    score: float
    passage: Passage
    value: Place | None = None


_WANTED: tuple[tuple[frozenset[Kind], str], ...] = (
    (frozenset({Kind.TIME}), r"\bwhat time\b|\bwhen does it (?:open|close|start|end|leave)\b"),
    (
        frozenset({Kind.DATE, Kind.TIME}),
        r"\bwhen\b|\bwhat (?:date|day)\b|\bdate\b|\bdeadline\b|\buntil\b|\bhow old\b",
    ),
    (
        frozenset({Kind.MONEY}),
        r"\bhow much (?:is|are|was|were|does|do|did|for|money)\b|\bprices?\b|\bcosts?\b|\bfee\b"
        r"|\bpay(?:ment)?\b|\bbalance\b|\bowe\b|\bpremium\b|\brent\b|\bfare\b|\bcharged?\b",
    ),
    (
        frozenset({Kind.PHONE}),
        r"\b(?:tele)?phone\b|\bnumber (?:to|do i|should i|can i) (?:call|ring)\b|\bcall\b|\bring\b"
        r"|\bhotline\b|\bhelpline\b|\bfax\b|\bmobile\b",
    ),
    (frozenset({Kind.EMAIL}), r"\be ?-?mail\b"),
    (frozenset({Kind.WEB}), r"\bweb ?-?(?:site|page|address)?\b|\burl\b|\bonline\b"),
    (
        frozenset({Kind.MEASURE, Kind.NUMBER, Kind.PERCENT}),
        r"\bhow (?:many|much|long|hot|big|heavy|strong|far|tall|wide|often)\b|\bpercent\w*\b"
        r"|\btemperature\b|\bsize\b|\bweigh\w*\b|\bvolume\b|\bcalories\b",
    ),
    (
        frozenset({Kind.CODE, Kind.NUMBER, Kind.PHONE}),
        r"\b(?:number|code|reference|ref|id|iban|pin|password|postcode|zip)\b",
    ),
)
"""What kind of value a question asks for, by its words; the first that fits."""


_KIND_WORDS = frozenset(
    {"number", "date", "day", "time", "price", "cost", "costs", "amount", "phone", "telephone",
     "code", "website", "web", "site", "address", "email", "mail"}
)  # fmt: skip
"""Words that only say what kind of value is asked for: a row with one accounts for them."""

KIND_MATCH = 0.6


def wanted(question: str) -> frozenset[Kind]:
    """The kinds of values that a question asks for; empty if it asks for words."""
    text = " ".join(words(question))
    return next((kinds for kinds, pattern in _WANTED if re.search(pattern, text)), frozenset())


def places_for(page: Page, question: str, language: str = "en") -> list[Hit]:
    """The best places of a page for a question; empty if nothing on it comes close."""
    asked = content_words(question)
    if not asked or not page.rows:
        return []
    kinds = wanted(question)
    matches = [
        [_match(word, page, number, kinds, language) for word in asked]
        for number in range(len(page.rows))
    ]
    weights = [_rarity([row[at] for row in matches]) for at in range(len(asked))]
    total = sum(weights)
    scored: list[tuple[float, int]] = []
    for number, row in enumerate(matches):
        if not any(row):
            continue
        heading = _heading(page, number)
        over = [0.0] * len(asked) if heading is None else matches[heading]
        own = sum(w * max(m, HEADING * o) for w, m, o in zip(weights, row, over, strict=True))
        score = own / total
        if score >= LEAST:
            scored.append((score + _fit(page, number, kinds), number))
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    hits: list[Hit] = []
    taken: set[int] = set()
    for score, number in scored:
        if score < AS_GOOD * scored[0][0] or len(hits) == MOST_PLACES:
            break
        hit = _hit(page, number, score, kinds, asked)
        if not taken & set(hit.passage.rows):
            taken |= set(hit.passage.rows)
            hits.append(hit)
    return hits


def accounts_for(question_words: Sequence[str], text: str, language: str = "en") -> bool:
    """True if every word is in a text, as itself, in a compound, by its sense, or misspelt."""
    printed = words(text)
    return all(best_match(word, printed, language) > 0 for word in question_words)


def _match(word: str, page: Page, number: int, kinds: frozenset[Kind], language: str) -> float:
    """How well a row accounts for a word of the question, 0 to 1."""
    day = weekday(word)
    if day is not None:
        return SAME if day in weekdays(page.rows[number].text) else 0.0
    match = best_match(word, page.words(number), language)
    if word in _KIND_WORDS and any(place.token.kind in kinds for place in page.places_in(number)):
        return max(match, KIND_MATCH)
    return match


def _rarity(column: Sequence[float]) -> float:
    """The weight of a word: the fewer rows hold it, the more; one that none holds weighs most."""
    return math.log(1 + len(column) / (0.5 + sum(match > 0 for match in column)))


def _heading(page: Page, number: int) -> int | None:
    """The nearest row above, in the same paragraph or the one before, that holds no value."""
    for above in range(number - 1, max(-1, number - 8), -1):
        if not page.has_values(above) and len(words(page.rows[above].text)) <= 6:
            return above
    return None


def _fit(page: Page, number: int, kinds: frozenset[Kind]) -> float:
    """A bonus for a row, or its next, with a value of the wanted kind; a malus without one."""
    if not kinds:
        return 0.0
    here = any(place.token.kind in kinds for place in page.places_in(number))
    if here:
        return 0.15
    below = any(place.token.kind in kinds for place in page.places_in(number + 1))
    return 0.05 if below and not page.has_values(number) else -0.2


def _hit(
    page: Page, number: int, score: float, kinds: frozenset[Kind], asked: Sequence[str]
) -> Hit:
    here = [place for place in page.places_in(number) if place.token.kind in kinds]
    if not here and kinds and not page.has_values(number) and number + 1 < len(page.rows):
        below = [place for place in page.places_in(number + 1) if place.token.kind in kinds]
        if below:
            value = below[0] if len(below) == 1 else None
            return Hit(score, page.passage(number, number + 1), value)
    if here:
        labelled = [
            place
            for place in here
            if any(best_match(word, words(place.label)) > 0 for word in asked)
        ]
        best = labelled or here
        return Hit(score, page.passage(number), best[0] if len(best) == 1 else None)
    sentence = next((each for each in page.sentences if number in each.rows), None)
    if sentence is not None and len(words(sentence.text)) <= MOST_QUOTED_WORDS:
        return Hit(score, sentence)
    return Hit(score, page.passage(number))
