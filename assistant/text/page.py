"""The text of a picture as an answer needs it: rows, values with their labels, sentences.

A value is worth nothing without what it is the value of. That stands to the left of it in its row,
over it as the head of a column, behind it, or alone in the row above.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from assistant.seeing.layout import Paragraph, Row, reading_order
from assistant.seeing.text import TextLine
from assistant.text.calendar_names import weekday
from assistant.text.dates import find_dates, month_number
from assistant.text.meaning import words
from assistant.text.sentences import ends_sentence, sentence_spans
from assistant.text.tokens import Kind, Token, tokens

_LETTERS = re.compile(r"[^\W\d_]{2,}|(?:[^\W\d_]\.){2}|[€$£¥%#]")
_CURRENCY = re.compile(r"RM|Rs|EUR|USD|GBP|CHF|MYR|SGD|INR|JPY|[€$£¥]", re.IGNORECASE)
"""Alone in a column beside the amounts, it is the label of none of them."""

_TRIM = " \t.:;,=-–—|*•·_>»"


@dataclass(frozen=True, slots=True)
class Place:
    """A value where it stands.

    row:    number of its row in the page.
    line:   the recognized line that holds it; its evidence.
    left:   what stands to the left of it in its row, up to the value before; or "".
    head:   the head of its column, or "".
    behind: what stands to the right of it, up to the value after; or "".
    above:  the row over a row that holds nothing but values, or "".
    label_lines: the recognized lines that the label in use stands on.
    """

    token: Token
    row: int
    line: TextLine
    left: str = ""
    head: str = ""
    behind: str = ""
    above: str = ""
    label_lines: tuple[TextLine, ...] = ()

    @property
    def label(self) -> str:
        """The label as printed: what stands left of it, else over it, else behind it."""
        return self.left or self.head or self.above or self.behind

    @property
    def lines(self) -> tuple[TextLine, ...]:
        """All evidence: the value's line and those of its label."""
        return tuple(dict.fromkeys((*self.label_lines, self.line)))


@dataclass(frozen=True, slots=True)
class Passage:
    """Some rows, or a sentence over several of them, with the rows it stands in."""

    text: str
    rows: tuple[int, ...]
    lines: tuple[TextLine, ...]


class Page:
    """The recognized lines of a picture in reading order, looked at once."""

    def __init__(self, lines: Sequence[TextLine]) -> None:
        self.paragraphs: tuple[Paragraph, ...] = reading_order(lines)
        self.rows: tuple[Row, ...] = tuple(row for each in self.paragraphs for row in each.rows)
        self._paragraph_of = [
            number for number, each in enumerate(self.paragraphs) for _ in each.rows
        ]

    def are_of_one_paragraph(self, row: int, other: int) -> bool:
        """Whether two rows stand in the same paragraph."""
        return self._paragraph_of[row] == self._paragraph_of[other]

    def prepare(self) -> None:
        """Find values and statements now, so that the first question need not."""
        for row in range(len(self.rows)):
            self.places_in(row)
        len(self.statements)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every value of the page with its labels, in reading order."""
        return tuple(place for number in range(len(self.rows)) for place in self._places_in(number))

    def dates(self, is_label: Callable[[str], bool]) -> tuple[Place, ...]:
        """Every date, also figures that are one only because a label says so, such as 05/27.

        is_label: whether a text names a date.
        """
        found: list[Place] = []
        for number, row in enumerate(self.rows):
            around = [row.text, self.rows[number - 1].text if number else ""]
            labelled = any(map(is_label, around)) or any(
                is_label(self._head_of(number, piece)[0]) for piece in row.pieces
            )
            if not labelled:
                found += [each for each in self.places if each.row == number and _is_date(each)]
                continue
            for at, piece in enumerate(row.pieces):
                dates = [
                    Token(Kind.DATE, each.text, each.start, each.end, needs_label=each.needs_label)
                    for each in find_dates(piece.text)
                ]
                found += self._labelled(number, at, dates)
        return tuple(found)

    @cached_property
    def _tokens(self) -> list[list[list[Token]]]:
        """The tokens of each piece of each row: no value is made of two pieces."""
        return [[tokens(piece.text) for piece in row.pieces] for row in self.rows]

    @cached_property
    def sentences(self) -> tuple[Passage, ...]:
        """Whole sentences, joined over the rows of a paragraph."""
        return tuple(
            passage
            for number, paragraph in enumerate(self.paragraphs)
            for passage in _sentences(paragraph, self._paragraph_of.index(number))
        )

    @cached_property
    def statements(self) -> tuple[Passage, ...]:
        """What the page says, piece by piece: sentences, and the rows that are part of none."""
        found: list[Passage] = []
        for joined in self.sentences:
            rows = joined.rows
            if any(len(self.rows[row].pieces) > 1 for row in rows):
                found += [self.passage(row) for row in rows]
            else:
                found += _cut(joined, [self.rows[row] for row in rows])
        return tuple(found)

    @cached_property
    def _by_row(self) -> list[list[Place]]:
        rows: list[list[Place]] = [[] for _ in self.rows]
        for place in self.places:
            rows[place.row].append(place)
        return rows

    @cached_property
    def _words(self) -> list[list[str]]:
        return [words(row.text) for row in self.rows]

    @cached_property
    def own_date(self) -> int | None:
        """The row of the day on which a letter was written: alone, over all sentences; or None.

        What a letter speaks of is on other days.
        """
        prose = next((s.rows[0] for s in self.statements if _is_a_sentence(s.text)), 0)
        for row in range(prose):
            dates = [each for each in self.places_in(row) if _is_date(each)]
            if len(dates) == 1:
                rest = self.rows[row].text.replace(dates[0].token.text, " ").strip()
                named = (w for w in words(rest) if weekday(w) is None and w not in BESIDE_A_DATE)
                return row if rest.endswith(",") or not any(named) else None
        return None

    def places_in(self, row: int) -> Sequence[Place]:
        """The values of a row; none beyond the last row."""
        return self._by_row[row] if row < len(self.rows) else ()

    def words(self, row: int) -> Sequence[str]:
        """The words of a row in lower case."""
        return self._words[row]

    def places_of(self, *kinds: Kind) -> tuple[Place, ...]:
        """The values of some kinds."""
        return tuple(place for place in self.places if place.token.kind in kinds)

    def passage(self, *rows: int) -> Passage:
        """Some rows as one passage."""
        pieces = tuple(piece for row in rows for piece in self.rows[row].pieces)
        return Passage("\n".join(self.rows[row].text for row in rows), rows, pieces)

    def has_values(self, row: int) -> bool:
        """True if a row holds any figure or address."""
        return any(found for found in self._tokens[row])

    def _places_in(self, number: int) -> list[Place]:
        return [
            place
            for at in range(len(self.rows[number].pieces))
            for place in self._labelled(number, at, self._tokens[number][at])
        ]

    def _labelled(self, number: int, at: int, own: Sequence[Token]) -> list[Place]:
        """The values of a piece of a row with what stands around them."""
        row, piece = self.rows[number], self.rows[number].pieces[at]
        found: list[Place] = []
        for order, token in enumerate(own):
            before = own[order - 1].end if order else 0
            after = own[order + 1].start if order + 1 < len(own) else len(piece.text)
            left, left_line = _bare(piece.text[before : token.start]), piece
            if not left and order > 0 and _adjoins(piece.text[before : token.start]):
                # "12-06-25 / 12-06-27", "8:30 - 17:45": both belong to one label.
                left = found[-1].left
            if not left and order == 0:
                left, left_line = self._left_of(number, at)
            behind = _bare(piece.text[token.end : after])
            if not behind and order == len(own) - 1 and at + 1 < len(row.pieces):
                following = row.pieces[at + 1].text
                behind = "" if self._tokens[number][at + 1] else _bare(following)
            head, head_line = self._head_of(number, piece)
            above, above_lines = self._above(number, left, behind)
            lines = (left_line,) if left else (head_line,) if head_line else above_lines
            found.append(Place(token, number, piece, left, head, behind, above, lines))
        return found

    def _above(self, number: int, left: str, behind: str) -> tuple[str, tuple[TextLine, ...]]:
        """The row over a value that has no label in its own row."""
        if left or number == 0 or self.has_values(number - 1):
            return "", ()
        if behind and re.sub(r"\W", "", self._without_tokens(number)):
            return "", ()
        return _bare(self.rows[number - 1].text), self.rows[number - 1].pieces

    def _left_of(self, number: int, at: int) -> tuple[str, TextLine]:
        pieces = self.rows[number].pieces
        for before in range(at - 1, -1, -1):
            text = _without(pieces[before].text, self._tokens[number][before])
            if _LETTERS.search(text) and not _CURRENCY.fullmatch(text.strip(_TRIM)):
                return _bare(text), pieces[before]
        return "", pieces[at]

    def _head_of(self, number: int, piece: TextLine) -> tuple[str, TextLine | None]:
        """The nearest piece over a value that overlaps it and holds words but no value."""
        if len(self.rows[number].pieces) < 2:
            return "", None
        left, right = _extent(piece)
        for above in range(number - 1, -1, -1):
            if len(self.rows[above].pieces) < 2:
                continue
            for at, other in enumerate(self.rows[above].pieces):
                first, last = _extent(other)
                overlap = min(right, last) - max(left, first)
                # "(RM)" below "Tax" says in what, not of what.
                is_mark = _CURRENCY.fullmatch(other.text.strip(f"{_TRIM}()")) is not None
                words_only = _LETTERS.search(other.text) and not any(
                    token.kind in (Kind.MONEY, Kind.DATE, Kind.TIME, Kind.NUMBER)
                    for token in self._tokens[above][at]
                )
                if _is_another_measure(other.text, self._tokens[above][at], piece.text):
                    continue
                if overlap > 0.3 * min(right - left, last - first) and words_only and not is_mark:
                    return _bare(other.text), other
        return "", None

    def _without_tokens(self, number: int) -> str:
        row = self.rows[number]
        return " ".join(
            _without(piece.text, self._tokens[number][at]) for at, piece in enumerate(row.pieces)
        )


PROSE = 7
"""Words from which a statement is a sentence of a letter."""

BESIDE_A_DATE = frozenset(("date", "dated", "datum", "the", "den", "le", "am", "fecha", "data"))
"""What may stand beside the day of writing; another label would make it the day of something."""


def _is_another_measure(above: str, tokens_above: Sequence[Token], below: str) -> bool:
    """True for "14 minutes" over "12 minutes", which is no head; "per 100 g" over "2.9 g" is."""
    measured = any(token.kind is Kind.MEASURE for token in tokens_above)
    if not measured or _COUNTED_FOR.search(above):
        return False
    return any(token.kind is Kind.MEASURE for token in tokens(below))


_COUNTED_FOR = re.compile(r"\b(?:per|pro|je|par|pour|por|in|each|a)\b", re.IGNORECASE)


def _is_a_sentence(text: str) -> bool:
    """True for a sentence, and not for the long name or address of who writes."""
    return len(words(text)) >= PROSE and text.rstrip().endswith((".", "!", "?", ":", ";"))


def _is_date(place: Place) -> bool:
    return place.token.kind is Kind.DATE


def _without(text: str, found: Sequence[Token]) -> str:
    for token in reversed(found):
        text = text[: token.start] + " " * (token.end - token.start) + text[token.end :]
    return text


def _bare(text: str) -> str:
    """A label as printed, without the marks around it; "" if it holds no word."""
    text = " ".join(text.split()).strip(_TRIM)
    return text if _LETTERS.search(text) else ""


def _adjoins(between: str) -> bool:
    """True if nothing but a mark or a joining word stands between two values."""
    return re.fullmatch(r"\s*(?:[-–—/|,&+:]|to|and|or|bis|à|until|x|×)?\s*", between) is not None


def _extent(line: TextLine) -> tuple[float, float]:
    xs = [x for x, _ in line.box]
    return min(xs), max(xs)


def _sentences(paragraph: Paragraph, first_row: int) -> list[Passage]:
    """The sentences of a paragraph; a row that begins anew with a capital begins one too.

    Labels have no full stops: each of their rows says something of its own. So a row ends a
    sentence unless the next one goes on in small letters, or the row breaks off in the middle.
    """
    joined: list[tuple[str, list[int]]] = []
    prose = _is_prose(paragraph)
    widest = max(map(_width, paragraph.rows), default=0.0)
    for offset, row in enumerate(paragraph.rows):
        number = first_row + offset
        full = prose and offset > 0 and _is_full(paragraph.rows[offset - 1], widest)
        # An entry of a table ends with its row, however wide that is.
        full = full and len(paragraph.rows[offset - 1].pieces) == 1
        if joined and _goes_on(joined[-1][0], row.text, is_full=full):
            joined[-1] = (f"{joined[-1][0]} {row.text}", [*joined[-1][1], number])
        else:
            joined.append((row.text, [number]))
    return [
        Passage(
            text,
            tuple(rows),
            tuple(piece for row in rows for piece in paragraph.rows[row - first_row].pieces),
        )
        for text, rows in joined
    ]


def _cut(joined: Passage, rows: Sequence[Row]) -> list[Passage]:
    """The sentences of some rows that follow each other, each with the rows it stands in."""
    starts, at = [], 0
    for row in rows:
        starts.append((at, at + len(row.text)))
        at += len(row.text) + 1
    found = []
    for begin, end in sentence_spans(joined.text):
        held = [n for n, (first, last) in enumerate(starts) if first < end and begin < last]
        found.append(
            Passage(
                joined.text[begin:end],
                tuple(joined.rows[n] for n in held),
                tuple(piece for n in held for piece in rows[n].pieces),
            )
        )
    return found


_LONGEST_END = 30
"""Characters at the end of a row that tell whether it breaks off."""

_OPEN_END = re.compile(
    r"(?:,|;|\(|(?<!\d)[-–]|\b(?:a|an|the|to|of|in|on|at|by|for|from|with|and|or|not|every|each"
    r"|per|than|"
    r"be|is|are|do|take|any|your|if|when|before|after|without|contains?|once|twice|times?|two|one|"
    r"three|four|five|six|eight|der|die|das|den|und|oder|nicht|mit|de|la|le|et|ou|ne|y|o|no|e|il|"
    r"dem|des|eine?[mnrs]?|[iI]hre?[mnrs]?|zu[mr]?|im|am|auf|für|von|vom|bei|nach|sowie|les|du"
    r"|une?|aux?|sur|"
    r"pour|vos|votre|del|los|las|una?|por|para|con|su|che|di|della|il|lo|een|het|met|van|voor|uw|"
    r"your|my|our|their|its|this|that|these|will|must|should|can|cannot|has|have|than|as|via"
    r"|per))$",
    re.IGNORECASE,
)


def _is_day(text: str) -> bool:
    """True if a text begins with the name of a day."""
    first = words(text)[:1]
    return bool(first) and weekday(first[0]) is not None


_BEHIND_FIGURES = re.compile(
    r"(?:[ap]\.?m|o'clock|hours?|minutes?|days?|weeks?|months?|years?|times|tablets?|capsules?"
    r"|doses?"
    r"|uhr|stunden?|minuten?|tagen?|wochen?|monaten?|jahren?|mal|tabletten?|tropfen|heures?|jours?"
    r"|semaines?|mois|ans|fois|comprimés?|gouttes|horas?|días?|semanas?|meses|años|veces"
    r"|comprimidos?"
    r"|gotas|ore|giorni|settimane|mesi|anni|volte|compresse|gocce|uur|dagen|weken|maanden|jaar|keer"
    r"|druppels|dias|anos|vezes)\b",
    re.IGNORECASE,
)
_PRICE_END = re.compile(r"\d[.,]\d\d$")


def _belongs_to_figures(before: str, after: str) -> bool:
    """True for what goes with the figures at the end of a row: "by 3 / January", "28 / days".

    The name under a price does not: "3.95 / Margherita pizza".
    """
    if not before[-1].isdigit() or _PRICE_END.search(before):
        return False
    first = re.match(r"[^\W\d_]+", after)
    is_month = first is not None and month_number(first[0]) is not None
    return is_month or _BEHIND_FIGURES.match(after) is not None


def _is_prose(paragraph: Paragraph) -> bool:
    """True for running text: rows of many words, and a sentence that ends."""
    many = sum(len(words(row.text)) >= PROSE_WORDS for row in paragraph.rows)
    ends = any(_SENTENCE_END.search(row.text) for row in paragraph.rows)
    return many >= 2 and ends


_SENTENCE_END = re.compile(r"(?<!\b[Nn])(?<!\b[Tt]e)[a-z][.!?](?:\s|$)")
"""A full stop that is not that of "Serial no." before a figure."""

PROSE_WORDS = 4
FULL_WIDTH, FULL_WORDS = 0.85, 6
"""A row of so many words, as wide as this part of the widest, goes on in the next."""


def _width(row: Row) -> float:
    extents = [_extent(piece) for piece in row.pieces]
    return max(last for _, last in extents) - min(first for first, _ in extents)


def _is_full(row: Row, widest: float) -> bool:
    breaks_off = re.search(r"(?:[^\W\d_],?|(?<![\d.,:/-])\d{1,2})$", row.text.rstrip()) is not None
    many = len(words(row.text)) >= FULL_WORDS
    return breaks_off and many and _width(row) >= FULL_WIDTH * widest


def _goes_on(before: str, after: str, *, is_full: bool) -> bool:
    """True if a row continues the sentence of the one before it.

    is_full: whether that row goes to the margin of running text.
    """
    brackets = before.count("(") > before.count(")")
    before, after = before.rstrip()[-_LONGEST_END:], after.lstrip()
    if not before or not after:
        return False
    if ends_sentence(before):
        # "Do not / take on an empty stomach. One daily." goes on only behind an open end.
        return False
    if is_full and re.match(r"[^.:]{2,30}:\s", after) and not _OPEN_END.search(before):
        # "Guarantee: 6 months" begins anew.
        return False
    if re.search(r"\d ?[A-Z]$", before) and after[0].isupper():
        # "Fuse 16 A": that is no article.
        return False
    if is_full or _OPEN_END.search(before):
        return True
    if _belongs_to_figures(before, after):
        return True
    if re.search(r"[a-z] (?:[\d ]+)?\d{3,}$", before) and re.fullmatch(r"\d[\d ]{2,}\.", after):
        # "My number is 020 7946 / 0812."
        return True
    if re.search(r"\b(?:every|second|other|next|last|this|each)$", before) and _is_day(after):
        # "Every second / Thursday": in English a day keeps its capital within a sentence.
        return True
    return after[0].islower() or brackets
