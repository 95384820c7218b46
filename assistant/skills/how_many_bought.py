"""How many things were bought: as the receipt says it, or else by its entries."""

import re

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.skills import quote
from assistant.skills.goods import end_of_goods
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import ended, listed
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.goods import add_up, goods
from assistant.text.page import Page
from assistant.text.tokens import Kind

_THINGS = r"(?:things?|items?|articles?|products?|pieces?|goods)"
_PAPER = r"(?:receipt|bill|order|basket|invoice|it|this|here)"

_DID_I_BUY = (
    r" (?:did|have|had) (?:i|we|they)"
    r"(?: (?:buy|bought|get|got|have|purchase|purchased|pay for))?"
)
_ARE_THERE = (
    rf"(?: (?:are|were|is|was))?(?: there| bought)?(?: (?:on|in) (?:the |my |this )?{_PAPER})?"
)

_ITEMS = (
    r"(?:items?|qty|quantity|pcs|pieces|artikel|articles?|art[ií]culos?|articoli|artikelen|artigos)"
)
_COUNT = re.compile(
    r"\b(?:(?:no|nr|number|total|tot|anzahl|nombre|n)\b[.º°]?(?: (?:of|de|d'))? ?)?"
    rf"{_ITEMS} ?(?:\(s\))?(?: (?:sold|purchased|total))? ?[:=]? ?\d{{1,3}}(?![\d.,x])"
    rf"|(?<![\d.,])\d{{1,3}} {_ITEMS}\b(?:\(s\))?",
    re.IGNORECASE,
)
"""How many there are, as a receipt says it."""


class HowManyBought:
    """The number that the receipt prints; of its entries, where they add up, how many there are."""

    name = "how_many_bought"
    wordings = (
        Wording(
            typed=(
                rf"^(?:and |so )?how many (?:different )?{_THINGS}(?:{_DID_I_BUY}|{_ARE_THERE})?"
                r"(?: in (?:all|total)| altogether)?$"
            ),
        ),
    )
    traits = Traits(gives=frozenset({Kind.NUMBER}), rank=23, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The row of the count; else the number of entries; else the best places."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        end = end_of_goods(page)
        bought = goods(page, end) if end < len(page.rows) else []
        if not bought:
            return quote.SKILL.find(asked, scene)
        printed = _printed(page, bought[-1].rows[-1] + 1)
        if printed is not None:
            return Answer(self.name, (printed,), ground_read((printed,)))
        if not add_up(page, bought, end):
            return quote.SKILL.find(asked, scene)
        lines = tuple(line for each in bought for line in each.lines)
        one = Found(f"{len(bought)} {_named(len(bought))}", None, lines)
        return Answer(self.name, (one,), Basis.GUESS, (Note(NoteKind.COUNTED),))

    def say(self, answer: Answer, detail: Detail) -> str:
        """The number with what stands beside it, or what was counted."""
        if not answer.found:
            return ""
        if detail is Detail.SHORT:
            return ended(listed(answer))
        how = "count" if answer.note(NoteKind.COUNTED) else "read:"
        return ended(f"I {how} {listed(answer)}")


def _named(count: int) -> str:
    return "different thing" if count == 1 else "different things"


def _printed(page: Page, first: int) -> Found | None:
    """The row below the goods that says how many they are."""
    for row in range(first, len(page.rows)):
        said = _COUNT.search(page.rows[row].text)
        if said is not None:
            return Found(page.rows[row].text, None, page.rows[row].pieces)
    return None


SKILL = HowManyBought()
