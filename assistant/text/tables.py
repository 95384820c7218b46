"""Tables of a page: which head stands over each cell, and what its row is called."""

import re
from dataclasses import dataclass
from functools import cached_property

from assistant.seeing.layout import Row
from assistant.seeing.text import TextLine
from assistant.text.calendar_names import weekday
from assistant.text.meaning import words
from assistant.text.page import Page
from assistant.text.tokens import Kind

_VALUES = frozenset({Kind.MONEY, Kind.DATE, Kind.TIME, Kind.NUMBER, Kind.PHONE})
"""What stands in a table's body; a measure may stand in a head, as in "per 100 g"."""

LONGEST_HEAD = 5
"""Words of one head."""

MOST_APART = 2
"""Rows of a single piece that may stand within a table."""


APART = 1.3
"""Times the step to the row below, from which a row stands apart from the one above."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a row under a head.

    name: what its row is called: the first cell of the row; "" for that cell itself.
    """

    text: str
    row: int
    head: str
    name: str
    lines: tuple[TextLine, ...]


class Tables:
    """The cells of all rows that stand under a row of heads."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def cells(self, row: int) -> tuple[Cell, ...]:
        """The cells of a row; none where no heads stand over it."""
        return self._cells[row]

    def head_words(self, row: int) -> tuple[str, ...]:
        """The words of all heads over a row, in lower case."""
        return tuple(word for cell in self._cells[row] for word in words(cell.head))

    def lone_cells(self, row: int) -> tuple[Cell, ...]:
        """The cells of the only row under its heads, which needs no name."""
        above, below = row - 1, row + 1
        if not self._cells[row] or row == 0 or self._cells[above]:
            return ()
        more = (
            below < len(self._page.rows)
            and bool(self._cells[below])
            and len(self._page.rows[below].pieces) == len(self._page.rows[row].pieces)
        )
        return () if more else tuple(cell for cell in self._cells[row] if cell.head)

    @cached_property
    def _cells(self) -> list[tuple[Cell, ...]]:
        found: list[tuple[Cell, ...]] = []
        heads: Row | None = None
        alone = 0
        for number, row in enumerate(self._page.rows):
            if len(row.pieces) < 2:
                alone += 1
                heads = heads if alone <= MOST_APART else None
                found.append(())
                continue
            if self._is_head(number) and (heads is not None or not self._goes_on(number)):
                heads, alone = row, 0
                found.append(())
                continue
            found.append(() if heads is None else _under(heads, row, number))
        return found

    def _is_head(self, number: int) -> bool:
        """A row of short words without values, over a row of several pieces that holds some."""
        row = self._page.rows[number]
        if any(place.token.kind in _VALUES for place in self._page.places_in(number)):
            return False
        if any(not 0 < len(words(piece.text)) <= LONGEST_HEAD for piece in row.pieces):
            return False
        if any(re.match(r"[\d£$€+−½¼¾-]", piece.text) for piece in row.pieces):
            return False
        if any(piece.text.lstrip().startswith(":") for piece in row.pieces):
            # "Invoice no  : CR 1803" is a label with its value.
            return False
        told = [piece.text.strip().lower() for piece in row.pieces]
        if len(set(told)) < len(told):
            # "Protein  negative  negative": each column has a head of its own.
            return False
        first = words(row.pieces[0].text)
        below = self._page.rows[number + 1] if number + 1 < len(self._page.rows) else None
        if below is not None and self._leaves_a_corner(number):
            return True
        if below is not None and _is_pair_over_another(row, below):
            return False
        if any(weekday(word) is not None for word in first):
            # "Monday  closed" is an entry of its own.
            return False
        return (
            below is not None
            and len(below.pieces) >= 2
            and (
                any(self._page.places_in(number + 1))
                or (len(row.pieces) == len(below.pieces) > 2 and _is_short(row))
            )
            and (len(row.pieces) > 2 or len(below.pieces) <= len(row.pieces))
        )

    def _goes_on(self, number: int) -> bool:
        """True for a pair without a value right below one with: an entry like those around it.

        "Made by  Corvane" between "Cable  1.8 m" and "Helpline  0113 496 0182" heads nothing: heads
        stand over a block, or apart.
        """
        rows = self._page.rows
        if not 0 < number < len(rows) - 1 or not self._page.has_values(number - 1):
            return False
        if [len(rows[each].pieces) for each in (number - 1, number)] != [2, 2]:
            return False
        if not all(map(_stand_alike, rows[number - 1].pieces, rows[number].pieces)):
            return False
        below = _top(rows[number + 1]) - _top(rows[number])
        return _top(rows[number]) - _top(rows[number - 1]) <= APART * below

    def _leaves_a_corner(self, number: int) -> bool:
        """True for "small  large" over "Funghi  7,20  9,80": no head stands over the names."""
        heads, below = self._page.rows[number].pieces, self._page.rows[number + 1].pieces
        if len(heads) < 2 or len(below) != len(heads) + 1:
            return False
        if not all(_overlap(*pair) > 0 for pair in zip(heads, below[1:], strict=True)):
            return False
        return all(any(map(str.isdigit, piece.text)) for piece in below[1:])


def _is_pair_over_another(row: Row, below: Row) -> bool:
    """True for two pieces of which one stands over none of the two below: a label and its value.

    Where values follow their labels closely, nothing is one below another; heads and cells are.
    """
    if [len(row.pieces), len(below.pieces)] != [2, 2]:
        return False
    pairs = zip(row.pieces, below.pieces, strict=True)
    return not all(_stand_alike(*pair) or _share_a_middle(*pair) for pair in pairs)


def _stand_alike(one: TextLine, other: TextLine) -> bool:
    """True for pieces that begin at one edge, or end at one."""
    (left, right), (first, last) = _extent(one), _extent(other)
    return min(abs(left - first), abs(right - last)) <= max(one.height, other.height)


def _share_a_middle(one: TextLine, other: TextLine) -> bool:
    (left, right), (first, last) = _extent(one), _extent(other)
    return abs(left + right - first - last) / 2 <= max(one.height, other.height)


def _top(row: Row) -> float:
    return min(y for piece in row.pieces for _, y in piece.box)


def _overlap(one: TextLine, other: TextLine) -> float:
    (left, right), (first, last) = _extent(one), _extent(other)
    return min(right, last) - max(left, first)


def _is_short(row: Row) -> bool:
    return all(len(words(piece.text)) <= 2 for piece in row.pieces)


def _under(heads: Row, row: Row, number: int) -> tuple[Cell, ...]:
    name = row.pieces[0].text
    found = []
    for at, piece in enumerate(row.pieces):
        over = _over(heads, row, at)
        lines = tuple(dict.fromkeys((row.pieces[0], *((over,) if over else ()), piece)))
        head = "" if over is None else over.text.strip(" .:;")
        found.append(Cell(piece.text, number, head, name if at else "", lines))
    return tuple(found)


def _over(heads: Row, row: Row, at: int) -> TextLine | None:
    """The head that overlaps a piece most; of as many heads as pieces, the one at its place."""
    piece = row.pieces[at]
    left, right = _extent(piece)
    overlaps = []
    for head in heads.pieces:
        first, last = _extent(head)
        overlaps.append(min(right, last) - max(left, first))
    best = max(overlaps)
    if best > 0:
        return heads.pieces[overlaps.index(best)]
    return heads.pieces[at] if len(heads.pieces) == len(row.pieces) else None


def _extent(line: TextLine) -> tuple[float, float]:
    xs = [x for x, _ in line.box]
    return min(xs), max(xs)
