"""Whether there is any text."""

from assistant.answers import Answer, Detail
from assistant.skills.quoting import as_read, in_sentence, row_values, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording

_SOME = r"\b(?:any|some) (?:printed |written )?"
_WRITING = r"(?:text|writing|words|letters|(?:any|some)thing written)"


class AnyText:
    """Yes, and what it says first."""

    name = "any_text"
    wordings = (
        Wording(
            heard="is there any text [here | in the picture]",
            typed=(
                rf"(?:\b(?:is|are) there (?:{_SOME})?{_WRITING}|(?<!\bread )(?:{_SOME}){_WRITING}"
                r"|\b(?:have|has|contain|is|see|find) (?:text|writing|(?:any|some)thing written))\b"
                # Text of some content is another question.
                r"(?! (?:that |which )?(?:say|saying|says|about|with)\b)"
                r"|\bis there anything (?:written |printed )?on (?:the|this|my) \w+(?: screen)?$"
                r"|\b(?:does|do) (?:it|this|that|the \w+) (?:say|show) anything(?: now| on it"
                r"| here)?$"
            ),
        ),
    )
    traits = Traits(rank=64, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The rows."""
        read = rows(asked, scene)
        return as_read(self.name, row_values(read), labelled=False) if read else None

    def say(self, answer: Answer, detail: Detail) -> str:
        """Yes, and the first rows."""
        return in_sentence(answer, detail, "Yes. It says: {}")


SKILL = AnyText()
