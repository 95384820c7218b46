"""Which lines answer a question: those that hold its words, with the value that it asks for.

Every row of a page is weighed by how many of the question's words it accounts for. A word that
stands on few rows tells more than one that stands on many; a heading over a row lends it its words;
and where a question asks for an amount, a row with an amount is worth more than one without.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from assistant.text.meaning import (
    SAME,
    SYNONYM,
    best_match,
    content_words,
    is_telling,
    weekday,
    weekdays,
    words,
)
from assistant.text.page import Page, Passage, Place
from assistant.text.tokens import Kind

LEAST = 0.45
"""Part of a question's meaning that a place must account for."""

AS_GOOD = 0.85
"""Part of the best score from which a second place is told, too."""

MOST_PLACES = 2
HEADING = 0.6
"""What a word in the heading counts against one in the row itself."""

MISSING, WEAK = 0.8, 0.2
"""Weights of a word that no row holds, and of one that says little: "long", "put", "made"."""

MOST_QUOTED_WORDS = 40
"""Words of a sentence that is quoted whole; of a longer one only its row."""

MOST_OF_KIND = 2
"""Values of the wanted kind that are told where the question has no other words."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A place that answers a question.

    score:    0 to 1, the part of the question that it accounts for.
    passage:  what is quoted.
    value:    the value that was asked for, if the place has exactly one of that kind, or one of
              several that the question names.
    is_one_of_many: True in that second case: the others are not asked for.
    is_whole: True if the place, or the heading over it, holds every telling word of the question
              and a value of the wanted kind; less than that may answer something else.
    """

    score: float
    passage: Passage
    value: Place | None = None
    is_one_of_many: bool = False
    is_whole: bool = False


_WANTED: tuple[tuple[frozenset[Kind], str], ...] = (
    (frozenset({Kind.TIME}), r"\bwhat time\b|\bwhen does it (?:open|close|start|end|leave)\b"),
    (
        frozenset({Kind.DATE, Kind.TIME}),
        r"\bwhen\b|\bby when\b|\bwhat (?:date|day)\b|\bdate\b|\bdeadline\b|\buntil\b|\bhow old\b",
    ),
    (
        frozenset({Kind.MONEY}),
        r"\bhow much (?:is|are|was|were|does|do|did|for|money|would)\b|\bprices?\b|\bcosts?\b"
        r"|\bfee\b"
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
        frozenset({Kind.MEASURE, Kind.NUMBER, Kind.PERCENT, Kind.MONEY}),
        r"\bhow much\b",
    ),
    (
        frozenset({Kind.MEASURE, Kind.NUMBER, Kind.PERCENT}),
        r"\bhow (?:many|long|hot|big|heavy|strong|far|tall|wide|often)\b|\bpercent\w*\b"
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


def places_for(
    page: Page, question: str, language: str = "en", *, most: int = MOST_PLACES
) -> list[Hit]:
    """The best places of a page for a question; empty if nothing on it comes close."""
    asked = content_words(_without_excluded(question))
    kinds = wanted(question)
    if not page.rows:
        return []
    if not any(is_telling(word) and word not in _KIND_WORDS for word in asked):
        return _only_values(page, kinds)
    matches = [
        [_match(word, page, number, kinds, language) for word in asked]
        for number in range(len(page.rows))
    ]
    weights = [_weight(word, [row[at] for row in matches]) for at, word in enumerate(asked)]
    scored = [
        (score + _fit(page, rows, kinds), rows)
        for rows in _candidates(page)
        if (score := _score(page, rows, matches, weights)) + _fit(page, rows, kinds) >= LEAST
    ]
    # Of places that account for the same, the shortest says it best.
    scored.sort(key=lambda pair: (-round(pair[0], 3), len(pair[1]), pair[1]))
    hits: list[Hit] = []
    taken: set[int] = set()
    for score, rows in scored:
        if score < AS_GOOD * scored[0][0] or len(hits) == most:
            break
        hit = _hit(page, rows, score, kinds, asked)
        if _is_whole(page, rows, hit, kinds, asked, matches):
            hit = dataclasses.replace(hit, is_whole=True)
        if not taken & set(hit.passage.rows):
            taken |= set(hit.passage.rows)
            hits.append(hit)
    return _with_its_date(page, hits) if Kind.DATE in kinds and Kind.TIME in kinds else hits


def _with_its_date(page: Page, hits: list[Hit]) -> list[Hit]:
    """To an hour belongs its day: the only date of the page, where the hour stands without one."""
    told = {row for hit in hits for row in hit.passage.rows}
    held = {place.token.kind for row in told for place in page.places_in(row)}
    dates = page.places_of(Kind.DATE)
    if not hits or Kind.TIME not in held or Kind.DATE in held:
        return hits
    if len({place.token.text for place in dates}) != 1:
        return hits
    return [Hit(hits[0].score, page.passage(dates[0].row)), *hits[:1]]


def _without_excluded(question: str) -> str:
    """A question without what it does not want: "the phone number, not the fax"."""
    return re.sub(r"\b(?:not|except|but not|without) (?:the |my |any )?\w+", " ", question.lower())


def _is_whole(
    page: Page,
    rows: tuple[int, ...],
    hit: Hit,
    kinds: frozenset[Kind],
    asked: Sequence[str],
    matches: Sequence[Sequence[float]],
) -> bool:
    heading = _heading(page, rows[0])
    used = [*rows, *hit.passage.rows, *([] if heading is None else [heading])]
    held = [max(matches[row][at] for row in used) > 0 for at in range(len(asked))]
    telling = (
        held[at] or not is_telling(word) or word in _KIND_WORDS for at, word in enumerate(asked)
    )
    of_kind = not kinds or any(
        _is_of(place, kinds) for row in hit.passage.rows for place in page.places_in(row)
    )
    return all(telling) and of_kind


def _candidates(page: Page) -> list[tuple[int, ...]]:
    """Every row, and every sentence that goes over several rows."""
    rows = [(number,) for number in range(len(page.rows))]
    return rows + [each.rows for each in page.sentences if 1 < len(each.rows) <= LONGEST_SENTENCE]


LONGEST_SENTENCE = 5
"""Rows of a sentence that is looked at as one."""


def _score(
    page: Page, rows: tuple[int, ...], matches: Sequence[Sequence[float]], weights: Sequence[float]
) -> float:
    """The part of a question's weight that some rows and their heading account for, 0 to 1."""
    own = [max(column) for column in zip(*(matches[row] for row in rows), strict=True)]
    if not any(own):
        return 0.0
    heading = _heading(page, rows[0])
    over = [0.0] * len(own) if heading is None else matches[heading]
    counted = (max(here, HEADING * above) for here, above in zip(own, over, strict=True))
    return float(sum(w * c for w, c in zip(weights, counted, strict=True)) / sum(weights))


def _only_values(page: Page, kinds: frozenset[Kind]) -> list[Hit]:
    """Where a question only says what kind of value it wants: those of the page, if few."""
    places = [place for place in page.places if _is_of(place, kinds)]
    dates = [place for place in places if place.token.kind is Kind.DATE]
    # "When is it" is asked of the day; hours come with it where they stand beside it.
    places = dates or places
    if not kinds or not 0 < len({place.token.text for place in places}) <= MOST_OF_KIND:
        return []
    rows = tuple(dict.fromkeys(place.row for place in places))
    return [Hit(LEAST, _whole(page, row)) for row in rows[:MOST_PLACES]]


def accounts_for(asked: Sequence[str], text: str) -> bool:
    """True if a text holds every word, as itself, in a compound, by its sense, or misspelt."""
    printed = words(text)
    return all(best_match(word, printed) > 0 for word in asked)


def _match(word: str, page: Page, number: int, kinds: frozenset[Kind], language: str) -> float:
    """How well a row accounts for a word of the question, 0 to 1."""
    day = weekday(word)
    if day is not None:
        return SAME if day in weekdays(page.rows[number].text) else 0.0
    match = best_match(word, page.words(number), language)
    units = UNITS.get(word)
    if units and any(_has_unit(place, units) for place in page.places_in(number)):
        match = max(match, SYNONYM)
    if word in _KIND_WORDS and any(_is_of(place, kinds) for place in page.places_in(number)):
        return max(match, KIND_MATCH)
    return match


UNITS: Mapping[str, str] = MappingProxyType(
    {
        "litres": r"l|litres?|liters?", "liters": r"l|litres?|liters?", "litre": r"l|litres?",
        "kilos": r"kg|kilos?", "kilograms": r"kg|kilos?", "grams": r"g|grams?",
        "milligrams": r"mg", "micrograms": r"mcg|µg|micrograms?", "millilitres": r"ml",
        "minutes": r"min\w*", "hours": r"h|hrs?|hours?", "days": r"days?",
        "degrees": r"°|°?[CF]|℃|℉", "temperature": r"°|°?[CF]|℃|℉", "hot": r"°|°?[CF]|℃|℉",
        "watts": r"w|kw", "volts": r"v", "percent": r"%", "calories": r"kcal|cal|calories",
        "size": r"g|kg|ml|cl|l|mm|cm|m|inch\w*", "weight": r"g|kg|lbs?|oz",
        "weigh": r"g|kg|lbs?|oz", "volume": r"ml|cl|l|litres?",
        "long": r"min\w*|s|secs?|seconds?|h|hrs?|hours?|days?|weeks?|months?|years?|m|cm|mm",
        "people": r"people|pers\w*|servings?", "servings": r"servings?|portions?",
    }
)  # fmt: skip
"""Words that ask for a measure, and its units as printed."""


def _has_unit(place: Place, units: str) -> bool:
    if place.token.kind not in (Kind.MEASURE, Kind.PERCENT):
        return False
    return re.search(rf"[\d½¼¾⅓⅔] ?(?:{units})$", place.token.text, re.IGNORECASE) is not None


def _weight(word: str, column: Sequence[float]) -> float:
    """How much a word tells: the fewer rows hold it, the more; some words never tell much."""
    if not is_telling(word):
        return WEAK
    rows = sum(match > 0 for match in column)
    if rows == 0:
        return MISSING
    return 1 / (1 + math.log(rows))


def _heading(page: Page, number: int) -> int | None:
    """The nearest row above, in the same paragraph or the one before, that holds no value."""
    for above in range(number - 1, max(-1, number - 8), -1):
        if not page.has_values(above) and len(words(page.rows[above].text)) <= 6:
            return above
    return None


def _whole(page: Page, row: int) -> Passage:
    """The sentence that a row belongs to, or the row."""
    sentence = next((each for each in page.sentences if row in each.rows), None)
    short = sentence is not None and len(words(sentence.text)) <= MOST_QUOTED_WORDS
    return sentence if sentence is not None and short else page.passage(row)


def _fit(page: Page, rows: Sequence[int], kinds: frozenset[Kind]) -> float:
    """A bonus for rows, or the next one, with a value of the wanted kind; a malus without one."""
    if not kinds:
        return 0.0
    if any(_is_of(place, kinds) for row in rows for place in page.places_in(row)):
        return 0.15
    below = any(_is_of(place, kinds) for place in page.places_in(rows[-1] + 1))
    return 0.05 if below and not any(page.has_values(row) for row in rows) else -0.35


def _hit(
    page: Page, rows: tuple[int, ...], score: float, kinds: frozenset[Kind], asked: Sequence[str]
) -> Hit:
    here = [place for row in rows for place in page.places_in(row) if _is_of(place, kinds)]
    units = "|".join(UNITS[word] for word in asked if word in UNITS)
    here = [place for place in here if units and _has_unit(place, units)] or here
    following = rows[-1] + 1
    if not here and kinds and not any(page.has_values(row) for row in rows):
        below = [place for place in page.places_in(following) if _is_of(place, kinds)]
        if below:
            return Hit(score, page.passage(*rows, following), below[0] if len(below) == 1 else None)
    if len(here) > 1 and len(rows) == 1 and not kinds & {Kind.TIME, Kind.DATE}:
        named = _named(here, asked)
        if named is not None:
            return Hit(score, page.passage(*rows), named, is_one_of_many=True)
    sentence = next((each for each in page.sentences if set(rows) <= set(each.rows)), None)
    value = here[0] if len(here) == 1 else None
    ends_in_money = any(_ends_row(page, place) for place in here)
    if sentence is None or len(words(sentence.text)) > MOST_QUOTED_WORDS or ends_in_money:
        return Hit(score, page.passage(*rows), value)
    if here or value is None:
        # A row may break off in the middle of what it says.
        return Hit(score, sentence if here else _with_what_follows(page, sentence), value)
    return Hit(score, page.passage(*rows), value)


def _ends_row(page: Page, place: Place) -> bool:
    """True for an amount at the end of its row: a list's entry, no part of a sentence."""
    text = page.rows[place.row].text.rstrip()
    return place.token.kind is Kind.MONEY and text.endswith(place.token.text)


def _is_of(place: Place, kinds: frozenset[Kind]) -> bool:
    """True for a value of a wanted kind; a bare figure is a number, whatever its marks say."""
    if place.token.kind in kinds:
        return True
    bare = place.token.kind is Kind.MONEY and not place.token.currency
    return bare and Kind.NUMBER in kinds


def _named(here: Sequence[Place], asked: Sequence[str]) -> Place | None:
    """The one of several values whose head, or whose own short label, the question names."""
    for names in ([place.head for place in here], [place.left for place in here]):
        different = len(set(names)) == len(names) and all(names)
        if not different or any(len(words(name)) > LONGEST_NAME for name in names):
            continue
        scores = [sum(best_match(word, words(name)) for word in asked) for name in names]
        best = max(scores)
        if best > 0 and scores.count(best) == 1:
            return here[scores.index(best)]
    return None


LONGEST_NAME = 4
"""Words of a label that names one of several values in a row."""


def _with_what_follows(page: Page, sentence: Passage) -> Passage:
    """A heading alone answers nothing: the sentence below it comes with it."""
    is_heading = len(words(sentence.text)) <= 4 and not page.has_values(sentence.rows[-1])
    after = sentence.rows[-1] + 1
    if not is_heading or after >= len(page.rows):
        return sentence
    following = next((each for each in page.sentences if after in each.rows), None)
    if following is None or len(words(following.text)) > MOST_QUOTED_WORDS:
        return sentence
    return page.passage(*sentence.rows, *following.rows)
