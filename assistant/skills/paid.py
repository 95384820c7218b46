"""What was handed over, in cash or by card."""

import re

from assistant.answers import Answer, Detail
from assistant.skills.amounts import BESIDE, MOST_AMOUNTS, AmountSkill
from assistant.skills.quoting import found_places, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.page import Page, Place
from assistant.text.tokens import Kind

_PAID = AmountSkill(
    name="paid",
    called="amount paid",
    english=(
        (4, "cash;card;visa;mastercard;amex;debit;debit card;credit card;cash received"),
        (
            4,
            "cash tendered;tendered;paid;amount paid;payment;received;contactless",
        ),
        (4, "ec karte;girocard;master;master card"),
    ),
    beside=f"{BESIDE} received tendered by card",
    wordings=(
        Wording(
            heard="how did i pay",
            typed=(
                r"\bhow (?:did|have) (?:i|we|they|he|she) (?:pay|paid)\b"
                r"|\bwh(?:at|ich)(?: \w+)? (?:did|have) (?:i|we|they|he|she) (?:pay|paid)"
                r"(?: for)?(?: it| this| that)? with$"
                r"|\bhow (?:was|is) (?:it|this|that|the (?:bill|order)) (?:being )?paid\b"
                r"|^(?!.*\b(?:can|could|may|must|should|only)\b).*\b(?:pay|paid) "
                r"(?:for (?:it|this|that) )?(?:in |by |with )?(?:cash|card|my card|credit|debit"
                r"|cheque|check)\b"
                r"|^(?:what|how much) .*\bcash\b(?! ?(?:machine|point|back|desk|isa|only))"
                r"(?<!get cash)|^cash$|\bcash (?:given|paid|received|tendered|handed)\b"
                r"|\bhow much did i (?:give|hand)\b|\btendered\b"
            ),
        ),
    ),
    by_label=True,
    goes_on=True,
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=31, text=True, careful=True),
)


def sums(page: Page) -> list[Place]:
    """What is called a payment, in reading order."""
    return _PAID.named(page)


_CASH = r"\bcash\b|\bbar\b|efectivo|esp[eè]ces|contant|dinheiro|numer[aá]rio"


class Paid:
    """By cash or by card, as the label says; who asks for one is not told the other."""

    name, wordings, traits = _PAID.name, _PAID.wordings, _PAID.traits

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The amounts, with their labels."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        places = _PAID.places(page)
        if re.fullmatch(r"(?!.*\bcard\b).*\bcash\b.*", asked.words):
            places = [each for each in places if re.search(_CASH, each.label, re.IGNORECASE)]
        if not 0 < len(places) <= MOST_AMOUNTS:
            return not_found(self.name, _PAID.called)
        return found_places(self.name, places)

    def say(self, answer: Answer, detail: Detail) -> str:
        """Each amount behind its label."""
        return _PAID.say(answer, detail)


SKILL = Paid()
