"""Questions that lean on the one before: "and the date?", "how many of them are red"."""

import re
from dataclasses import dataclass

from assistant.skills.router import OTHER, understand
from assistant.skills.skill import Asked

_LEAD = r"^(?:and|also|then|what about|how about|and what about|and how about)\b ?"
_THEM = r"^(?:and )?(?:how many|which) (?:of (?:them|these|those) )?are (?P<colour>\w+)$"
_MORE = r"^(?:what else|anything else)(?: (?:does it say|is there|do you see|is written))?$"

_ANYWAY = r"(?:please )?(?:try |do |tell me |answer |say )?(?:it |that )?any ?way(?: please)?"

_ARTICLES = ("the ", "its ", "a ", "an ", "my ")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A question that stands alone, and whether it is about the frame of the one before."""

    asked: Asked
    same_frame: bool


def resolve(question: str, before: str) -> Resolved:
    """Complete a question with what the one before asked; `before` may be empty."""
    asked = understand(question)
    if not before:
        return Resolved(asked, False)
    earlier = understand(before)
    words = asked.words
    match = re.match(_THEM, words)
    if match and earlier.skill == "count" and earlier.subject:
        return Resolved(understand(f"how many {match['colour']} {earlier.subject} are there"), True)
    if re.match(_MORE, words):
        return Resolved(understand("read this"), True)
    if re.fullmatch(_ANYWAY, words):
        return Resolved(understand(f"{before.rstrip(' ?.!')} anyway"), True)
    rest = re.sub(_LEAD, "", words)
    if rest == words or not rest:
        return Resolved(asked, False)
    if asked.skill != OTHER and re.match(r"(?:what|how|where|which|who|is|are)", rest):
        return Resolved(understand(rest), True)
    thing = rest
    for article in _ARTICLES:
        thing = thing.removeprefix(article)
    named = understand(f"what is the {thing}")
    if named.skill not in (OTHER, "describe"):
        return Resolved(named, True)
    if earlier.subject:
        replaced = re.sub(rf"\b{re.escape(earlier.subject)}\b", thing, earlier.words)
        return Resolved(understand(replaced), True)
    return Resolved(understand(rest), True)
