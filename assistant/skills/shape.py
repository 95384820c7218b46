"""Which shape a thing has."""

from assistant.answers import Answer, Detail
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording


class Shape:
    """A model tells it; a small one is asked about each shape by its name."""

    name = "shape"
    wordings = (Wording(heard="what {shape} is (this | it)", typed=r"\b(?:what|which) (shape)\b"),)
    traits = Traits(rank=79, model=ModelUse.ALWAYS)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Nothing: neither pixels nor text tell it."""
        return None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The values as they are."""
        return "; ".join(answer.values)


SKILL = Shape()
