"""What something costs."""

import re

from assistant.answers import Answer, Detail, NoteKind
from assistant.skills import total, vocabulary
from assistant.skills.amounts import BESIDE, label_of
from assistant.skills.quoting import found_places, in_sentence, labelled, listed, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.subject import own_words
from assistant.skills.wording import Wording
from assistant.text.amounts import best, named_amounts
from assistant.text.meaning import best_match, is_telling
from assistant.text.page import Page, Place
from assistant.text.question import wish
from assistant.text.retrieval import accounts_for
from assistant.text.tokens import Kind, Token

ENGLISH = (
    (6, "price;our price;now;now only;only;sale price;special price;m r p;mrp;retail price;rrp"),
    (5, "price each;each;unit price"),
)
MOST_AMOUNTS = 3


class Price:
    """The amount behind a price label; of a receipt the total; else the only amount there is."""

    name = "price"
    wordings = (
        Wording(
            heard="<is> the (price | cost) [of this | of the bill | on the receipt]",
            typed=r"\bprice\b|\bcosts?\b|\bhow much (?:is|are|was|for)\b|\bhow much$",
        ),
        Wording(heard="how much (does (this | it) cost | is (this | it))"),
        Wording(typed=vocabulary.typed("price")),
    )
    traits = Traits(gives=frozenset({Kind.MONEY}), rank=38, text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The price; of a receipt the total, and then called so."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        named = best(named_amounts(page, label_of(self.name, ENGLISH, BESIDE)))
        called = self._called(asked, page)
        if called:
            return found_places(self.name, called[:MOST_AMOUNTS])
        if named:
            return found_places(self.name, named[:MOST_AMOUNTS])
        if total.total_places(page):
            return total.SKILL.find(asked, scene)
        alone = total.only_amount(self.name, page)
        if alone is not None:
            return alone
        # Without label and currency, 9.04 may be a time of the day.
        money = [place for place in page.places_of(Kind.MONEY) if not place.token.needs_label]
        if all(_may_be_a_clock(place.token) for place in money):
            money = []
        if 0 < len(money) <= MOST_AMOUNTS:
            return found_places(self.name, money)
        return not_found(self.name, "price")

    def _called(self, asked: Asked, page: Page) -> list[Place]:
        """The amounts whose label holds every telling word of the question; none without any."""
        own = own_words(self.name)
        named = [
            word
            for word in wish(asked.question).asked
            if is_telling(word) and best_match(word, own) == 0
        ]
        return [
            place
            for place in page.places_of(Kind.MONEY)
            if named and not place.token.needs_label and accounts_for(named, place.left)
        ]

    def say(self, answer: Answer, detail: Detail) -> str:
        """The price, or several amounts with their labels."""
        if answer.note(NoteKind.QUOTED):
            return f"I read: {listed(answer)}"
        if len(answer.found) > 1 and detail is not Detail.SHORT:
            return f"I read several amounts: {labelled(answer)}."
        return in_sentence(
            answer,
            detail,
            "The price is {}.",
            missing="Ask me to read the text, or show the price tag.",
        )


def _may_be_a_clock(token: Token) -> bool:
    return not token.currency and re.fullmatch(_CLOCK, token.text) is not None


_CLOCK = r"(?:[01]?\d|2[0-4])[.:,][0-5]\d"

SKILL = Price()
