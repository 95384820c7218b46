"""What is quoted of a place that answers: the whole of it, one value of it, or one cell."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.text.fields import fields
from assistant.text.fitting import is_clock, is_of, looks_right
from assistant.text.listings import LONGEST_LEAD, Listing, listing_under
from assistant.text.matching import LITERAL, MOST_QUOTED_WORDS, Matching, has_unit, named_by
from assistant.text.meaning import best_match, is_container, is_empty, words
from assistant.text.named_values import LONGEST_NAME, are_labelled, is_of_a_span, likeness, named_of
from assistant.text.page import Page, Passage, Place
from assistant.text.question import Form
from assistant.text.ranks import FIRST, LAST
from assistant.text.sections import is_heading, under
from assistant.text.tables import Cell
from assistant.text.tokens import Kind
from assistant.text.units import UNITS

_WHOLE = re.compile(
    r"\b(?:the|this|a) (?:whole|entire|full) \w+|\ball of (?:it|this)\b|\bthe (?:whole )?lot\b"
)
"""Who eats or drinks everything."""

_SUM = re.compile(
    r"\b(?:grand |sub)?totals?\b|\bsum\b|\bto pay\b|summe\b|\bgesamt|\btotale\b|\btotaal\b|\bsuma\b"
    r"|\bsomme\b|\bsoma\b",
    re.IGNORECASE,
)
"""A row that sums up those above it."""

NAMED_BEFORE = 4
"""Words at the end of a long sentence that say what the list behind it is of."""

LONGEST_ROW = 12
"""Words of a row that may hold several values, each with its label."""


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
    listing:  the list that the place opens, where it is told with all of its entries.
    """

    score: float
    passage: Passage
    value: Place | None = None
    is_one_of_many: bool = False
    cell: Cell | None = None
    is_whole: bool = False
    is_literal: bool = False
    listing: Listing | None = None


class Hits:
    """Cuts out of places what one question asks for."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._page, self._wish, self._asked = matching.page, matching.wish, matching.asked
        self._tables, self._language, self._own = matching.tables, matching.language, matching.own
        self._telling = matching.telling

    def of(self, passage: Passage, score: float, *, is_first: bool) -> Hit:
        """What is quoted of a place; is_first: whether it is the best of several."""
        listed = self._listed(passage, score)
        return listed or _with_what_was_said(
            self._page, self._at_its_label(self._uncut_hit(passage, score, is_first=is_first))
        )

    def _listed(self, passage: Passage, score: float) -> Hit | None:
        """A place that opens a list, with all of its entries; None for any other.

        What opens the list holds all that the page holds of the question; where an entry holds
        more, that entry is asked for.
        """
        if self._wish.form in (Form.MANY, Form.OFTEN, Form.DURATION):
            return None
        for row in passage.rows:
            listing = listing_under(self._page, row)
            if listing is None or not self._asks_for(listing, passage):
                continue
            lead = tuple(each for each in passage.rows if each <= row)
            return Hit(score, self._page.passage(*lead, *listing.rows), listing=listing)
        return None

    def _asks_for(self, listing: Listing, passage: Passage) -> bool:
        """True if a question is about all of a list, and its entries hold what it wants."""
        lead = [row for row in passage.rows if row <= listing.lead]
        for at, telling in enumerate(self._telling):
            here = max(self._own[row][at] for row in lead)
            inside = max(self._own[row][at] for row in listing.rows)
            if telling and inside > here:
                return False
        if not any(self._own[row][at] for row in lead for at in range(len(self._asked))):
            return False
        said = words(" ".join(self._page.rows[row].text for row in lead))
        if len(said) > LONGEST_LEAD and not self._wish.kinds:
            # What a list is of stands right before its colon; a long sentence says more.
            ends = said[-NAMED_BEFORE:]
            if not any(best_match(word, ends, self._language) > 0 for word in self._asked):
                return False
        looks = [
            looks_right(entry.text, self._matching.places(entry), self._wish)
            for entry in listing.entries
        ]
        return looks.count(False) * 2 < len(looks)

    def _at_its_label(self, hit: Hit) -> Hit:
        """Of a row with several labelled values the one that is asked for."""
        if re.search(r"[^\W\d_][.!?]$", hit.passage.text.rstrip()):
            # Of a sentence nothing is cut off.
            return hit
        if hit.cell is not None or self._wish.form in (Form.WHERE, Form.WHO, Form.OFTEN):
            return hit
        scored = []
        for row in hit.passage.rows:
            if len(self._tables.cells(row)) > 2:
                # A row under heads is one entry.
                continue
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
        places = [each for each in self._matching.places(found) if each.token.text in field.text]
        if self._wish.kinds and looks_right(field.text, places, self._wish) is False:
            return hit
        return replace(
            hit, passage=replace(found, text=field.text), value=None, is_one_of_many=False
        )

    def _row_that_names(self, passage: Passage) -> Passage:
        """Of rows without a sentence the one that names who is asked for, if it alone does."""
        if self._wish.form is not Form.WHO or len(passage.rows) == 1 or "." in passage.text[-1:]:
            return passage
        held = self._matching.held(passage)
        rows = [self._page.passage(row) for row in passage.rows]
        named = [
            each
            for each in rows
            if self._matching.held(each) == held
            and re.match(r"\W*[A-ZÀ-Þ]", each.text)
            and looks_right(each.text, (), self._wish)
        ]
        return named[0] if len(named) == 1 else passage

    def _uncut_hit(self, passage: Passage, score: float, *, is_first: bool) -> Hit:
        page, wish = self._page, self._wish
        passage = self._row_that_names(passage)
        here = [place for place in self._matching.places(passage) if is_of(place, wish)]
        units = "|".join(UNITS[word] for word in self._asked if word in UNITS)
        here = [place for place in here if units and has_unit(place, units)] or here
        is_row = len(passage.rows) == 1
        if is_row:
            cell = self._cell(passage.rows[0], here)
            if cell is not None:
                return Hit(score, passage, cell=cell)
            listed = self._section(passage.rows[0]) if is_first else None
            if listed is not None:
                return Hit(score, listed)
        if is_row and wish.form is Form.MANY:
            counted = self._counted(passage)
            if counted is not None:
                return Hit(score, counted)
        nth = self._at_an_end(here, passage) if is_row else None
        if nth is not None:
            return Hit(score, passage, nth, is_one_of_many=True)
        following = passage.rows[-1] + 1
        is_field = re.search(r"[^\W\d_]: ?\S", passage.text) is not None
        has_none = not is_field and not any(page.has_values(row) for row in passage.rows)
        if not here and wish.kinds and has_none:
            below = [place for place in page.places_in(following) if is_of(place, wish)]
            if below and not _is_empty_field(page, passage.rows[-1]):
                value = below[0] if len(below) == 1 else None
                return Hit(score, page.passage(*passage.rows, following), value)
        told = here if wish.kinds else self._matching.places(passage)
        dated = bool(wish.kinds & {Kind.TIME, Kind.DATE})
        if wish.form in (Form.WHO, Form.WHY, Form.TASK) and not wish.kinds:
            answers = here or looks_right(passage.text, (), wish) and ":" in passage.text
            return Hit(score, passage if answers else self._with_what_follows(passage))
        if len(told) > 1 and is_row and (not dated or are_labelled(told)):
            named = named_of(told, self._asked)
            if named is not None and not is_of_a_span(named):
                return Hit(score, passage, named, is_one_of_many=True)
        value = here[0] if len(here) == 1 and not is_of_a_span(here[0]) else None
        if value is not None and is_row and self._is_one_of_a_row(value, passage):
            return Hit(score, passage, value, is_one_of_many=True)
        return Hit(score, passage if here else self._with_what_follows(passage), value)

    def _with_what_follows(self, passage: Passage) -> Passage:
        """A heading with what stands below it; a row of a table is no heading."""
        is_of_a_table = len(self._tables.cells(passage.rows[-1])) > 2
        return passage if is_of_a_table else _with_what_follows(self._page, passage)

    def _at_an_end(self, here: Sequence[Place], passage: Passage) -> Place | None:
        """The first or the last time of a row of a timetable, where that is asked for."""
        times = [place for place in here if place.token.kind is Kind.TIME or is_clock(place)]
        if len(times) < 2 or any(is_of_a_span(place) or place.head for place in times):
            return None
        said, printed = frozenset(self._wish.said), frozenset(words(passage.text))
        if said & FIRST and not printed & FIRST:
            return times[0]
        return times[-1] if said & LAST and not printed & LAST else None

    def _counted(self, passage: Passage) -> Passage | None:
        """An entry of a receipt without its price: "2 Caña"."""
        first, *others = self._page.rows[passage.rows[0]].pieces
        prices = all(
            re.fullmatch(r"[-−]?[£$€]? ?\d+[.,]\d\d ?[£$€]?", each.text) for each in others
        )
        if not others or not prices or not re.match(r"\d+ ?x? ?[^\W\d_]", first.text):
            return None
        return replace(passage, text=first.text, lines=(first,))

    def _is_one_of_a_row(self, value: Place, passage: Passage) -> bool:
        """True for the time in "Date 11/02/2027  Time 10.52": each value has a label of its own."""
        others = [place for place in self._matching.places(passage) if place.token != value.token]
        short = len(words(passage.text)) <= LONGEST_ROW and not passage.text.rstrip().endswith(".")
        named = len(words(value.left)) <= LONGEST_NAME
        named = named and likeness(self._asked, value.left) > (0.0, 0.0)
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
            if named_by(word, first) > 0
            and named_by(word, first)
            >= max((named_by(word, cell.head) for cell in cells), default=0.0)
        ]
        counted = ("quantity",) if self._wish.form is Form.MANY else ()
        rest = [
            word
            for word in dict.fromkeys((*self._asked, *self._nouns, *counted))
            if word not in named
        ]
        scores = [sum(named_by(word, cell.head) for word in rest) for cell in cells]
        if _WHOLE.search(" ".join(self._wish.said)):
            # Who eats all of it asks for what is in the pot, not in 100 g.
            held = [any(is_container(word) for word in words(cell.head)) for cell in cells]
            scores = [score + of_all for score, of_all in zip(scores, held, strict=True)]
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

    def lone_cells(self) -> list[Hit]:
        """The cells under a head that the question names, where a table has one row only."""
        found = []
        for row in range(len(self._page.rows)):
            for cell in self._tables.lone_cells(row):
                if Kind.CODE in self._wish.kinds and not any(map(str.isdigit, cell.text)):
                    # A number is asked for.
                    continue
                held = [named_by(word, cell.head) for word in self._asked]
                told = [at for at, told in enumerate(self._telling) if told]
                if told and all(held[at] for at in told):
                    score = min(1.0, sum(held[at] for at in told) / len(told))
                    passage = self._page.passage(row)
                    lone = replace(cell, name="")
                    literal = all(
                        held[at] > LITERAL and self._matching.is_said(self._asked[at])
                        for at in told
                    )
                    found.append(Hit(score, passage, cell=lone, is_whole=True, is_literal=literal))
        return found

    def sums_under_a_head(self) -> list[Hit]:
        """The total under the one head that holds all that a question for money names.

        "What will I pay next year" names a column, and no row: it asks for the sum.
        """
        told = [at for at, told in enumerate(self._telling) if told]
        told = [at for at in told if self._asked[at] not in self._wish.deeds]
        if Kind.MONEY not in self._wish.kinds or not told:
            return []
        found = []
        for row in range(len(self._page.rows)):
            cells = [cell for cell in self._tables.cells(row) if cell.name and cell.head]
            if len(cells) < 2:
                continue
            if any(self._own[row][at] for at in told):
                # A row is named as well.
                return []
            said = [sum(named_by(word, cell.head) for word in self._wish.said) for cell in cells]
            cell = cells[said.index(max(said))]
            is_named = all(named_by(self._asked[at], cell.head) for at in told)
            if is_named and said.count(max(said)) == 1 and _SUM.search(cell.name):
                found.append(Hit(1.0, self._page.passage(row), cell=cell, is_whole=True))
        return found[-1:]

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


def _is_empty_field(page: Page, row: int) -> bool:
    """True for a label without its value, above a label with one: "Rounding:" over "Total: 12"."""
    is_label = page.rows[row].text.rstrip().endswith(":")
    return is_label and re.match(r"[^:]*[^\W\d]\W*:\W*\w", page.rows[row + 1].text) is not None


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
    in_pieces = [
        len(page.rows[each].pieces) > 1 for each in (after - 1, after) if each < len(page.rows)
    ]
    if all(in_pieces):
        # One label with its value above another.
        return sentence
    if not is_short or after >= len(page.rows) or _is_empty_field(page, after - 1):
        return sentence
    following = next((each for each in page.sentences if after in each.rows), None)
    if following is None or len(words(following.text)) > MOST_QUOTED_WORDS:
        return sentence
    if _is_labelled(page, sentence) and _is_another(following):
        return sentence
    return page.passage(*sentence.rows, *following.rows)


def _is_labelled(page: Page, sentence: Passage) -> bool:
    """True for a label with what it labels, which goes on below at most: an address, hours."""
    row = sentence.rows[-1]
    pieces = [len(page.rows[each].pieces) for each in (row, row + 1)]
    return pieces == [2, 1] or re.search(r":\s*\S", sentence.text) is not None


def _is_another(following: Passage) -> bool:
    """True for a sentence, and for what has a label of its own."""
    text = following.text.rstrip()
    return text.endswith((".", "!", "?")) or re.search(r"[^\W\d]:\s", text) is not None
