"""Questions that lean on the one before: "and the date?", "how many of them are red"."""

import re
from dataclasses import dataclass

from assistant.skills.intents import Intent, Request, understand

_LEAD = r"^(?:and|also|then|what about|how about|and what about|and how about)\b ?"
_THEM = r"^(?:and )?(?:how many|which) (?:of (?:them|these|those) )?are (?P<colour>\w+)$"
_MORE = r"^(?:what else|anything else)(?: (?:does it say|is there|do you see|is written))?$"

_ARTICLES = ("the ", "its ", "a ", "an ", "my ")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A question that stands alone, and whether it is about the frame of the one before."""

    request: Request
    same_frame: bool


def resolve(question: str, before: str) -> Resolved:
    """Complete a question with what the one before asked; `before` may be empty."""
    request = understand(question)
    if not before:
        return Resolved(request, False)
    earlier = understand(before)
    words = request.words
    match = re.match(_THEM, words)
    if match and earlier.intent is Intent.COUNT and earlier.subject:
        return Resolved(understand(f"how many {match['colour']} {earlier.subject} are there"), True)
    if re.match(_MORE, words):
        return Resolved(understand("read this"), True)
    rest = re.sub(_LEAD, "", words)
    if rest == words or not rest:
        return Resolved(request, False)
    if request.intent is not Intent.OTHER and re.match(
        r"(?:what|how|where|which|who|is|are)", rest
    ):
        return Resolved(understand(rest), True)
    thing = rest
    for article in _ARTICLES:
        thing = thing.removeprefix(article)
    named = understand(f"what is the {thing}")
    if named.intent not in (Intent.OTHER, Intent.DESCRIBE):
        return Resolved(named, True)
    if earlier.subject:
        replaced = re.sub(rf"\b{re.escape(earlier.subject)}\b", thing, earlier.words)
        return Resolved(understand(replaced), True)
    return Resolved(understand(rest), True)
