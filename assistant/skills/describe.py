"""What is in view: what is quickly known, then what a model sees."""

from assistant.answers import Answer, Detail
from assistant.skills.barcode import codes_in_view
from assistant.skills.colour import seen_colour
from assistant.skills.quoting import as_read, in_sentence, row_values, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording

MOST_ROWS = 3


def _first_rows(asked: Asked, scene: Scene) -> Answer | None:
    read = rows(asked, scene)
    if not read:
        return None
    return as_read(SKILL.name, row_values(read), most=MOST_ROWS, labelled=False)


def _colour(asked: Asked, scene: Scene) -> Answer | None:
    return seen_colour(scene.rgb, "")


class Describe:
    """Codes, the first rows of text and the colour come before a model's words."""

    name = "describe"
    wordings = (
        Wording(
            heard="describe (<picture> | this | it | the room | the scene)",
            typed=(
                r"\bdescribe\b|\bwhat do you see\b|\bin front of me\b|\bwhat is (?:this|that|it)$"
                r"|\bwhat is (?:in (?:the\b|this (?:picture|photo|image)\b)|on (?:the"
                r"|this) (?:picture|photo|image)\b)"
                r"|\b(?:explain|tell me) what (?:you (?:can )?see|this is|it is|that is)\b"
            ),
        ),
        Wording(heard="(<is> | what do you see) in (<picture> | front of me)"),
        Wording(heard="<is> this"),
        Wording(heard="what do you see"),
    )
    traits = Traits(rank=82, model=ModelUse.ALWAYS, quick=(codes_in_view, _first_rows, _colour))

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The first rows of text."""
        return _first_rows(asked, scene)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The rows."""
        return in_sentence(answer, detail, "I read: {}")


SKILL = Describe()
