"""Where a thing is, and whether there is one."""

from assistant.answers import Answer, Detail
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import ARTICLE, Wording


class FindThing:
    """A model looks for it."""

    name = "find_thing"
    wordings = (
        Wording(
            heard="where (is | are) (my | the) {<thing> | <things>}",
            typed=(
                rf"\bwhere (?:is|are) {ARTICLE}(?P<subject>\w+)|\b(?:find|look for) "
                rf"{ARTICLE}(?P<word>\w+)|\b(?:is|are) there {ARTICLE}(?P<other>\w+)"
            ),
        ),
        Wording(heard="(find | look for) (my | the) {<thing> | <things>}"),
        Wording(heard="is there (a | an) {<thing> | <shape>} [here | in the picture]"),
        Wording(heard="are there any {<things> | <shapes>} [here | in the picture]"),
    )
    traits = Traits(rank=78, model=ModelUse.ALWAYS)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Nothing: neither pixels nor text tell it."""
        return None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The values as they are."""
        return "; ".join(answer.values)


SKILL = FindThing()
