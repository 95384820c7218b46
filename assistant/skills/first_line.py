"""The first line of a text."""

from assistant.answers import Answer, Detail
from assistant.seeing.scene import Scene
from assistant.skills.quoting import as_read, listed, row_values, rows
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording


class FirstLine:
    """Quoted, without anything beside it."""

    name = "first_line"
    wordings = (Wording(heard="<is> the first line", typed=r"\bfirst line\b"),)
    traits = Traits(rank=70, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The first row."""
        read = rows(asked, scene)
        return as_read(self.name, row_values(read[:1]), labelled=False) if read else None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The row itself."""
        return listed(answer)


SKILL = FirstLine()
