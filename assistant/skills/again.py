"""The last answer once more, slowly: its figures one by one."""

import re

from assistant.answers import Answer, Detail, Found
from assistant.skills.quoting import lacks_a_cause, listed
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.reading import spelled
from assistant.text.tokens import Kind, tokens

_FIGURES = (Kind.PHONE, Kind.CODE, Kind.NUMBER)


class Again:
    """Numbers figure by figure; everything else as it stood."""

    name = "again"
    wordings = (
        Wording(
            typed=(
                r"^(?:please |can you |could you |and )*(?:say|repeat|read|tell me|give me"
                r"|what was)"
                r"(?: me)? (?:it|that|this|the (?:number|code|phone number|reference|name"
                r"|address|total"
                r"|amount|date|time|answer|last bit)) ?(?:again|once more)?,? ?"
                r"(?P<slowly>slowly|slower|digit by digit|number by number|one by one"
                r"|figure by figure)"
                r"(?: please)?$"
                r"|^(?:and )?(?:more )?(?P<only>slowly|digit by digit"
                r"|one digit at a time)(?: please)?$"
                r"|^(?:say|repeat) the (?P<what>number|code|reference) again(?: please)?$"
            ),
        ),
    )
    traits = Traits(rank=4)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """What was found last."""
        last = asked.last
        if last is None or not last.found:
            return Answer(self.name)
        return Answer(self.name, tuple(map(_figures, last.found)), last.basis)

    def say(self, answer: Answer, detail: Detail) -> str:
        """Figures one by one."""
        if lacks_a_cause(answer):
            return "I can't tell: I have not told you anything yet. Ask a question first."
        if not any(_is_figures(each.value) for each in answer.found):
            return listed(answer)
        return "; ".join(_one_by_one(each.value) for each in answer.found)


def has_figures(answer: Answer) -> bool:
    """True for an answer that is said figure by figure, such as a telephone number."""
    return any(_is_figures(_figures(each).value) for each in answer.found)


def _figures(found: Found) -> Found:
    """The number in a longer text; the text itself if it holds none."""
    inside = [each for each in tokens(found.value) if each.kind in _FIGURES]
    if len(inside) == 1 and len(re.findall(r"\d", inside[0].text)) > 3:
        return Found(inside[0].text, found.label, found.lines)
    return found


def _is_figures(text: str) -> bool:
    # Marks of the private area stand around what is quoted.
    return (
        re.fullmatch(r"[\d\s()+/.,\ue000-\uf8ff-]*\d[\d\s()+/.,\ue000-\uf8ff-]*", text) is not None
    )


def _one_by_one(text: str) -> str:
    if not _is_figures(text):
        return text
    return ", ".join(spelled(sign) for sign in text if sign.isdigit() or sign in "+.,/")


SKILL = Again()
