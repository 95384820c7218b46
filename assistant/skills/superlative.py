"""The cheapest or the dearest of what has a price in a list, a menu or a receipt."""

import dataclasses
import re
from decimal import Decimal

from assistant.answers import Answer, Basis, Detail, Found
from assistant.skills import quote, vocabulary
from assistant.skills.goods import end_of_goods
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import ended, listed, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.lists import entries
from assistant.text.meaning import best_match, is_telling
from assistant.text.page import Page, Passage
from assistant.text.plain_letters import unaccented
from assistant.text.question import is_everyday
from assistant.text.tokens import Kind
from assistant.text.worth import worth

_LEAST = r"cheapest|least expensive|lowest price|costs? (?:the )?least"
_MOST = r"most expensive|dearest|priciest|costliest|highest price|costs? (?:the )?most"
_LEAST_ELSEWHERE, _MOST_ELSEWHERE = (
    vocabulary.pattern("superlative", key) for key in ("least", "most")
)
_NOUN = re.compile(
    rf"\b(?:which|what) (?P<before>(?!is|was|one)\w+) (?:is|was|are|were|costs?)\b"
    rf"|\b(?:{_LEAST}|{_MOST}) (?P<behind>\w+)"
)

MOST_TOLD = 2
"""As cheap as each other; of more it is told that there are more."""


class Superlative:
    """The entry with the lowest or the highest amount, as it stands."""

    name = "superlative"
    wordings = (
        Wording(
            heard="what is the (cheapest | most expensive) [thing | dish | item]",
            typed=rf"\b(?:{_LEAST}|{_MOST})\b",
        ),
    )
    traits = Traits(gives=frozenset({Kind.MONEY}), rank=24, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The entry, or those that are as cheap or as dear; a guess where a row holds several."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        priced = _priced(page, asked.words)
        if not priced:
            return _quoted(asked, scene) or not_found(self.name, "price")
        said = unaccented(asked.words)
        is_least = re.search(rf"\b(?:{_LEAST}|{_LEAST_ELSEWHERE})\b", said) is not None
        is_most = re.search(rf"\b(?:{_MOST}|{_MOST_ELSEWHERE})\b", said) is not None
        if is_least == is_most:
            return _quoted(asked, scene)
        pick = min if is_least else max
        best = pick(pick(amounts) for _, amounts in priced)
        chosen = [entry for entry, amounts in priced if pick(amounts) == best]
        found = tuple(Found(" ".join(e.text.split()), None, e.lines) for e in chosen[:MOST_TOLD])
        if len(chosen) > MOST_TOLD:
            return not_found(self.name, "single one")
        several = any(len(set(amounts)) > 1 for _, amounts in priced)
        sure = not several and len(priced) > 1 and _is_in_view(_noun(asked.words), page)
        return Answer(self.name, found, ground_read(found) if sure else Basis.GUESS)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The entry with its price."""
        if not answer.found:
            missing = "I can't tell: I do not find prices that I could compare."
            return "" if answer.notes else missing
        return (
            ended(listed(answer)) if detail is Detail.SHORT else ended(f"I read: {listed(answer)}")
        )


def _quoted(asked: Asked, scene: Scene) -> Answer | None:
    """What the text says of it; where nothing could be compared, that is a guess."""
    answer = quote.SKILL.find(asked, scene)
    if answer is None or answer.basis is not Basis.READ:
        return answer
    return dataclasses.replace(answer, basis=Basis.GUESS)


def _priced(page: Page, question: str) -> list[tuple[Passage, list[Decimal]]]:
    """The entries with a name and a price, and the amounts of each; what is free does not count."""
    found = []
    for entry in entries(page, _noun(question), "", end_of_goods(page)):
        amounts = [
            value
            for row in entry.rows
            for place in page.places_in(row)
            if place.token.kind is Kind.MONEY and (value := worth(place.token.text)) is not None
        ]
        charged = [each for each in amounts if each > 0]
        if charged:
            found.append((entry, charged))
    return found


def _noun(question: str) -> str:
    """What is compared: "pizza" in "which pizza is the cheapest"."""
    noun = _NOUN.search(question)
    return (noun["before"] or noun["behind"]) if noun else "item"


def _is_in_view(noun: str, page: Page) -> bool:
    """False for a thing that the paper does not name: it may hold other things."""
    if not is_telling(noun) or is_everyday(noun) or noun in _ANYTHING:
        return True
    return any(best_match(noun, page.words(row)) > 0 for row in range(len(page.rows)))


_ANYTHING = frozenset(
    ("thing", "item", "dish", "product", "one", "article", "option", "of", "on", "in", "here")
)

SKILL = Superlative()
