"""The amount that a label names: the total, the tax, the change; by whole labels, not by words.

"Total" stands in "Total weight", "Total saved", "Points total" and "Total excluding tax", too. So a
label names an amount only if all of its words belong to that name: what is left over would make it
the name of something else.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assistant.text.page import Page, Place
from assistant.text.plain_letters import stem_free
from assistant.text.tokens import Kind

_TAX = "gst|sst|tax|taxes|vat|mwst|ust|tva|iva|btw|service charge|service tax|rounding"
_INCLUDED = (
    rf"(?<!\S)(?:incl|including|inclusive|inc|inkl|einschl)(?: of| der)?(?: (?:{_TAX}|and))*(?!\S)"
    rf"|(?<!\S)(?:with|after|w)(?: (?:{_TAX}|and|adj|adjustment))+(?!\S)|(?<!\S)ttc(?!\S)"
)
"""What is said to be within an amount leaves it the same amount."""


_TO_A_DATE = re.compile(
    r"(?<=\w)(?: (?:by|on|before|until|till|as of|as at|at|bis|am|zum|avant|le|au|jusquau"
    r"|antes del|el|al|hasta|entro|il|voor|op|uiterlijk|até|em))+$"
)
"""What a label ends in whose date stands before its amount: "Total due by 11/27/2026 $81.49"."""


@dataclass(frozen=True, slots=True)
class Name:
    """What an amount is called.

    phrases: the words that name it, each phrase with its rank: of two amounts the one with the
             higher rank is meant.
    beside:  words that may stand beside such a phrase without changing what is named.
    by_head: True if the head of a column names it, too, where one amount stands under it.
    """

    phrases: tuple[tuple[str, int], ...]
    beside: frozenset[str]
    by_head: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """An amount with the rank of its label."""

    place: Place
    rank: int


def named_amounts(page: Page, name: Name) -> list[Named]:
    """The amounts that a label of a page names, in reading order."""
    found = []
    for place in page.places_of(Kind.MONEY, Kind.NUMBER):
        if place.token.kind is Kind.NUMBER and not re.search(r"\d{2}", place.token.text):
            continue
        label = place.left or place.above or place.head
        rank = rank_of(label or place.behind, name)
        if rank and (place.left or place.above or not place.head or _is_alone(page, place)):
            found.append(Named(place, rank))
        elif name.by_head and _is_only_under(page, place) and rank_of(place.head, name):
            found.append(Named(place, rank_of(place.head, name) - 1))
    # A bare number is an amount only where the page prints no decimals at all.
    exact = [each for each in found if each.place.token.kind is Kind.MONEY]
    found = exact or [each for each in found if not _has_decimals(page)]
    # Several amounts in one row, or under one head, are a table's; a label of its own beats them.
    alone = [each for each in found if _is_alone(page, each.place)]
    return alone or found


def best(found: Iterable[Named]) -> list[Place]:
    """Those of the highest rank, one of each value; several of them are several answers."""
    ranked = list(found)
    highest = max((each.rank for each in ranked), default=0)
    places = [each.place for each in ranked if each.rank == highest]
    return list({_digits(place.token.text): place for place in places}.values())


def rank_of(label: str, name: Name) -> int:
    """The rank of the phrase that a whole label consists of; 0 if it names something else."""
    text = " ".join(filter(None, (stem_free(word) for word in re.split(r"[\s/()&.:,*-]+", label))))
    bare = _TO_A_DATE.sub("", re.sub(_INCLUDED, " ", text).strip())
    # "Incl. VAT" alone names the tax itself.
    return _rank(bare or re.sub(r"\b(?:incl\w*|inc|inkl|einschl)\b", " ", text), name)


def _rank(text: str, name: Name) -> int:
    highest = 0
    for phrase, rank in sorted(name.phrases, key=lambda pair: -len(pair[0])):
        pattern = rf"(?<!\S){re.escape(phrase)}(?!\S)"
        if re.search(pattern, text):
            rest = re.sub(pattern, " ", text).split()
            others = [other for other, _ in name.phrases]
            left = [word for word in rest if word not in name.beside and word not in others]
            if not left:
                highest = max(highest, rank)
    return highest


def _is_alone(page: Page, place: Place) -> bool:
    """True if a label has one amount only, so that it cannot be the head of a list."""
    money = page.places_of(Kind.MONEY)
    in_row = [each for each in money if each.row == place.row]
    if place.left or place.above:
        return len(in_row) <= 1
    return sum(each.head == place.head and not each.left for each in money) <= 1


def _is_only_under(page: Page, place: Place) -> bool:
    """True for the only amount under the head of a column, however often it stands there."""
    under = {_digits(e.token.text) for e in page.places_of(Kind.MONEY) if e.head == place.head}
    return bool(place.head) and len(under) == 1


def _has_decimals(page: Page) -> bool:
    return any(re.search(r"[.,]\d\d$", place.token.text) for place in page.places_of(Kind.MONEY))


def _digits(text: str) -> str:
    return re.sub(r"[^\d-]", "", text)


def names(phrases: Sequence[tuple[int, str]], beside: str, *, by_head: bool = False) -> Name:
    """A `Name` from lists of words: phrases parted by a semicolon, words by a space."""
    ranked = tuple(
        (" ".join(stem_free(word) for word in phrase.split()), rank)
        for rank, text in phrases
        for phrase in text.split(";")
        if phrase.strip()
    )
    return Name(ranked, frozenset(stem_free(word) for word in beside.split()), by_head)
