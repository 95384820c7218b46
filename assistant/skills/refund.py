"""The money that is paid back: a refund is no total, though a receipt may print it as one."""

from assistant.skills.amounts import BESIDE, AmountSkill
from assistant.skills.skill import Traits
from assistant.skills.wording import Wording
from assistant.text.tokens import Kind

SKILL = AmountSkill(
    name="refund",
    called="refund",
    english=(
        (5, "total refund;refund total;refund;refunds;amount refunded;refunded;total refunded"),
        (5, "refund due;refund amount;refund to card;cash refund;card refund;money back"),
    ),
    beside=f"{BESIDE} card cash back due you",
    wordings=(
        Wording(
            typed=(
                r"^(?!.*\b(?:when|how (?:do|can|long)|change|can i|may i|policy|who|where)\b).*"
                r"\brefund(?:ed|s)?\b"
                r"|^(?!.*\bchange\b).*\b(?:how much|what)\b.*"
                r"\b(?:money|paid|given|give me|gave me) back\b"
            ),
        ),
    ),
    goes_on=True,
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=30, text=True, careful=True),
)
