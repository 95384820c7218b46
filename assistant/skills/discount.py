"""What was taken off a price."""

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
            typed=(
                r"\bdiscount(?:ed)?\b(?! code)|\b(?:did|do|have) (?:i|we) (?:save|saved?)\b"
                r"|\bhow much\b.*\bsav(?:e|ed|ing|ings)\b|\bmoney off\b"
                r"|\b(?:taken|knocked|took) off\b"
                r"|\b(?:get|got|have) (?:any|some|something|anything|much) off\b|\breduction\b"
                r"|\brebate\b"
            ),
        ),
    ),
    goes_on=True,
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=31, text=True, careful=True),
)
