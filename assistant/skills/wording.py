"""How much is said: 0 short, 1 usual, 2 all details; and what is said of medicine and money."""

import dataclasses
import re

from assistant.skills.grounding import Basis
from assistant.skills.intents import Intent
from assistant.skills.text_answers import Answer

MOST_QUOTED = 3

CAREFUL = frozenset({Intent.DOSE, Intent.EXPIRY, Intent.TOTAL, Intent.PRICE})
"""What it costs to be wrong about."""

UNVERIFIED = "I could not find these figures in the text, so have somebody check them."

_LEAD_IN = re.compile(
    r"^(?:The (?:total|price|date|expiry date|phone number|e-mail address|web address|year) is"
    r"|Expiry dates:|Phone numbers:|The largest text is:|I read(?: several (?:amounts|years))?:)"
    r" (?P<value>.+)$",
    re.DOTALL,
)


def careful(answer: Answer, intent: Intent) -> Answer:
    """Say of a guess about medicine or money that nothing confirms it."""
    if intent not in CAREFUL or answer.basis is not Basis.GUESS:
        return answer
    return dataclasses.replace(answer, text=f"{_ended(answer.text)} {UNVERIFIED}")


def worded(answer: Answer, verbosity: int) -> Answer:
    """Shorten or lengthen an answer (0 to 2). Doubts stay at every length."""
    if verbosity == 0 and answer.basis is Basis.READ:
        match = _LEAD_IN.match(answer.text)
        if match:
            value = match["value"]
            return dataclasses.replace(answer, text=value[0].upper() + value[1:])
    if verbosity >= 2:
        return dataclasses.replace(answer, text=_with_details(answer))
    return answer


def _with_details(answer: Answer) -> str:
    details = []
    if answer.basis is Basis.READ and 0 < len(answer.evidence) <= MOST_QUOTED:
        lines = "; ".join(line.text for line in answer.evidence)
        sure = round(100 * min(line.confidence for line in answer.evidence))
        details.append(f"I read it here: {lines}. Letters {sure} percent sure.")
    if answer.model is not None:
        details.append(f"The model is {answer.model}.")
    return " ".join([_ended(answer.text), *details]) if details else answer.text


def _ended(text: str) -> str:
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text}."
