"""Entries of a receipt with a count: how many were bought, what one costs, what they cost together.

What a figure is, the row itself proves: "3 x 1.50" by its mark, "2  2.80  5.60" by its product, or
the heads of a table by their words. A row that proves nothing has no quantity.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.text.meaning import best_match, words
from assistant.text.page import Page, Place
from assistant.text.tables import Cell, Tables
from assistant.text.tokens import Kind
from assistant.text.worth import worth

_TIMES = re.compile(
    r"(?<![\d.,])(?P<count>\d{1,3}) ?(?:x|×|@|\*|à|pcs?\.? (?:x|@)|stk\.? (?:x|à)) ?(?=[\d€$£])"
    r"|(?<![\w.,])(?P<before>\d{1,3}) ?(?:x|×)(?!\w)|(?<!\w)(?:x|×) ?(?P<behind>\d{1,3})(?![\d.,])",
    re.IGNORECASE,
)
_WHOLE = re.compile(r"(?<![\d.,/:-])\d{1,3}(?![\d.,/:%-]|\w)")
"""A figure that may be a count: no part of an amount, a date or a size."""

_COUNT_WORDS = """
qty quantity quant menge anzahl stk stück qté quantité cant cantidad qtà qtd quantità aantal
quantidade count pcs units
"""
_COUNTS = frozenset(_COUNT_WORDS.split())
_EACH_WORDS = "price each unit rate preis einzelpreis prix precio prezzo prijs preço"
_EACH = frozenset(_EACH_WORDS.split())
_TOGETHER_WORDS = "amount total sum betrag gesamt summe montant importe importo bedrag valor"
_TOGETHER = frozenset(_TOGETHER_WORDS.split())


@dataclass(frozen=True, slots=True)
class Quantity:
    """One entry of a receipt.

    name:  what was bought, as printed.
    row:   the row of its amounts.
    count: how many, as printed; "" if that is not printed.
    each:  the amount for one, or None.
    """

    name: str
    row: int
    count: str
    each: Place | None


def quantities(page: Page) -> list[Quantity]:
    """The entries of a page of which the paper says how many, or what one costs, in order."""
    tables = Tables(page)
    found = (_of_row(page, tables.cells(row), row) for row in range(len(page.rows)))
    return [each for each in found if each is not None]


def named(asked: Sequence[str], entries: Sequence[Quantity]) -> list[Quantity]:
    """The entries whose names hold most of some words; none if none holds any."""
    scores = [sum(best_match(word, words(each.name)) > 0 for word in asked) for each in entries]
    best = max(scores, default=0)
    return [each for each, score in zip(entries, scores, strict=True) if score == best > 0]


def _of_row(page: Page, cells: Sequence[Cell], row: int) -> Quantity | None:
    money = [
        each
        for each in page.places_in(row)
        if each.token.kind is Kind.MONEY and not each.token.needs_label
    ]
    if not money:
        return None
    name = _name(page, row)
    if not name:
        return None
    return (
        _by_mark(page.rows[row].text, name, row, money)
        or _by_product(page.rows[row].text, name, row, money)
        or _by_heads(cells, name, row, money)
    )


def _name(page: Page, row: int) -> str:
    """What stands in words in a row, or in the row above one of figures alone."""
    for number in (row, row - 1):
        if number < 0 or number < row and page.places_in(number):
            continue
        text = " ".join(piece.text for piece in page.rows[number].pieces)
        spoken = re.findall(r"(?<!\S)[^\W\d_][^\d\s]+", text)
        if any(len(word) > 2 for word in spoken):
            return " ".join(spoken)
    return ""


def _by_mark(text: str, name: str, row: int, money: Sequence[Place]) -> Quantity | None:
    marked = _TIMES.search(text)
    if marked is None:
        return None
    count = marked["count"] or marked["before"] or marked["behind"]
    each = money[0] if marked["count"] or len(money) > 1 or count == "1" else None
    return Quantity(name, row, count, each)


def _by_product(text: str, name: str, row: int, money: Sequence[Place]) -> Quantity | None:
    if len(money) != 2:
        return None
    each, whole = (worth(place.token.text) for place in money)
    if not each or not whole:
        return None
    counts = [number[0] for number in _WHOLE.finditer(text) if int(number[0]) * each == whole]
    return Quantity(name, row, counts[0], money[0]) if len(set(counts)) == 1 else None


def _by_heads(
    cells: Sequence[Cell], name: str, row: int, money: Sequence[Place]
) -> Quantity | None:
    under = {cell.text: frozenset(words(cell.head)) for cell in cells if cell.head}
    counts = [
        text for text, head in under.items() if head & _COUNTS and re.fullmatch(r"\d{1,4}", text)
    ]
    if len(counts) != 1:
        return None
    each = [
        place
        for place in money
        for text, head in under.items()
        if place.token.text in text and head & _EACH and not head & _TOGETHER
    ]
    return Quantity(name, row, counts[0], each[0] if len(each) == 1 else None)
