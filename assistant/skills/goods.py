"""Where on a receipt the goods end: at the first total, tax, payment or change."""

import functools
import re

from assistant.skills import change, paid, tax, total, vocabulary
from assistant.text.meaning import words
from assistant.text.page import Page
from assistant.text.tokens import Kind


def end_of_goods(page: Page) -> int:
    """The row of the first sum; the number of rows where there is none.

    A payment is a sum by its whole label only: "Gift card" may be sold. A total is one by its word
    wherever that stands, as in "Total (excluding tax)" or "Tot qty", and a tax by its first word.
    """
    sums = [*total.sums(page), *tax.SKILL.named(page), *paid.sums(page), *change.SKILL.named(page)]
    # Goods stand under heads such as "Total", too.
    called = [place.row for place in sums if place.left or place.above]
    return min((*called, *_rows_of_totals(page)), default=len(page.rows))


def _rows_of_totals(page: Page) -> list[int]:
    """The rows of an amount whose label holds a total's word or begins with a tax's; and those with
    any value that begin with a total."""
    found = [
        place.row
        for place in page.places_of(Kind.MONEY)
        for said in [words(place.left)]
        if said and (_TOTALS & set(said) or said[0] in _taxes())
    ]
    for row, each in enumerate(page.rows):
        said = words(each.text)
        if said and said[0] in _TOTALS and page.has_values(row):
            found.append(row)
    return found


_TOTALS = frozenset(
    (
        *("total", "totals", "subtotal", "tot", "summe", "gesamt", "gesamtbetrag", "zwischensumme"),
        *("endsumme", "gesamtsumme", "totale", "subtotale", "totaal", "subtotaal"),
    )
)
"""Words for a total, and nothing else, in the languages of papers."""


@functools.cache
def _taxes() -> frozenset[str]:
    """The single words that name a tax, in all languages."""
    listed = [*tax.SKILL.english, *vocabulary.labels("tax")]
    phrases = (each.strip() for _, text in listed for each in text.split(";"))
    return frozenset(each for each in phrases if re.fullmatch(r"\w+", each))
