"""The tax that a bill names."""

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
            # "With tax" asks for the total, "before tax" for the subtotal, a tax code for a code.
            typed=(
                r"^(?!.*\b(?:with|without|before|after|including|incl|excluding|excl|ex|plus|no|net"
                r" of|not counting|not including) (?:the |any |all |of )*(?:sales )?"
                r"(?:tax(?:es)?|vat|gst)\b)"
                r".*\b(?:tax(?:es)?|vat|gst|sales tax|duty|levy)\b"
                r"(?! (?:code|number|no|id|year|invoice|office|free|return|reference|period|class"
                r"|disc|rate|point)\b)"
            ),
        ),
    ),
    by_head=True,
    goes_on=True,
    ends_in=True,
    kin="cgst;sgst;igst;utgst;cess",
    traits=Traits(gives=frozenset({Kind.MONEY}), rank=31, text=True, careful=True),
)
