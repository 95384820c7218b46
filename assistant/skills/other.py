"""Any other question: a model is asked as the user asked."""

from assistant.answers import Answer, Detail
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording


class Other:
    """What no other wording fits."""

    name = "other"
    wordings: tuple[Wording, ...] = ()
    traits = Traits(rank=99, model=ModelUse.ALWAYS)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Nothing: neither pixels nor text tell it."""
        return None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The values as they are."""
        return "; ".join(answer.values)


SKILL = Other()
