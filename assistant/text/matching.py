"""How far the rows of a page account for the words of a question.

A word counts as itself, in a compound, by its sense, misspelt, as the unit of a value, or as the
head of its column. One that stands on few rows tells more than one that stands on many.
"""

import math
import re
from collections.abc import Sequence

from assistant.text.calendar_names import weekday, weekdays
from assistant.text.fitting import is_of
from assistant.text.meaning import SAME, best_match, is_telling, number, words
from assistant.text.page import Page, Passage, Place
from assistant.text.question import KIND_WORDS, Wish, is_everyday, is_goods, siblings
from assistant.text.tables import Tables
from assistant.text.tokens import Kind, tokens
from assistant.text.units import ABBREVIATED, MARKS, SIZES, UNITS

HEAD = 0.9
"""What a word in the head of a column counts against one in the row itself."""

KIND_MATCH = 0.6

LITERAL = 0.85
"""A word of the same sense matches so well; what is told for sure matches better."""

MISSING, WEAK = 0.8, 0.2
"""Weights of a word that no row holds, and of one that says little: "long", "put", "made"."""

LIST_OF_PRICES = 3
"""Rows with an amount, from which a paper lists what was bought."""

MOST_QUOTED_WORDS = 40
"""Words of a sentence that is quoted whole; of a longer one only its row."""

_IS_THERE = re.compile(
    r"(?:(?:and|so|ok|please|hi|hello) )*(?:(?:is|are|was|were) there"
    r"|do (?:they|you) (?:have|do|sell)|have (?:they|you) got|did i (?:get|have)|can i get) "
    r"(?!any(?:thing|one|body|where)\b|some"
    r"(?:thing|one|body|where)\b)"
)
"""A question whether there is something; "anything" is no thing that could be missing."""

_ABOUT_IT = re.compile(
    r"\b(?:for|in|on|at|with|of|to|from|by|near|after|before|this|that|when|if)\b"
)
"""What follows the thing in such a question."""

_DAYS_OF_WORK = frozenset(("weekday", "weekdays", "workday", "workdays"))


class Matching:
    """One question put to one page.

    asked:   the words that an answer must account for.
    own:     how well each row accounts for each of them, 0 to 1.
    heads:   how well the heads of its columns do.
    telling: which of them an answer needs to hold; weights: how much each tells.
    """

    def __init__(self, page: Page, wanted: Wish, language: str) -> None:
        self.page, self.wish, self.language = page, wanted, language
        self.tables = Tables(page)
        self.asked = wanted.asked
        rows = range(len(page.rows))
        self.own = [
            [self._match(word, page.rows[row].text, page.words(row), page.places_in(row))
             for word in self.asked]
            for row in rows
        ]  # fmt: skip
        self.heads = [[self._head_match(word, row) for word in self.asked] for row in rows]
        self.telling = [self._is_telling(at) for at in range(len(self.asked))]
        self.weights = [self._weight(at) for at in range(len(self.asked))]

    def _is_telling(self, at: int) -> bool:
        """False for a word that no answer needs to hold."""
        word = self.asked[at]
        held = any(row[at] for row in self.own) or any(row[at] for row in self.heads)
        if self.wish.is_open(word) and not (held and self.wish.names_a_place(word)):
            return False
        return held or not self._is_everyday(word) or self._is_one_thing_of_many(word)

    def _is_everyday(self, word: str) -> bool:
        return is_everyday(word) or word in self.wish.deeds

    def _weight(self, at: int) -> float:
        """How much a word tells: the fewer rows hold it, the more; some words never tell much."""
        word = self.asked[at]
        if not is_telling(word) or not self.telling[at] and self._is_everyday(word):
            return WEAK
        if not self.telling[at] and self.wish.names_a_place(word):
            return WEAK
        rows = sum(row[at] > 0 for row in self.own)
        if rows == 0:
            return MISSING
        return 1 / (1 + math.log(rows))

    def is_about_the_whole(self) -> bool:
        """True if all that the question names may be the whole thing that is in view."""
        return bool(self.wish.kinds) and all(
            self._is_everyday(word)
            and not self._is_one_thing_of_many(word)
            or self.wish.is_open(word)
            for word in self.asked
        )

    def _is_one_thing_of_many(self, word: str) -> bool:
        return names_one_of_many(word, self.page, for_money=Kind.MONEY in self.wish.kinds)

    def unheld(self) -> list[str]:
        """The words of the question that name something, and stand nowhere on the page."""
        return [
            word
            for at, word in enumerate(self.asked)
            if self.telling[at]
            and not any(row[at] for row in self.own)
            and not self._is_everyday(word)
        ]

    def lacks_a_thing(self) -> bool:
        """True if it is asked whether there is something, or for a fax, that nothing names."""
        said = " ".join(self.wish.said)
        if "fax" in self.asked and "fax" in self.unheld():
            return True
        asks = _IS_THERE.match(said)
        if asks is None:
            return False
        thing = words(_ABOUT_IT.split(said[asks.end() :])[0])
        return any(word in thing for word in self.unheld())

    def names_nothing_held(self) -> bool:
        """True if what a question names stands nowhere: the date of a letter is no date of birth.

        A word for the kind of value that is asked for names nothing. Of other values the paper is
        what is named: the telephone number of the town hall stands on its letter.
        """
        if Kind.DATE not in self.wish.kinds:
            return False
        told = [at for at, telling in enumerate(self.telling) if telling]
        named = [at for at in told if self.asked[at] not in KIND_WORDS]
        return bool(named) and not any(
            row[at] for rows in (self.own, self.heads) for row in rows for at in named
        )

    def candidates(self) -> list[Passage]:
        """Every row and every sentence; a row within a longer sentence is no answer by itself."""
        page = self.page
        whole = [each for each in page.statements if len(words(each.text)) <= MOST_QUOTED_WORDS]
        told = {row for each in whole for row in each.rows}
        return [*whole, *(page.passage(row) for row in range(len(page.rows)) if row not in told)]

    def matches(self, passage: Passage) -> list[float]:
        """How well a passage accounts for each word of the question."""
        page = self.page
        if len(passage.rows) == 1 and passage.text == page.rows[passage.rows[0]].text:
            return self.own[passage.rows[0]]
        if not any(any(self.own[row]) for row in passage.rows):
            return [0.0] * len(self.asked)
        places, printed = self.places(passage), words(passage.text)
        return [self._match(word, passage.text, printed, places) for word in self.asked]

    def _match(
        self, word: str, text: str, printed: Sequence[str], places: Sequence[Place]
    ) -> float:
        """How well a text with its values accounts for a word of the question, 0 to 1."""
        day = weekday(word)
        if day is not None:
            return SAME if day in weekdays(text) else 0.0
        if word in _DAYS_OF_WORK and weekdays(text) >= frozenset(range(5)):
            return SAME
        figure = number(word)
        if figure is not None:
            printed = words(_without_other_amounts(text, places, figure))
        match = best_match(word, printed, self.language)
        units = UNITS.get(word)
        if units and any(has_unit(place, units) for place in places):
            match = max(match, HEAD)
        mark = MARKS.get(word)
        if mark and re.search(rf"(?<!\w)(?:{mark})(?!\w)", text):
            match = max(match, HEAD)
        short = ABBREVIATED.get(word)
        if short and re.search(rf"(?<!\w){short}[.:]", text):
            match = max(match, HEAD)
        if word in KIND_WORDS and any(is_of(place, self.wish) for place in places):
            return max(match, KIND_MATCH)
        return match

    def _head_match(self, word: str, number: int) -> float:
        """How well the heads over a row account for a word, 0 to 1."""
        heads = [cell.head for cell in self.tables.cells(number) if cell.head]
        return max((named_by(word, head) for head in heads), default=0.0)

    def is_said(self, word: str) -> bool:
        """False for a word that stands for a saying: what it finds is never the literal answer."""
        return best_match(word, self.wish.said) == SAME

    def held(self, passage: Passage) -> frozenset[int]:
        """Which words of the question a place holds."""
        return frozenset(at for at, match in enumerate(self.matches(passage)) if match > 0)

    def said(self, passage: Passage) -> frozenset[str]:
        """All words of the question, also those without a meaning, that a place prints."""
        return frozenset(self.wish.said) & frozenset(words(passage.text))

    def places(self, passage: Passage) -> list[Place]:
        """The values of a passage; one that goes over the end of a row is its own."""
        page = self.page
        here = [place for row in passage.rows for place in page.places_in(row)]
        if len(passage.rows) == 1:
            return [place for place in here if place.token.text in passage.text]
        of_rows = [place.token.text for place in here]
        over = [
            Place(token, passage.rows[0], passage.lines[0])
            for token in tokens(passage.text)
            if token.text not in of_rows
        ]
        return [*(place for place in here if place.token.text in passage.text), *over]


def names_one_of_many(word: str, page: Page, *, for_money: bool) -> bool:
    """True for an everyday word that is not the whole thing in view, though no row may hold it.

    "The magazine" is one of the things on a receipt, and "dinner" is not the breakfast of a card.

    for_money: whether the question asks for an amount.
    """
    printed = frozenset(each for row in range(len(page.rows)) for each in page.words(row))
    is_held = best_match(word, printed) > LITERAL
    if not is_held and any(best_match(each, printed) > LITERAL for each in siblings(word)):
        return True
    if not for_money or not is_goods(word):
        return False
    rows = {place.row for place in page.places_of(Kind.MONEY) if not place.token.needs_label}
    is_priced = any(best_match(word, page.words(row)) > 0 for row in rows)
    return len(rows) >= LIST_OF_PRICES and not is_priced


def _without_other_amounts(text: str, places: Sequence[Place], figure: str) -> str:
    """A text without its amounts, but for those that are a number: five is no part of 5,000.00."""
    for place in places:
        amount = re.fullmatch(r"\D*0*(\d+)(?:[.,]0+)?\D*", place.token.text)
        if place.token.kind is Kind.MONEY and (amount is None or amount[1] != figure):
            text = text.replace(place.token.text, " ")
    return text


def accounts_for(asked: Sequence[str], text: str) -> bool:
    """True if a text holds every word, as itself, in a compound, by its sense, or misspelt."""
    printed = words(text)
    return all(best_match(word, printed) > 0 for word in asked)


def named_by(word: str, name: str) -> float:
    """How well a name holds a word, 0 to 1; a day by the span that holds it."""
    day = weekday(word)
    if day is not None:
        return SAME if day in weekdays(name) else 0.0
    if word in _DAYS_OF_WORK and weekdays(name) >= frozenset(range(5)):
        return SAME
    if words(name) == [SIZES.get(word)]:
        return SAME
    return best_match(word, words(name))


def has_unit(place: Place, units: str) -> bool:
    """True for a quantity in one of some units, a pattern."""
    if place.token.kind not in (Kind.MEASURE, Kind.PERCENT):
        return False
    return re.search(rf"[\d½¼¾⅓⅔] ?(?:{units})$", place.token.text, re.IGNORECASE) is not None
