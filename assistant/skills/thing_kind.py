"""What kind of printed thing a text is from: a receipt, a letter, a menu; None where unsure.

Words that only one kind has count, and values of the kind that it is full of. A kind is told as
what it looks like, never as what it is.
"""

import re
from dataclasses import dataclass

from assistant.seeing.text import TextLine
from assistant.text.page import Page
from assistant.text.tokens import Kind


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for a kind.

    words: a regular expression for words of it, in lower case.
    least: how many different ones must stand there.
    kinds: values of which so many must stand there, too.
    """

    words: str
    least: int
    kinds: tuple[tuple[Kind, int], ...] = ()


_SIGNS: tuple[tuple[str, Signs], ...] = (
    (
        "a medicine label",
        Signs(
            r"\b(tablets?|capsules?|caplets?|dose|dosage|take|mg|ml|pharmacy|rx|prescri\w+|"
            r"active ingredients?|drug facts|keep out of (?:the )?reach|paracetamol|ibuprofen)\b",
            4,
        ),
    ),
    (
        "a food label",
        Signs(
            r"\b(ingredients?|nutrition(?: facts| information)?|calories|kcal|kj|sodium|"
            r"carbohydrates?|saturate[sd]|protein|serving size|allergens?|may contain|"
            r"best before|net (?:wt|weight))\b",
            3,
        ),
    ),
    (
        "a receipt",
        Signs(
            r"\b(receipt|sub ?total|total|cash|change|gst|vat|sales tax|tax|rounding|cashier|"
            r"qty|visa|mastercard|amount|invoice no|thank you)\b",
            4,
            ((Kind.MONEY, 3),),
        ),
    ),
    (
        "a bill",
        Signs(
            r"\b(invoice|statement|amount due|balance|due date|payment|account (?:number|no)|"
            r"billing|pay by|please pay|iban|meter)\b",
            3,
            ((Kind.MONEY, 1),),
        ),
    ),
    (
        "a letter",
        Signs(r"\b(dear|sincerely|regards|faithfully|yours|re|enclosed|appointment)\b", 2),
    ),
    (
        "a menu",
        Signs(
            r"\b(menu|starters?|appeti[sz]ers?|mains?|main courses?|desserts?|drinks?|salads?|"
            r"soups?|sides?|wines?|beverages|specials?)\b",
            2,
            ((Kind.MONEY, 3),),
        ),
    ),
    (
        "a timetable",
        Signs(
            r"\b(departures?|arrivals?|departs?|arrives?|platform|timetable|train|bus|gate|line|"
            r"destination|via)\b",
            2,
            ((Kind.TIME, 5),),
        ),
    ),
)
"""In the order in which they are tried: what costs most to miss comes first."""


def thing_kind(page: Page) -> tuple[str, tuple[TextLine, ...]] | None:
    """The kind of thing, such as "a receipt", and the lines that speak for it; or None."""
    for name, signs in _SIGNS:
        hits: dict[str, tuple[TextLine, ...]] = {}
        for row in page.rows:
            for match in re.finditer(signs.words, row.text.lower()):
                hits.setdefault(match[0], row.pieces)
        values = all(len(page.places_of(kind)) >= least for kind, least in signs.kinds)
        if len(hits) >= signs.least and values:
            return name, tuple(dict.fromkeys(line for lines in hits.values() for line in lines))
    return None
