"""The sum before tax and what else is added."""

from assistant.skills.amounts import BESIDE, AmountSkill
from assistant.skills.skill import Traits
from assistant.skills.wording import Wording
from assistant.text.tokens import Kind

SKILL = AmountSkill(
    name="subtotal",
    called="subtotal",
    english=(
        (4, "subtotal;sub total;net amount;net price;net value;amount before tax;taxable amount"),
        (4, "total before tax;total before vat;total before gst"),
        (
            4,
            "total excl;total ex vat;goods total",
        ),
        (4, "total without tax;total without vat;total excluding vat;total excluding tax"),
        (3, "net"),
    ),
    beside=f"{BESIDE} excluding excl gst tax vat before goods",
    wordings=(
        Wording(
            heard="<is> the sub total",
            typed=(
                r"\bsubtotal\b|\bsub[- ]total\b|\bnet (?:amount|total|price|sum)\b"
                r"|\b(?:without|before|excluding|excl|ex|minus|net of|not counting|not including)"
                r" (?:the |any |all )*(?:sales )?(?:tax(?:es)?|vat|gst)\b"
            ),
        ),
    ),
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=30, text=True, careful=True),
)
