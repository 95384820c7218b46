"""What was handed over, in cash or by card."""

from assistant.skills import vocabulary
from assistant.skills.amounts import BESIDE, AmountSkill
from assistant.skills.skill import Traits
from assistant.skills.wording import Wording
from assistant.text.tokens import Kind

SKILL = AmountSkill(
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
                r"\bhow did i pay\b|\b(?:pay|paid) (?:in|by|with) (?:cash|card)\b|\bcash\b"
                r"|\bhow much did i (?:give|hand)\b|\btendered\b"
            ),
        ),
        Wording(typed=vocabulary.typed("paid")),
    ),
    by_label=True,
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=31, text=True, careful=True),
)
