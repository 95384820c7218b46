"""One of the values that were told last: "the second one", "the last one", "the other one"."""

import re

from assistant.answers import Answer, Detail
from assistant.skills.quoting import labelled, lacks_a_cause
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.meaning import number

_WHICH = r"first|second|third|fourth|fifth|last|other|\d(?:st|nd|rd|th)"


class Pick:
    """The value of that place in the last answer."""

    name = "pick"
    wordings = (
        Wording(
            typed=(
                rf"^(?:and |what about |how about |what is |only |just "
                rf"|no )*(?:the )?(?P<which>{_WHICH}) "
                r"one(?: please| again)?$"
            ),
        ),
    )
    traits = Traits(rank=6, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The value, or that fewer were told."""
        if not scene.page(asked.cancelled).rows:
            return None
        last = asked.last
        if last is None or not last.found:
            return Answer(self.name)
        which = asked.subject
        at = len(last.found) - 1 if which == "last" else int(number(which) or 2) - 1
        if at >= len(last.found) or which == "other" and len(last.found) != 2:
            return Answer(self.name)
        return Answer(self.name, (last.found[at],), last.basis)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The value with its label."""
        if answer.found:
            chosen = answer.found[0]
            quoted = chosen.label is not None and chosen.label in chosen.value
            told = re.sub(r"\.$", "", chosen.value if quoted else labelled(answer))
            return f"{told}."
        if not lacks_a_cause(answer):
            return ""
        return "I can't tell which one you mean. Ask for it by its name."


SKILL = Pick()
