"""What was taken off a price."""

from assistant.skills import vocabulary
from assistant.skills.amounts import BESIDE, AmountSkill
from assistant.skills.skill import Traits
from assistant.skills.wording import Wording
from assistant.text.tokens import Kind

SKILL = AmountSkill(
    name="discount",
    called="discount",
    english=(
        (4, "discount;savings;saving;you saved;you save;total saved;total savings"),
        (4, "total discount;coupon;voucher;promotion"),
    ),
    beside=f"{BESIDE} today member members loyalty card less off",
    wordings=(
        Wording(
            heard="how much is the discount",
            typed=(r"\bdiscount\b|\bdid i save\b|\bsavings?\b|\btaken off\b"),
        ),
        Wording(typed=vocabulary.typed("discount")),
    ),
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=31, text=True, careful=True),
)
