"""Which of two things is larger, or further to one side."""

from assistant.answers import Answer, Detail
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording

_COMPARED = (
    r"\b(?:larger|bigger|largest|biggest|smaller|smallest|further left|further right"
    r"|furthest|more to the (?:left|right)|first object (?:from|on) the (?:left|right))\b"
)
_TWO = r"\bthe (\w+) or the \w+\b"


class Compare:
    """A model compares."""

    name = "compare"
    wordings = (
        Wording(typed=rf"{_TWO}.*{_COMPARED}"),
        Wording(typed=rf"{_COMPARED}.*{_TWO}"),
        Wording(typed=_COMPARED),
    )
    traits = Traits(rank=60, model=ModelUse.ALWAYS)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Nothing: neither pixels nor text tell it."""
        return None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The values as they are."""
        return "; ".join(answer.values)


SKILL = Compare()
