"""Which lines answer a question: those that hold its words, with the value that it asks for.

Every row of a page is weighed by how many of the question's words it accounts for. A word that
stands on few rows tells more than one that stands on many; a heading over a row and the heads of
its columns lend it their words; and where a question asks for an amount, a name or a place, a row
that looks like one is worth more.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.text.closeness import Closeness
from assistant.text.fields import fields
from assistant.text.fitting import (
    NAME_ALONE,
    OFTEN,
    SPAN,
    TITLED,
    VENUE,
    is_clock,
    is_of,
    looks_right,
)
from assistant.text.meaning import (
    SAME,
    best_match,
    content_words,
    is_container,
    is_empty,
    is_telling,
    says_opposite,
    weekday,
    weekdays,
    words,
)
from assistant.text.page import Page, Passage, Place
from assistant.text.question import (
    KIND_WORDS,
    Form,
    Wish,
    is_everyday,
    is_goods,
    language_of,
    siblings,
    wish,
)
from assistant.text.sections import heading_over, is_heading, under
from assistant.text.tables import Cell, Tables
from assistant.text.tokens import Kind, tokens
from assistant.text.units import ABBREVIATED, MARKS, UNITS

LEAST = 0.45
"""Part of a question's meaning that a place must account for."""

AS_GOOD = 0.93
"""Part of the best score from which a second place is told, too."""

MOST_PLACES = 2
HEADING = 0.6
"""What a word in the heading counts against one in the row itself."""

HEAD = 0.9
"""The same for the head of a column."""

MISSING, WEAK = 0.8, 0.2
"""Weights of a word that no row holds, and of one that says little: "long", "put", "made"."""

MOST_QUOTED_WORDS = 40
"""Words of a sentence that is quoted whole; of a longer one only its row."""

LITERAL = 0.85
"""A word of the same sense matches so well; what is told for sure matches better."""

MOST_OF_KIND = 2
"""Values of the wanted kind that are told where the question has no other words."""

KIND_MATCH = 0.6

COUNTED = 0.1
"""What a number right before the thing adds: "1 drop in each eye" counts drops."""

COUNT = r"\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|a|an)\b"

OPPOSITE = -0.3
"""What a place gains that says the opposite of a word of the question: first for last."""

FITS, FITS_BELOW = 0.15, 0.05
NO_VALUE, LOOKS_WRONG = -0.35, -0.1
"""What a row gains by the wanted value in it, or below it, and loses without any; a name and a
place have many forms, so a row that shows none loses less."""

NEAREST = 0.35
"""Closeness in meaning, a cosine, from which a place is quoted that words did not lead to."""

NEAR_FITS = 0.3
"""What the look of an answer counts there."""

AGREES, NEAR_ENOUGH = 0.05, 0.2
"""Closeness that a place may lack against the nearest one, and a second one against the first."""

FOR_ANOTHER = -0.2
"""What a row loses that is of another sort: a price where it is asked what one may do, the hours of
a telephone where it is asked when something is."""

SAME_THING, CLOSE_WITHOUT_VALUE = 0.5, 0.45
"""Closeness from which a place is about a thing that it does not name, and from which it is quoted
without the value that was asked for."""

LONGEST_ROW = 12
"""Words of a row that may hold several values, each with its label."""

LONGEST_NAME = 4
"""Words of a label that names one of several values in a row."""


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


@dataclass(frozen=True, slots=True)
class Hit:
    """A place that answers a question.

    score:    0 to 1, the part of the question that it accounts for.
    passage:  what is quoted.
    value:    the value that was asked for, if the place has exactly one of that kind, or one of
              several that the question names.
    is_one_of_many: True in that second case: the others are not asked for.
    cell:     the cell of a table whose row and column the question names.
    is_whole: True if the place, or the heading over it, holds every telling word of the question
              and a value of the wanted kind; less than that may answer something else.
    is_literal: True if it holds them as they were asked, not only in other words.
    """

    score: float
    passage: Passage
    value: Place | None = None
    is_one_of_many: bool = False
    cell: Cell | None = None
    is_whole: bool = False
    is_literal: bool = False


def places_for(
    page: Page, question: str, language: str = "", *, most: int = MOST_PLACES
) -> list[Hit]:
    """The best places of a page for a question; empty if nothing on it comes close.

    language: that of the question, by two letters; "" to know it by its words.
    """
    if not page.rows:
        return []
    return _Search(page, wish(question), language or language_of(question)).hits(most)


def places_near(
    page: Page, question: str, closeness: Closeness, *, most: int = MOST_PLACES
) -> list[Hit]:
    """The places that are nearest to a question in meaning, where its words lead nowhere.

    Raises:
        VisionError: the model that tells the meaning failed.
    """
    if not page.rows:
        return []
    return _Search(page, wish(question), language_of(question)).near(question, closeness, most)


def confirmed(page: Page, question: str, hits: list[Hit], closeness: Closeness) -> list[Hit]:
    """The places that words led to, as far as their meaning agrees.

    A second place whose meaning is much farther away is left out; a place is the literal answer
    only if no other is nearer.

    Raises:
        VisionError: the model that tells the meaning failed.
    """
    places = [hit.passage for hit in hits]
    *near, nearest = _and_the_nearest(page, question, places, closeness)
    kept = [hit for hit, value in zip(hits, near, strict=True) if value >= near[0] - NEAR_ENOUGH]
    if near[0] < nearest - AGREES:
        kept[0] = replace(kept[0], is_literal=False)
    return kept


def _and_the_nearest(
    page: Page, question: str, places: Sequence[Passage], closeness: Closeness
) -> list[float]:
    """The closeness of some places, and at the end that of the page's nearest."""
    values = closeness.of(question, [*places, *page.statements])
    return [*values[: len(places)], max(values)]


LIST_OF_PRICES = 3
"""Rows with an amount, from which a paper lists what was bought."""


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


def accounts_for(asked: Sequence[str], text: str) -> bool:
    """True if a text holds every word, as itself, in a compound, by its sense, or misspelt."""
    printed = words(text)
    return all(best_match(word, printed) > 0 for word in asked)


class _Search:
    """One question put to one page."""

    def __init__(self, page: Page, wanted: Wish, language: str) -> None:
        self._page, self._wish, self._language = page, wanted, language
        self._tables = Tables(page)
        self._asked = wanted.asked
        rows = range(len(page.rows))
        self._own = [
            [self._match(word, page.rows[row].text, page.words(row), page.places_in(row))
             for word in self._asked]
            for row in rows
        ]  # fmt: skip
        self._heads = [[self._head_match(word, row) for word in self._asked] for row in rows]
        self._telling = [self._is_telling(at) for at in range(len(self._asked))]
        self._weights = [self._weight(at) for at in range(len(self._asked))]

    def hits(self, most: int) -> list[Hit]:
        """The best places, the best first."""
        if not any(self._telling):
            return self._of_kind_alone()
        if self._lacks_a_thing():
            return []
        lone = self._lone_cells()
        if len(lone) == 1:
            return lone
        scored = []
        for passage in self._candidates():
            score = self._score(passage)
            score += self._fit(passage) if score else 0.0
            if score >= LEAST:
                scored.append((score, passage))
        # Of places that account for the same, the shortest says it best.
        scored.sort(key=lambda pair: (-round(pair[0], 3), len(pair[1].rows), pair[1].rows))
        if not (scored and self._answers(scored[0][1])) and self._is_everyday():
            # "How much was the ticket": it is about the whole of it, whatever names a ticket.
            alone = self._of_kind_alone()
            if alone:
                return alone
        must_show = {Kind.MONEY, Kind.PHONE, Kind.EMAIL, Kind.WEB, Kind.PERCENT}
        is_long = self._wish.form is Form.DURATION
        if scored and self._wish.kinds and (self._wish.kinds <= must_show or is_long):
            # Who asks for an amount is not told a line without any.
            scored = [pair for pair in scored if self._answers(pair[1])]
        is_where = "where" in self._wish.said or self._wish.form is Form.WHO
        if is_where and self._unheld():
            # Where one thing stands is not told of another.
            scored = [pair for pair in scored if self._answers(pair[1])]
        found: list[Hit] = []
        taken: set[int] = set()
        best = self._held(scored[0][1]) if scored else frozenset()
        said = self._said(scored[0][1]) if scored else frozenset()
        for score, passage in scored:
            if score < AS_GOOD * scored[0][0] or len(found) == most:
                break
            if found and (self._held(passage) < best or self._said(passage) < said):
                # "The first instalment": what lacks a word of the best place is another thing.
                continue
            hit = self._hit(passage, score, is_first=not found)
            if found and self._is_called(found[0]) and not self._is_called(hit):
                # "Renewal date" is what was asked for; a sentence about renewing is not.
                continue
            if self._is_whole(passage, hit, 0.0):
                hit = replace(hit, is_whole=True, is_literal=self._is_whole(passage, hit, LITERAL))
            if not taken & set(hit.passage.rows):
                taken |= set(hit.passage.rows)
                found.append(hit)
        kinds = self._wish.kinds
        both = Kind.DATE in kinds and Kind.TIME in kinds
        return _with_its_date(self._page, found) if both else found

    def near(self, question: str, closeness: Closeness, most: int) -> list[Hit]:
        """The places that are nearest in meaning and look like the answer, the nearest first."""
        places = self._candidates()
        near = sorted(
            (
                (value + NEAR_FITS * self._fit(passage), passage)
                for value, passage in zip(closeness.of(question, places), places, strict=True)
            ),
            key=lambda pair: -pair[0],
        )
        near = [pair for pair in near if self._is_no_neighbour(*pair)]
        found: list[Hit] = []
        for value, passage in near:
            if value < NEAREST or value < near[0][0] - AGREES or len(found) == most:
                break
            hit = self._hit(passage, LEAST, is_first=False)
            if not any(set(hit.passage.rows) & set(other.passage.rows) for other in found):
                found.append(hit)
        return found

    def _is_no_neighbour(self, value: float, passage: Passage) -> bool:
        """False for a place that is near in meaning, but names another thing or lacks the value.

        value: its closeness, with what the look of an answer counts.
        """
        fit = self._fit(passage)
        closeness = value - NEAR_FITS * fit
        if self._lacks_a_thing() or Kind.MONEY in self._wish.kinds and self._unheld():
            return closeness >= SAME_THING
        if self._wish.form is Form.WHO:
            return fit >= 0 and (not self._unheld() or closeness >= SAME_THING)
        if self._wish.form is Form.WHEN:
            return fit >= 0 and (not self._unheld() or closeness >= NEAREST)
        return fit >= 0 or not self._wish.kinds or closeness >= CLOSE_WITHOUT_VALUE

    def _unheld(self) -> list[str]:
        """The words of the question that name something, and stand nowhere on the page."""
        return [
            word
            for at, word in enumerate(self._asked)
            if self._telling[at] and not any(row[at] for row in self._own) and not is_everyday(word)
        ]

    def _lacks_a_thing(self) -> bool:
        """True if it is asked whether there is something, or for a fax, that nothing names."""
        said = " ".join(self._wish.said)
        if "fax" in self._asked and "fax" in self._unheld():
            return True
        asks = _IS_THERE.match(said)
        if asks is None:
            return False
        thing = words(_ABOUT_IT.split(said[asks.end() :])[0])
        return any(word in thing for word in self._unheld())

    def _is_telling(self, at: int) -> bool:
        """False for a word that no answer needs to hold."""
        word = self._asked[at]
        if self._wish.is_open(word):
            return False
        held = any(row[at] for row in self._own) or any(row[at] for row in self._heads)
        return held or not is_everyday(word) or self._is_one_thing_of_many(word)

    def _is_everyday(self) -> bool:
        """True if all that the question names may be the whole thing that is in view."""
        return bool(self._wish.kinds) and all(
            is_everyday(word) and not self._is_one_thing_of_many(word) or self._wish.is_open(word)
            for word in self._asked
        )

    def _is_one_thing_of_many(self, word: str) -> bool:
        return names_one_of_many(word, self._page, for_money=Kind.MONEY in self._wish.kinds)

    def _candidates(self) -> list[Passage]:
        """Every row and every sentence; a row within a longer sentence is no answer by itself."""
        page = self._page
        whole = [each for each in page.statements if len(words(each.text)) <= MOST_QUOTED_WORDS]
        told = {row for each in whole for row in each.rows}
        return [*whole, *(page.passage(row) for row in range(len(page.rows)) if row not in told)]

    def _match(
        self, word: str, text: str, printed: Sequence[str], places: Sequence[Place]
    ) -> float:
        """How well a text with its values accounts for a word of the question, 0 to 1."""
        day = weekday(word)
        if day is not None:
            return SAME if day in weekdays(text) else 0.0
        if word in _DAYS_OF_WORK and weekdays(text) >= frozenset(range(5)):
            return SAME
        match = best_match(word, printed, self._language)
        units = UNITS.get(word)
        if units and any(_has_unit(place, units) for place in places):
            match = max(match, HEAD)
        mark = MARKS.get(word)
        if mark and re.search(rf"(?<!\w)(?:{mark})(?!\w)", text):
            match = max(match, HEAD)
        short = ABBREVIATED.get(word)
        if short and re.search(rf"(?<!\w){short}[.:]", text):
            match = max(match, HEAD)
        if word in KIND_WORDS and any(is_of(place, self._wish) for place in places):
            return max(match, KIND_MATCH)
        return match

    def _matches(self, passage: Passage) -> list[float]:
        """How well a passage accounts for each word of the question."""
        page = self._page
        if len(passage.rows) == 1 and passage.text == page.rows[passage.rows[0]].text:
            return self._own[passage.rows[0]]
        if not any(any(self._own[row]) for row in passage.rows):
            return [0.0] * len(self._asked)
        places, printed = self._places(passage), words(passage.text)
        return [self._match(word, passage.text, printed, places) for word in self._asked]

    def _is_called(self, hit: Hit) -> bool:
        """True for a value whose whole label the question names."""
        if hit.value is None or not hit.value.left:
            return False
        label = [word for word in words(hit.value.left) if not is_empty(word)]
        printed = [w for w in content_words(" ".join(label)) if w not in KIND_WORDS]
        return bool(printed) and all(best_match(word, self._wish.said) > 0 for word in printed)

    def _held(self, passage: Passage) -> frozenset[int]:
        """Which words of the question a place holds."""
        return frozenset(at for at, match in enumerate(self._matches(passage)) if match > 0)

    def _said(self, passage: Passage) -> frozenset[str]:
        """All words of the question, also those without a meaning, that a place prints."""
        return frozenset(self._wish.said) & frozenset(words(passage.text))

    def _places(self, passage: Passage) -> list[Place]:
        """The values of a passage; one that goes over the end of a row is its own."""
        page = self._page
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

    def _head_match(self, word: str, number: int) -> float:
        """How well the heads over a row account for a word, 0 to 1."""
        heads = [cell.head for cell in self._tables.cells(number) if cell.head]
        return max((_named_by(word, head) for head in heads), default=0.0)

    def _weight(self, at: int) -> float:
        """How much a word tells: the fewer rows hold it, the more; some words never tell much."""
        word = self._asked[at]
        if not is_telling(word) or not self._telling[at] and is_everyday(word):
            return WEAK
        rows = sum(row[at] > 0 for row in self._own)
        if rows == 0:
            return MISSING
        return 1 / (1 + math.log(rows))

    def _score(self, passage: Passage) -> float:
        """The part of a question's weight that a place, its heads and heading account for."""
        own = self._matches(passage)
        rows = passage.rows
        by_head = self._wish.form is Form.OFTEN and OFTEN.search(passage.text)
        if not any(own) and not (by_head and any(any(self._heads[row]) for row in rows)):
            return 0.0
        heads = [max(column) for column in zip(*(self._heads[row] for row in rows), strict=True)]
        heading = heading_over(self._page, rows[0])
        over = [0.0] * len(own) if heading is None else self._own[heading]
        counted = (
            max(here, HEAD * head, HEADING * above)
            for here, head, above in zip(own, heads, over, strict=True)
        )
        weights = self._weights
        against = OPPOSITE if says_opposite(self._wish.said, words(passage.text)) else 0.0
        return against + float(
            sum(w * c for w, c in zip(weights, counted, strict=True)) / sum(weights)
        )

    def _answers(self, passage: Passage) -> bool:
        """True if a place, or the row below it, looks like the answer."""
        return self._fit(passage) >= 0

    def _fit(self, passage: Passage) -> float:
        """A bonus for a place, or the next row, that looks like the answer; a malus for others."""
        page = self._page
        looks = looks_right(passage.text, self._places(passage), self._wish)
        if looks is None:
            return FOR_ANOTHER if self._is_only_priced(passage) else 0.0
        if _SIZES & set(self._asked) and _REFERENCE.search(passage.text):
            return NO_VALUE
        if self._wish.form is Form.WHEN and self._tells_when_to_call(passage):
            return FOR_ANOTHER
        if self._wish.form is Form.WHERE and self._leads_to_a_venue(passage):
            return FITS + FITS
        if looks or self._is_labelled(passage):
            counted = self._counts(passage.text)
            return FITS if counted is None else FITS + COUNTED if counted else 0.0
        following = passage.rows[-1] + 1
        if following < len(page.rows) and not any(page.has_values(row) for row in passage.rows):
            below = page.rows[following].text
            if looks_right(below, page.places_in(following), self._wish):
                return FITS_BELOW
        return NO_VALUE if self._wish.kinds else LOOKS_WRONG

    def _is_only_priced(self, passage: Passage) -> bool:
        """True for an entry of a receipt where it is asked what one may do with it."""
        if not self._wish.is_leave or passage.text.rstrip().endswith("."):
            return False
        return any(place.token.kind is Kind.MONEY for place in self._places(passage))

    def _tells_when_to_call(self, passage: Passage) -> bool:
        """True for hours beside a telephone number, where nobody asks about calling."""
        if any(best_match(word, ("call",)) > 0 for word in self._wish.said):
            return False
        kinds = {place.token.kind for place in self._places(passage)}
        return {Kind.PHONE, Kind.TIME} <= kinds

    def _leads_to_a_venue(self, passage: Passage) -> bool:
        """True for an address or a house, and for "Your polling station is:" above one."""
        if VENUE.search(passage.text):
            return True
        following = passage.rows[-1] + 1
        is_heading_of = passage.text.rstrip().endswith(":") and following < len(self._page.rows)
        return is_heading_of and VENUE.search(self._page.rows[following].text) is not None

    def _is_labelled(self, passage: Passage) -> bool:
        """True for figures behind a label that is the question itself: "Tax code 1257L"."""
        pieces = self._page.rows[passage.rows[0]].pieces
        if len(passage.rows) > 1 or len(pieces) != 2 or self._wish.form is not Form.OTHER:
            return False
        label = words(pieces[0].text)
        named = len(self._asked) > 1 and all(
            best_match(word, label, self._language) > LITERAL for word in self._asked
        )
        return named and len(label) <= len(self._asked) and any(map(str.isdigit, pieces[1].text))

    def _counts(self, text: str) -> bool | None:
        """Whether a number stands before what "how many" asks for; None for other questions."""
        nouns = [word for word in self._asked if not word.isdigit()]
        if self._wish.form is not Form.MANY or not nouns:
            return None
        behind = (match[1] for match in re.finditer(rf"{COUNT}((?: [^\W\d_]+){{1,3}})", text, re.I))
        return any(best_match(noun, words(each)) > 0 for noun in nouns for each in behind)

    def _is_whole(self, passage: Passage, hit: Hit, least: float) -> bool:
        """True if a place holds every telling word, each matched better than `least`."""
        heading = heading_over(self._page, passage.rows[0])
        used = [*passage.rows, *hit.passage.rows, *([] if heading is None else [heading])]
        held = [
            max(max(self._own[row][at], self._heads[row][at]) for row in used) > least
            for at in range(len(self._asked))
        ]
        places = [*self._places(passage), *self._places(hit.passage)]
        looks = looks_right(hit.passage.text, places, self._wish)
        counted = self._counts(hit.passage.text)
        if least > 0 and counted is False and hit.value is None:
            return False
        return looks is not False and all(
            held[at] or not self._telling[at] for at in range(len(self._asked))
        )

    def _hit(self, passage: Passage, score: float, *, is_first: bool) -> Hit:
        return _with_what_was_said(
            self._page, self._at_its_label(self._uncut_hit(passage, score, is_first=is_first))
        )

    def _at_its_label(self, hit: Hit) -> Hit:
        """Of a row with several labelled values the one that is asked for."""
        if re.search(r"[^\W\d_][.!?]$", hit.passage.text.rstrip()):
            # Of a sentence nothing is cut off.
            return hit
        if hit.cell is not None or self._wish.form in (Form.WHERE, Form.WHO, Form.OFTEN):
            return hit
        scored = []
        for row in hit.passage.rows:
            for each in fields(self._page.rows[row].text):
                held = [best_match(word, words(each.label), self._language) for word in self._asked]
                scored.append((held, row, each))
        if not scored:
            return hit
        best, row, field = max(scored, key=lambda one: (sum(one[0]), -len(words(one[2].label))))
        alike = [one for one in scored if round(sum(one[0]), 2) >= round(sum(best), 2)]
        elsewhere = [
            max(each[0][at] for each in scored) > 0 and not best[at]
            for at in range(len(self._asked))
        ]
        if not any(best) or len(alike) > 1 or any(elsewhere):
            return hit
        found = self._page.passage(row)
        places = [each for each in self._places(found) if each.token.text in field.text]
        if self._wish.kinds and looks_right(field.text, places, self._wish) is False:
            return hit
        return replace(
            hit, passage=replace(found, text=field.text), value=None, is_one_of_many=False
        )

    def _uncut_hit(self, passage: Passage, score: float, *, is_first: bool) -> Hit:
        page, wish = self._page, self._wish
        here = [place for place in self._places(passage) if is_of(place, wish)]
        units = "|".join(UNITS[word] for word in self._asked if word in UNITS)
        here = [place for place in here if units and _has_unit(place, units)] or here
        is_row = len(passage.rows) == 1
        if is_row:
            cell = self._cell(passage.rows[0], here)
            if cell is not None:
                return Hit(score, passage, cell=cell)
            listed = self._section(passage.rows[0]) if is_first else None
            if listed is not None:
                return Hit(score, listed)
        following = passage.rows[-1] + 1
        if not here and wish.kinds and not any(page.has_values(row) for row in passage.rows):
            below = [place for place in page.places_in(following) if is_of(place, wish)]
            if below:
                value = below[0] if len(below) == 1 else None
                return Hit(score, page.passage(*passage.rows, following), value)
        told = here if wish.kinds else self._places(passage)
        dated = bool(wish.kinds & {Kind.TIME, Kind.DATE})
        if len(told) > 1 and is_row and (not dated or _are_labelled(told)):
            named = _named(told, self._asked)
            if named is not None and not _is_of_a_span(named):
                return Hit(score, passage, named, is_one_of_many=True)
        value = here[0] if len(here) == 1 and not _is_of_a_span(here[0]) else None
        if value is not None and is_row and self._is_one_of_a_row(value, passage):
            return Hit(score, passage, value, is_one_of_many=True)
        return Hit(score, passage if here else _with_what_follows(page, passage), value)

    def _is_one_of_a_row(self, value: Place, passage: Passage) -> bool:
        """True for the time in "Date 11/02/2027  Time 10.52": each value has a label of its own."""
        others = [place for place in self._places(passage) if place.token != value.token]
        short = len(words(passage.text)) <= LONGEST_ROW and not passage.text.rstrip().endswith(".")
        named = len(words(value.left)) <= LONGEST_NAME
        named = named and _likeness(self._asked, value.left) > (0.0, 0.0)
        timed = (Kind.DATE, Kind.TIME)
        is_timed = value.token.kind in timed or is_clock(value)
        # A day and its hours, and the hours of a span, belong together.
        if is_timed and any(each.token.kind is Kind.TIME or is_clock(each) for each in others):
            return False
        return bool(others) and short and named and all(each.left for each in others)

    def _cell(self, row: int, here: Sequence[Place]) -> Cell | None:
        """The cell under the one head that the question names beside the row's own name."""
        cells = [cell for cell in self._tables.cells(row) if cell.name and cell.head]
        if len(cells) < 2 and not here:
            return None
        first = self._page.rows[row].pieces[0].text
        named = [
            word
            for word in self._wish.said
            if _named_by(word, first) > 0
            and _named_by(word, first)
            >= max((_named_by(word, cell.head) for cell in cells), default=0.0)
        ]
        counted = ("quantity",) if self._wish.form is Form.MANY else ()
        rest = [
            word
            for word in dict.fromkeys((*self._asked, *self._nouns, *counted))
            if word not in named
        ]
        scores = [sum(_named_by(word, cell.head) for word in rest) for cell in cells]
        best = max(scores, default=0.0)
        if best == 0 or scores.count(best) > 1 or not (named or self._wish.form is Form.OFTEN):
            return None
        return cells[scores.index(best)]

    @property
    def _nouns(self) -> list[str]:
        """The longer words of a question, also those that name the thing in view: "per can"."""
        return [word for word in self._wish.said if len(word) > 2 and not is_empty(word)] + [
            word for word in self._wish.said if is_container(word)
        ]

    def _lone_cells(self) -> list[Hit]:
        """The cells under a head that the question names, where a table has one row only."""
        found = []
        for row in range(len(self._page.rows)):
            for cell in self._tables.lone_cells(row):
                held = [_named_by(word, cell.head) for word in self._asked]
                told = [at for at, told in enumerate(self._telling) if told]
                if told and all(held[at] for at in told):
                    score = min(1.0, sum(held[at] for at in told) / len(told))
                    passage = self._page.passage(row)
                    lone = replace(cell, name="")
                    found.append(Hit(score, passage, cell=lone, is_whole=True, is_literal=True))
        return found

    def _section(self, row: int) -> Passage | None:
        """A heading with what stands under it, where the question asks for no value of a kind."""
        page = self._page
        named = all(self._own[row][at] or not told for at, told in enumerate(self._telling))
        if self._wish.kinds or not named or not is_heading(page, row):
            return None
        below = under(page, row)
        if row == 0 and len(below) + 1 >= len(page.rows):
            # The title of a page names all of it.
            return None
        count = sum(len(words(page.rows[each].text)) for each in (row, *below))
        return page.passage(row, *below) if below and count <= MOST_QUOTED_WORDS else None

    def _of_kind_alone(self) -> list[Hit]:
        """Where a question only says what kind of thing it wants: those of the page, if few."""
        page = self._page
        if self._wish.kinds:
            places = [place for place in page.places if is_of(place, self._wish)]
            held = [place for place in places if self._names(place)] or [
                place for place in places if any(self._own[place.row])
            ]
            dates = [place for place in places if place.token.kind is Kind.DATE]
            # "When is it" is asked of the day; hours come with it where they stand beside it.
            places = held or dates or places
            if self._wish.form is Form.DURATION:
                return self._spans_alone()
            if not places and self._wish.form is Form.WHEN:
                days = [n for n, row in enumerate(page.rows) if weekdays(row.text)]
                return [Hit(LEAST, self._whole(row)) for row in days if len(days) <= MOST_OF_KIND]
            if not 0 < len({place.token.text for place in places}) <= MOST_OF_KIND:
                return []
            rows = tuple(dict.fromkeys(place.row for place in places))
            if len(places) == 1 and self._names(places[0]) and len(page.places_in(rows[0])) > 1:
                return [Hit(LEAST, page.passage(*rows), places[0], is_one_of_many=True)]
            named = _named(places, self._asked) if len(rows) == 1 and len(places) > 1 else None
            if named is not None and not _is_of_a_span(named):
                return [Hit(LEAST, page.passage(*rows), named, is_one_of_many=True)]
            return [Hit(LEAST, self._whole(row)) for row in rows[:MOST_PLACES]]
        if self._wish.form is Form.OFTEN:
            return self._spans_alone()
        patterns = {Form.WHO: TITLED, Form.WHERE: VENUE}
        if self._wish.form not in patterns:
            return []
        pattern = patterns[self._wish.form]
        found = [row for row in range(len(page.rows)) if pattern.search(page.rows[row].text)]
        if not found and self._wish.form is Form.WHO:
            # A card names its owner first.
            found = [n for n, row in enumerate(page.rows) if NAME_ALONE.fullmatch(row.text)][:1]
        if len(found) > MOST_OF_KIND:
            found = [row for row in found if any(self._own[row])]
        if not 0 < len(found) <= MOST_OF_KIND:
            return []
        return [Hit(LEAST, self._whole(row)) for row in found]

    def _names(self, place: Place) -> bool:
        """True if the label of a value holds every word of the question."""
        return bool(self._asked) and accounts_for(self._asked, place.label)

    def _spans_alone(self) -> list[Hit]:
        """The statements that name a span of time, those first that hold a word of the question."""
        pattern = OFTEN if self._wish.form is Form.OFTEN else SPAN
        spans = [each for each in self._page.statements if pattern.search(each.text)]
        held = [each for each in spans if any(self._matches(each))]
        told = held or spans
        return [Hit(LEAST, each) for each in told] if len(told) <= MOST_OF_KIND else []

    def _whole(self, row: int) -> Passage:
        """The sentences that a row is part of, if they are short; else the row."""
        page = self._page
        parts = [each for each in page.statements if row in each.rows]
        if len(parts) == 1 and len(words(parts[0].text)) <= MOST_QUOTED_WORDS:
            return parts[0]
        return page.passage(row)


def _named_by(word: str, name: str) -> float:
    """How well a name holds a word, 0 to 1; a day by the span that holds it."""
    day = weekday(word)
    if day is not None:
        return SAME if day in weekdays(name) else 0.0
    if word in _DAYS_OF_WORK and weekdays(name) >= frozenset(range(5)):
        return SAME
    return best_match(word, words(name))


_DAYS_OF_WORK = frozenset(("weekday", "weekdays", "workday", "workdays"))


def _with_its_date(page: Page, hits: list[Hit]) -> list[Hit]:
    """To an hour belongs its day: the only date of the page, where the hour stands without one."""
    told = {row for hit in hits for row in hit.passage.rows}
    held = {place.token.kind for row in told for place in page.places_in(row)}
    dates = page.places_of(Kind.DATE)
    if not hits or Kind.TIME not in held or held & {Kind.DATE, Kind.PHONE}:
        # The hours of a telephone are those of every day.
        return hits
    if len({place.token.text for place in dates}) != 1:
        return hits
    return [Hit(hits[0].score, page.passage(dates[0].row)), *hits[:1]]


def _has_unit(place: Place, units: str) -> bool:
    if place.token.kind not in (Kind.MEASURE, Kind.PERCENT):
        return False
    return re.search(rf"[\d½¼¾⅓⅔] ?(?:{units})$", place.token.text, re.IGNORECASE) is not None


_SIZES = frozenset(("size", "weight", "weigh", "heavy", "volume", "big", "content", "contents"))
_REFERENCE = re.compile(r"\b(?:per|pro|je|pour|por|par) 100 ?(?:g|ml)\b", re.IGNORECASE)
"""What a table of nutrients is counted for: not how much is in the bag."""

_SPAN_MARK = r"\s*(?:[-–—]|to|until|bis|à|au|al|a|tot|até)\s*"


def _is_of_a_span(place: Place) -> bool:
    """True for an end of "7.00 - 10.30": neither may be told alone."""
    text, token = place.line.text, place.token
    if token.kind not in (Kind.TIME, Kind.DATE) and not is_clock(place):
        return False
    before = re.search(rf"\d(?: ?[ap]\.?m\.?| ?uhr| ?h)?{_SPAN_MARK}$", text[: token.start], re.I)
    return before is not None or re.match(rf"{_SPAN_MARK}\d", text[token.end :], re.I) is not None


def _named(here: Sequence[Place], asked: Sequence[str]) -> Place | None:
    """The one of several values whose head, or whose own short label, the question names.

    What a label says against the question, or of another day than the one that is asked for,
    leaves it out.
    """
    days = {day for day in map(weekday, asked) if day is not None}
    of_days = [place for place in here if days & weekdays(place.left)]
    if days and of_days and len(of_days) < len(here) and len({p.left for p in here}) == len(here):
        later = [place for place in here if not weekdays(place.left) and place not in of_days]
        here = of_days if not later else here
    here = [place for place in here if not says_opposite(asked, words(place.left))]
    if len(here) == 1:
        return here[0] if _likeness(asked, here[0].label) > (0.0, 0.0) else None
    if not here:
        return None
    for names in ([place.head for place in here], [place.left for place in here]):
        if any(len(words(name)) > LONGEST_NAME for name in names):
            continue
        scores = [_likeness(asked, name) for name in names]
        best = max(scores)
        if best > (0.0, 0.0) and scores.count(best) == 1:
            return here[scores.index(best)]
    return None


def _are_labelled(places: Sequence[Place]) -> bool:
    """True for "Pick up 22:47, drop off 23:05": values with a label of their own each."""
    labels = [place.left for place in places]
    return all(map(content_words, labels)) and len(set(labels)) == len(labels)


def _likeness(asked: Sequence[str], name: str) -> tuple[float, float]:
    """How many of the asked words a name holds, and how much of the name they are."""
    printed = words(name)
    held = sum(best_match(word, printed) for word in asked)
    own = sum(best_match(word, asked) > 0 for word in printed) / max(1, len(printed))
    return (round(held, 3), own) if held else (0.0, 0.0)


def _with_what_was_said(page: Page, hit: Hit) -> Hit:
    """Above the name of who is quoted stands the quotation: it comes with it."""
    first, passage = hit.passage.rows[0], hit.passage
    if hit.value is not None or not re.match(r"[-–—] ?[A-Z]", passage.text):
        return hit
    beside = page.rows[first].text.partition(passage.text[:8])[0]
    quotation = re.search(r"[\"“«„][^\"”»“]+[\"”»“]\s*$", beside)
    if quotation is not None:
        return replace(hit, passage=replace(passage, text=f"{quotation[0]}{passage.text}"))
    if beside or first == 0 or not re.search(r"[\"”»’']$", page.rows[first - 1].text.rstrip()):
        return hit
    return replace(hit, passage=page.passage(first - 1, *passage.rows))


def _with_what_follows(page: Page, sentence: Passage) -> Passage:
    """A heading alone answers nothing: the sentence below it comes with it."""
    is_short = len(words(sentence.text)) <= 4 and not page.has_values(sentence.rows[-1])
    is_short = is_short and sentence.text.rstrip()[-1:] not in (".", "!")
    after = sentence.rows[-1] + 1
    if not is_short or after >= len(page.rows):
        return sentence
    following = next((each for each in page.sentences if after in each.rows), None)
    if following is None or len(words(following.text)) > MOST_QUOTED_WORDS:
        return sentence
    return page.passage(*sentence.rows, *following.rows)
