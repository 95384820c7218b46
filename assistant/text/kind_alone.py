"""Where a question only says what kind of thing it wants: the few things of that kind on a page."""

import re
from collections.abc import Sequence
from dataclasses import replace

from assistant.seeing.text import TextLine
from assistant.text.calendar_names import weekdays
from assistant.text.fitting import (
    ADDRESS,
    NAME_ALONE,
    OFTEN,
    ONLY_COUNTED,
    SPAN,
    TASK,
    TITLED,
    VENUE,
    WHY,
    is_of,
)
from assistant.text.hits import Hit
from assistant.text.matching import MOST_QUOTED_WORDS, Matching, accounts_for
from assistant.text.meaning import best_match, words
from assistant.text.named_values import is_of_a_span, named_of
from assistant.text.page import Passage, Place
from assistant.text.question import Form
from assistant.text.tokens import Kind

LEAST = 0.45
"""Part of a question's meaning that a place must account for."""

MOST_PLACES = 2

MOST_OF_KIND = 2
"""Values of the wanted kind that are told where the question has no other words."""


_GREETS = re.compile(
    r"\W*(?:dear|hello|hi|sehr geehrte\w*|liebe\w*|hallo|ch[eè]re?|bonjour|estimad\w+|querid\w+"
    r"|hola|gentile|egregi\w+|car[oa]|geachte|beste|prezad\w+|car[oa]|ol[aá])\b",
    re.IGNORECASE,
)

OF_THE_LETTER = frozenset(
    ("letter", "written", "wrote", "write", "sent", "send", "dated", "issued")
)
"""Who asks for the day on which a letter was written says so."""

_PACK = frozenset(
    ("pack", "packet", "package", "box", "bag", "tin", "tub", "bottle", "jar", "carton")
)
_PLACE_LABEL = re.compile(
    r"\W*(?:place|venue|location|where|meeting point|ort|veranstaltungsort|lieu|lugar|luogo|plaats"
    r"|local)\b ?:? ?\S",
    re.IGNORECASE,
)
"""A row that is labelled as the place."""

_NUMBERED_PLACES = frozenset(
    ("platform", "gate", "floor", "room", "hall", "door", "entrance", "stop", "seat", "desk", "bay")
)
"""Places that paper names by this word and a number or a letter."""


def hits_of_kind(matching: Matching) -> list[Hit]:
    """The things of the kind that a question wants, if they are few; empty else."""
    return _KindAlone(matching).hits()


class _KindAlone:
    """Finds what a question wants by its kind, whatever stands beside it."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._page, self._wish, self._asked = matching.page, matching.wish, matching.asked
        self._own = matching.own

    def hits(self) -> list[Hit]:
        """Those of the page, if they are few."""
        page = self._page
        if self._wish.kinds:
            places = [place for place in page.places if is_of(place, self._wish)]
            if self._wish.form is Form.MANY and not any(map(any, self._own)):
                # Where nothing is called what is counted, no number counts it, but for a pack's.
                return self._in_the_pack() if _PACK & set(self._wish.said) else []
            held = [place for place in places if self._names(place)] or [
                place for place in places if any(self._own[place.row])
            ]
            dates = [place for place in places if place.token.kind is Kind.DATE]
            # "When is it" is asked of the day; hours come with it where they stand beside it.
            places = self._of_the_matter(held or dates or places)
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
            named = named_of(places, self._asked) if len(rows) == 1 and len(places) > 1 else None
            if named is not None and not is_of_a_span(named):
                return [Hit(LEAST, page.passage(*rows), named, is_one_of_many=True)]
            return [Hit(LEAST, self._whole(row)) for row in rows[:MOST_PLACES]]
        if self._wish.form is Form.OFTEN:
            return self._spans_alone()
        if self._wish.form in (Form.WHY, Form.TASK):
            pattern = WHY if self._wish.form is Form.WHY else TASK
            told = [each for each in self._page.statements if pattern.search(each.text)]
            return [Hit(LEAST, each) for each in told] if len(told) <= MOST_OF_KIND else []
        patterns = {Form.WHO: TITLED, Form.WHERE: VENUE}
        if self._wish.form not in patterns:
            return []
        pattern = patterns[self._wish.form]
        found = [row for row in range(len(page.rows)) if pattern.search(page.rows[row].text)]
        if self._wish.form is Form.WHERE and self._lacks_its_place():
            return []
        placed = [n for n, row in enumerate(page.rows) if _PLACE_LABEL.match(row.text)]
        if self._wish.form is Form.WHERE and len(placed) == 1:
            return [Hit(LEAST, self._whole(placed[0]))]
        if not found and self._wish.form is Form.WHO:
            # A card names its owner first.
            found = [n for n, row in enumerate(page.rows) if NAME_ALONE.fullmatch(row.text)][:1]
        if self._wish.form is Form.WHO:
            # Whom a letter greets reads it.
            found = self._without_the_reader(found) or found
        if len(found) > MOST_OF_KIND:
            found = [row for row in found if any(self._own[row])]
        if not 0 < len(found) <= MOST_OF_KIND:
            return []
        return [Hit(LEAST, self._whole(row)) for row in found]

    def _without_the_reader(self, rows: list[int]) -> list[int]:
        """Rows that do not name whom the letter greets."""
        texts = [row.text for row in self._page.rows]
        greeted = {
            name
            for text in texts
            if (greets := _GREETS.match(text)) is not None
            for name in re.findall(r"[A-ZÀ-Þ][\w'’-]{2,}", text[greets.end() :])
            if not TITLED.fullmatch(name)
        }
        return [
            row
            for row in rows
            if not _GREETS.match(texts[row]) and not any(name in texts[row] for name in greeted)
        ]

    def _in_the_pack(self) -> list[Hit]:
        """The only piece that is nothing but a number of things, or counts what a row is called."""
        pieces = [(n, piece) for n, row in enumerate(self._page.rows) for piece in row.pieces]
        alone = [each for each in pieces if ONLY_COUNTED.fullmatch(each[1].text)]
        for found in (alone, [each for each in pieces if self._counts_what_it_is(*each)]):
            if len(found) == 1:
                ((row, piece),) = found
                passage = replace(self._page.passage(row), text=piece.text, lines=(piece,))
                return [Hit(LEAST, passage)]
        return []

    def _counts_what_it_is(self, row: int, piece: TextLine) -> bool:
        """True for "4 patches for 8 hours" on a box that calls itself heat patches."""
        counted = re.match(r"\W*\d+ (?:x )?(?P<noun>[^\W\d_]{3,})", piece.text)
        return counted is not None and any(
            best_match(counted["noun"].lower(), self._page.words(other)) == 1
            for other in range(len(self._page.rows))
            if other != row and not self._page.has_values(other)
        )

    def _lacks_its_place(self) -> bool:
        """True where a platform, a gate, an address is asked for, and the page has none."""
        said = set(self._wish.said)
        if "address" in said:
            return not any(ADDRESS.search(row.text) for row in self._page.rows)
        rows = range(len(self._page.rows))
        return any(
            all(best_match(word, self._page.words(row)) == 0 for row in rows)
            for word in said & _NUMBERED_PLACES
        )

    def _of_the_matter(self, places: Sequence[Place]) -> list[Place]:
        """Without the day on which a letter was written, where it speaks of others."""
        own = [place for place in places if place.row == self._page.own_date]
        if own and OF_THE_LETTER & set(self._wish.said):
            return own
        others = [place for place in places if place not in own]
        return others or list(places)

    def _names(self, place: Place) -> bool:
        """True if the label of a value holds every word of the question."""
        return bool(self._asked) and accounts_for(self._asked, place.label)

    def _spans_alone(self) -> list[Hit]:
        """The statements that name a span of time, those first that hold a word of the question."""
        pattern = OFTEN if self._wish.form is Form.OFTEN else SPAN
        spans = [each for each in self._page.statements if pattern.search(each.text)]
        held = [each for each in spans if any(self._matching.matches(each))]
        told = held or spans
        return [Hit(LEAST, each) for each in told] if len(told) <= MOST_OF_KIND else []

    def _whole(self, row: int) -> Passage:
        """The sentences that a row is part of, if they are short; else the row."""
        page = self._page
        parts = [each for each in page.statements if row in each.rows]
        if len(parts) == 1 and len(words(parts[0].text)) <= MOST_QUOTED_WORDS:
            return parts[0]
        return page.passage(row)
