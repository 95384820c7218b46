"""The tax that a bill names."""

from assistant.skills import vocabulary
from assistant.skills.amounts import BESIDE, AmountSkill
from assistant.skills.skill import Traits
from assistant.skills.wording import Wording
from assistant.text.tokens import Kind

SKILL = AmountSkill(
    name="tax",
    called="tax",
    english=(
        (4, "gst;vat;tax;sales tax;sst;service tax;total gst;total tax;total vat;hst;pst"),
        (4, "gst payable;tax payable;tax amount;gst amount;vat amount"),
    ),
    beside=f"{BESIDE} charged included at rate",
    wordings=(
        Wording(
            heard="how much (is the tax | tax is on it)",
            typed=(r"\btax(?:es)?\b|\bvat\b|\bgst\b"),
        ),
        Wording(typed=vocabulary.typed("tax")),
    ),
    by_head=True,
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=31, text=True, careful=True),
)
