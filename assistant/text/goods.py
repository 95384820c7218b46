"""What was bought: the entries of a receipt or a menu, each with its name and its figures.

A name and its amount stand in one row, or the figures stand in a row of their own below the name,
or above it. Which of the last two a paper does, its first row of figures tells.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

from assistant.text.meaning import is_container
from assistant.text.page import Page, Passage, Place
from assistant.text.tokens import Kind
from assistant.text.units import UNITS
from assistant.text.worth import worth

MOST_NAME_ROWS = 3
"""Rows that name one thing."""

_NAME = re.compile(r"[^\W\d_]{2,}")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]{3,}")
_LONG_WORD = re.compile(r"[^\W\d_]{5,}")
_LABELLED = re.compile(r"[^\W\d_]{3,}[^:]*:")
_MARK = re.compile(r"\d ?(?:x|×|@|\*)|(?:@|×) ?\d", re.IGNORECASE)
_CODE = re.compile(r"\d{4,}")
_PIECES = frozenset(
    ("pc", "pcs", "pce", "nos", "ea", "each", "unit", "units", "pkt", "pkts", "stk")
)
_MEASURES = _PIECES | frozenset(UNITS)


def goods(page: Page, end: int) -> list[Passage]:
    """The entries above a row, the first sum of a receipt, in reading order."""
    money: dict[int, list[Place]] = {}
    for place in page.places_of(Kind.MONEY):
        if place.row < end and not place.token.text.startswith(("-", "−")):
            money.setdefault(place.row, []).append(place)
    figures = [row for row in money if _is_of_figures(page, row, money[row])]
    above = not figures or bool(_names_above(page, figures[0], money))
    found: list[Passage] = []
    for row, places in money.items():
        if row in figures:
            named = _names_above(page, row, money) if above else _names_below(page, row, money, end)
            if named and row == figures[0] and above:
                named = named[-_usual_names(page, figures, money) :]
            if named:
                found.append(_entry(page, named, row))
                continue
        if any(_NAME.search(place.left) for place in places):
            found.append(page.passage(row))
    return found


def add_up(page: Page, entries: Sequence[Passage], end: int) -> bool:
    """True if what the entries cost is an amount that stands below them: all were found, each with
    its own price."""
    last = [_last_amount(page, each) for each in entries]
    known = [value for value in last if value is not None]
    below = {worth(each.token.text) for each in page.places_of(Kind.MONEY) if each.row >= end}
    return len(known) == len(last) > 0 and sum(known) in below


def _last_amount(page: Page, entry: Passage) -> Decimal | None:
    held = [each for row in entry.rows for each in page.places_in(row)]
    amounts = [each.token.text for each in held if each.token.kind is Kind.MONEY]
    return worth(amounts[-1]) if amounts else None


def _is_of_figures(page: Page, row: int, places: Sequence[Place]) -> bool:
    """True for a row that only counts and prices: "2 x 1.10  2.20", "4 BAG @ 5.50  22.00"."""
    text = page.rows[row].text
    before = [each for place in places for each in _WORD.findall(place.left)]
    if not before:
        return _LONG_WORD.search(text) is None
    is_counted = all(is_container(each.lower()) or each.lower() in _MEASURES for each in before)
    return is_counted and _MARK.search(text) is not None


def _names_above(page: Page, row: int, money: dict[int, list[Place]]) -> list[int]:
    """The rows right above one of figures that name what they price, from above to below."""
    found: list[int] = []
    for each in range(row - 1, -1, -1):
        if each in money or len(found) == MOST_NAME_ROWS or not _may_name(page, each):
            break
        found.insert(0, each)
    return _with_a_word(page, found)


def _names_below(page: Page, row: int, money: dict[int, list[Place]], end: int) -> list[int]:
    """The same, right below."""
    found: list[int] = []
    for each in range(row + 1, end):
        if each in money or len(found) == MOST_NAME_ROWS or not _may_name(page, each):
            break
        found.append(each)
    return _with_a_word(page, found)


def _usual_names(page: Page, figures: Sequence[int], money: dict[int, list[Place]]) -> int:
    """Rows of a name: the fewest of the later ones; what stands over the first may be no name."""
    counts = [len(_names_above(page, row, money)) for row in figures[1:]]
    return min(filter(None, counts), default=1)


def _with_a_word(page: Page, rows: Sequence[int]) -> list[int]:
    """Without rows of codes, such as "WA45 /2A - 12", where others hold a word."""
    spoken = [row for row in rows if _WORD.search(page.rows[row].text)]
    return spoken or [row for row in rows if _LETTER.search(page.rows[row].text)][-1:]


def _may_name(page: Page, row: int) -> bool:
    """False for heads of columns, for a label with its value, and for values of other kinds."""
    pieces = page.rows[row].pieces
    spoken = [piece for piece in pieces if _WORD.search(piece.text)]
    kinds = {place.token.kind for place in page.places_in(row)}
    return (
        len(spoken) <= 1
        and _LABELLED.search(page.rows[row].text) is None
        and not kinds & {Kind.DATE, Kind.TIME, Kind.PHONE, Kind.EMAIL, Kind.WEB}
    )


def _entry(page: Page, named: Sequence[int], row: int) -> Passage:
    """A name with its figures, without the code of the thing."""
    kept = [piece for piece in page.rows[row].pieces if not _CODE.fullmatch(piece.text.strip())]
    lines = (*(piece for each in named for piece in page.rows[each].pieces), *kept)
    text = " ".join(piece.text.strip() for piece in lines)
    return Passage(text, tuple(sorted((*named, row))), lines)
