"""The sum before tax and what else is added."""

from assistant.skills import vocabulary
from assistant.skills.amounts import BESIDE, AmountSkill
from assistant.skills.skill import Traits
from assistant.skills.wording import Wording
from assistant.text.tokens import Kind

SKILL = AmountSkill(
    name="subtotal",
    called="subtotal",
    english=((4, "subtotal;sub total;net amount;total before tax;total excl"),),
    beside=f"{BESIDE} excluding excl gst tax vat before",
    wordings=(
        Wording(
            heard="<is> the sub total",
            typed=(r"\bsub ?-?total\b"),
        ),
        Wording(typed=vocabulary.typed("subtotal")),
    ),
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=30, text=True, careful=True),
)
