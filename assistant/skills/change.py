"""The money that was given back."""

from assistant.skills.amounts import BESIDE, AmountSkill
from assistant.skills.skill import Traits
from assistant.skills.wording import Wording
from assistant.text.tokens import Kind

SKILL = AmountSkill(
    name="change",
    called="change",
    english=((4, "change;change due;cash back;your change;balance returned;change given"),),
    beside=f"{BESIDE} cash",
    wordings=(
        Wording(
            heard="how much (is the change | change did i get)",
            typed=(
                r"\bchange (?:did|do|was|is|due)\b|\b(?:the|my) change\b|\bchange$"
                r"|\bget back\b|\bgive me back\b|\b(?:get|got|given|have) back (?:from|out of|for) "
                r"(?:the|my|a|that) (?:five|ten|twenty|fifty|hundred|note|bill|\d+)"
            ),
        ),
    ),
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=31, text=True, careful=True),
)
