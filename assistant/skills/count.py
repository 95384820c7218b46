"""How many things there are."""

from assistant.answers import Answer, Detail
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import ARTICLE, Wording


class Count:
    """A model counts."""

    name = "count"
    wordings = (
        Wording(
            heard="how many {<things>} "
            "(are there | are here | do you see | can you see | are in the picture)",
            typed=(
                rf"\bhow many (?P<subject>\w+)|\bfind {ARTICLE}(?P<counted>\w+) and count"
                rf"|\bcount {ARTICLE}(?P<word>\w+)|\bnumber of (?P<other>\w+)"
            ),
        ),
    )
    traits = Traits(rank=74, counts=True, model=ModelUse.ALWAYS)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Nothing: neither pixels nor text tell it."""
        return None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The values as they are."""
        return "; ".join(answer.values)


SKILL = Count()
