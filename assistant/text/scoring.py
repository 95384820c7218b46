"""How good a place of a page is as the answer to a question: its words, and what it looks like."""

import re

from assistant.text.fitting import OFTEN, ONLY_COUNTED, VENUE, looks_right
from assistant.text.hits import Hit
from assistant.text.matching import HEAD, LITERAL, Matching
from assistant.text.meaning import best_match, says_opposite, words
from assistant.text.page import Passage
from assistant.text.question import Form
from assistant.text.sections import heading_over
from assistant.text.tokens import Kind

HEADING = 0.6
"""What a word in the heading counts against one in the row itself."""

OPPOSITE = -0.3
"""What a place gains that says the opposite of a word of the question: first for last."""

FITS, FITS_BELOW = 0.15, 0.05

NO_VALUE, LOOKS_WRONG = -0.35, -0.1
"""What a row gains by the wanted value in it, or below it, and loses without any; a name and a
place have many forms, so a row that shows none loses less."""

FOR_ANOTHER = -0.2
"""What a row loses that is of another sort: a price where it is asked what one may do, the hours of
a telephone where it is asked when something is."""

COUNTED = 0.1
"""What a number right before the thing adds: "1 drop in each eye" counts drops."""

COUNT = r"\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|a|an)\b"

_OF_A_SIZE = frozenset(("mg", "mcg", "µg", "μg", "iu"))
"""Units of the strength of one: what stands behind them is not counted."""

_MUST_SHOW = frozenset({Kind.MONEY, Kind.PHONE, Kind.EMAIL, Kind.WEB, Kind.PERCENT})
"""Kinds of values that a question is for and nothing else: no words answer it."""

_NUMBERS = frozenset({Kind.CODE, Kind.NUMBER, Kind.PHONE})

_DECIMAL = re.compile(r"\d+[.,]\d")

_SIZES = frozenset(("size", "weight", "weigh", "heavy", "volume", "big", "content", "contents"))

_UNTICKED = re.compile(r"\s*(?:\[ ?\]|☐|□)")
"""A choice of a form that nobody made."""

_REFERENCE = re.compile(r"\b(?:per|pro|je|pour|por|par) 100 ?(?:g|ml)\b", re.IGNORECASE)
"""What a table of nutrients is counted for: not how much is in the bag."""


class Scoring:
    """Weighs places of a page for one question."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._page, self._wish, self._asked = matching.page, matching.wish, matching.asked
        self._language, self._own, self._heads = matching.language, matching.own, matching.heads
        self._telling, self._weights = matching.telling, matching.weights

    def score(self, passage: Passage) -> float:
        """The part of a question's weight that a place, its heads and heading account for."""
        own = self._matching.matches(passage)
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

    def answers(self, passage: Passage) -> bool:
        """True if a place, or the row below it, looks like the answer."""
        return self.fit(passage) >= 0

    def shows_its_kind(self, passage: Passage) -> bool:
        """False for a place without the amount or the number that a question is for.

        Who asks what something costs is not told a line without any amount; where a board prints
        "3.7" for all of its prices, not one without such a figure.
        """
        kinds = self._wish.kinds
        if not kinds or not kinds <= _MUST_SHOW or self.answers(passage):
            return True
        is_priced = any(not each.token.needs_label for each in self._page.places_of(Kind.MONEY))
        figures = (each.token for each in self._matching.places(passage))
        return (
            Kind.MONEY in kinds
            and not is_priced
            and any(each.kind is Kind.NUMBER and _DECIMAL.fullmatch(each.text) for each in figures)
        )

    def may_be_told(self, passage: Passage) -> bool:
        """False for a place that does not show what the question cannot do without."""
        wish = self._wish
        # Where one thing stands is not told of another.
        is_where = "where" in wish.said or wish.form is Form.WHO
        is_name = wish.form is Form.WHO and "name" in wish.said
        is_place = is_name or (is_where and bool(self._matching.unheld()))
        is_span = bool(wish.kinds) and wish.form is Form.DURATION
        needs = is_place or is_span
        return self.shows_its_kind(passage) and (not needs or self.answers(passage))

    def fit(self, passage: Passage) -> float:
        """A bonus for a place, or the next row, that looks like the answer; a malus for others."""
        page = self._page
        if _UNTICKED.match(passage.text):
            return NO_VALUE
        looks = looks_right(passage.text, self._matching.places(passage), self._wish)
        if looks is None:
            return FOR_ANOTHER if self._is_only_priced(passage) else 0.0
        if _SIZES & set(self._asked) and _REFERENCE.search(passage.text):
            return NO_VALUE
        if self._wish.form is Form.WHEN and self._tells_when_to_call(passage):
            return FOR_ANOTHER
        if self._wish.form is Form.WHEN and passage.rows == (self._page.own_date,):
            return 0.0
        if self._wish.form is Form.WHERE and self._leads_to_a_venue(passage):
            return FITS + FITS
        if looks or self._is_labelled(passage):
            counted = self._counts(passage.text)
            if counted and self._is_the_count(passage.text):
                return FITS + COUNTED + COUNTED
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
        return any(place.token.kind is Kind.MONEY for place in self._matching.places(passage))

    def _tells_when_to_call(self, passage: Passage) -> bool:
        """True for hours beside a telephone number, where nobody asks about calling."""
        if any(best_match(word, ("call",)) > 0 for word in self._wish.said):
            return False
        kinds = {place.token.kind for place in self._matching.places(passage)}
        return {Kind.PHONE, Kind.TIME} <= kinds

    def _leads_to_a_venue(self, passage: Passage) -> bool:
        """True for an address or a house, and for "Your polling station is:" above one."""
        if VENUE.search(passage.text):
            return True
        following = passage.rows[-1] + 1
        is_heading_of = passage.text.rstrip().endswith(":") and following < len(self._page.rows)
        return is_heading_of and VENUE.search(self._page.rows[following].text) is not None

    def _stands_alone(self, hit: Hit) -> bool:
        """True for a value that fills its row, below the row that names it."""
        return hit.value is not None and words(self._page.rows[hit.value.row].text) == words(
            hit.value.token.text
        )

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
        behind = (
            words(match[1]) for match in re.finditer(rf"{COUNT}((?: [^\W\d_]+){{1,3}})", text, re.I)
        )
        # "500 mg tablets" counts no tablets.
        counted = [each[:1] if each[0] in _OF_A_SIZE else each for each in behind]
        return any(best_match(noun, each) > 0 for noun in nouns for each in counted)

    def _is_the_count(self, text: str) -> bool:
        """True for a row that only counts what is asked for: "16 tablets", not how many a day."""
        printed = words(text)
        held = all(best_match(word, printed) > 0 for word in self._asked)
        return held and ONLY_COUNTED.fullmatch(text) is not None

    def is_whole(self, passage: Passage, hit: Hit, least: float) -> bool:
        """True if a place holds every telling word, each matched better than `least`."""
        heading = heading_over(self._page, passage.rows[0])
        if least > 0 and self._wish.kinds and self._wish.kinds <= _NUMBERS:
            # Below "Tax invoice" stand many numbers, each with a label of its own.
            heading = None
            if len(hit.passage.rows) > 1 and not self._stands_alone(hit):
                return False
        used = [*passage.rows, *hit.passage.rows, *([] if heading is None else [heading])]
        held = [
            max(max(self._own[row][at], self._heads[row][at]) for row in used) > least
            and (least == 0 or self._matching.is_said(self._asked[at]))
            for at in range(len(self._asked))
        ]
        places = [*self._matching.places(passage), *self._matching.places(hit.passage)]
        looks = looks_right(hit.passage.text, places, self._wish)
        counted = self._counts(hit.passage.text)
        if least > 0 and counted is False and hit.value is None:
            return False
        return looks is not False and all(
            held[at] or not self._telling[at] for at in range(len(self._asked))
        )
