"""One entry of a list by its place: the second item, the last step, the first article."""

import re

from assistant.answers import Answer, Detail, Found, Note, NoteKind
from assistant.skills import quote
from assistant.skills.goods import end_of_goods
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import listed
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.lists import entries
from assistant.text.meaning import number

_WHICH = (
    r"first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|final"
    r"|\d+(?:st|nd|rd|th)"
)
_NOUN = (
    r"thing|things|items?|dish|dishes|products?|steps?|entry|instruction|direction|ingredients?|"
    r"articles?|story|section|starter|main|drink|dessert|course|pizza|burger|sandwich|soup|salad"
    r"|wine|"
    r"beer|cocktail|cake|sentence|paragraph|point|purchase|"
    r"goods|food"
)
_PLACED = re.compile(
    rf"\b(?P<which>{_WHICH}) (?P<noun>{_NOUN})\b(?P<rest>.*)$"
    rf"|\b(?P<noun2>{_NOUN}) (?:is |comes )?(?:the )?(?P<which2>first|last)\b(?P<rest2>.*)$"
    r"|\bwhat (?:comes?|do i do|should i do|must i do|have i got to do|do i have to do|happens)"
    r" (?:at )?(?P<which4>first|last)\b(?P<rest4>)$"
    rf"|\b(?P<noun3>steps?|item|entry|article|point|paragraph|sentence) (?:number )?"
    rf"(?P<which3>\d+|one|two|three|four|five|six|seven|eight|nine|ten)\b(?P<rest3>.*)$"
)
_UNDER = re.compile(r"\b(?:under|in|on|of|from|below) (?:the |my |this |these )?(?P<place>.+)$")
_ANYWHERE = re.compile(r"\b(?:list|receipt|menu|bill|page|recipe|it|this|we|i)\b")


class Item:
    """The entry as it stands."""

    name = "item"
    wordings = (Wording(typed=_PLACED.pattern),)
    traits = Traits(rank=25, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The entry; how many there are if there are fewer; else the best places."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        parsed = _parsed(asked.words)
        told = [] if parsed is None else entries(page, parsed[1], parsed[2], end_of_goods(page))
        if parsed is None or not told:
            return quote.SKILL.find(asked, scene)
        at = len(told) - 1 if parsed[0] in ("last", "final") else _at(parsed[0])
        if at >= len(told):
            return Answer(self.name, notes=(Note(NoteKind.LINES, str(len(told))),))
        found = (Found(" ".join(told[at].text.split()), None, told[at].lines),)
        return Answer(self.name, found, ground_read(found))

    def say(self, answer: Answer, detail: Detail) -> str:
        """The entry itself."""
        count = answer.note(NoteKind.LINES)
        if count is not None:
            if count.detail == "1":
                return "I can't tell: I find only one of them. Ask for the first one."
            return f"I can't tell: I find {count.detail} of them. Ask for one of those."
        if not answer.found:
            return ""
        return listed(answer) if detail is Detail.SHORT else f"I read: {listed(answer)}"


def _parsed(text: str) -> tuple[str, str, str] | None:
    """(which, noun, place) of a question; None if it asks for no entry."""
    found = _PLACED.search(text)
    if found is None:
        return None
    groups = found.groupdict()
    which = groups["which"] or groups["which2"] or groups["which3"] or groups["which4"] or ""
    noun = (
        groups["noun"] or groups["noun2"] or groups["noun3"] or ("step" if groups["which4"] else "")
    )
    rest = groups["rest"] or groups["rest2"] or groups["rest3"] or ""
    place = _UNDER.search(rest)
    named = place["place"] if place and not _ANYWHERE.search(place["place"]) else ""
    return which, noun.removesuffix("s") if noun != "dishes" else "dish", named


def _at(which: str) -> int:
    return int(number(which) or 1) - 1


SKILL = Item()
