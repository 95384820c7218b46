"""What kind of book it is: no rule about text tells it, a model may."""

from assistant.answers import Answer, Detail
from assistant.skills.quoting import READ_COVER, in_sentence, not_found, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording


class Category:
    """Left to a model."""

    name = "category"
    wordings = (Wording(typed=r"\bcategory\b|\bgenre\b|\b(?:kind|sort|type) of book\b"),)
    traits = Traits(rank=44, text=True, model=ModelUse.WHERE_UNKNOWN)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Nothing, where there is text."""
        return not_found(self.name, "category") if rows(asked, scene) else None

    def say(self, answer: Answer, detail: Detail) -> str:
        """That there is none."""
        return in_sentence(answer, detail, "It is {}.", missing=READ_COVER)


SKILL = Category()
