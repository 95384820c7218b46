"""Whether a page is blank."""

from assistant.answers import Answer, Detail, Note, NoteKind
from assistant.seeing.quality import Cause
from assistant.skills.quoting import as_read, in_sentence, row_values, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording

LOOKS_BLANK = "The picture looks blank; I can't tell more. Point the camera at something else."
LOOKS_BLANK_FILE = "The picture looks blank; I can't tell more. Try another picture."
NOT_PLAIN = (
    "I can't tell: I find no text, but the picture is not plain. Ask me to describe the picture."
)


class Blank:
    """No, where there is text; never more than "it looks so" where there is none."""

    name = "blank"
    wordings = (
        Wording(heard="is (this | it | <picture> | (the | this) page) blank", typed=r"\bblank\b"),
    )
    traits = Traits(rank=62, bears=frozenset({Cause.BLANK}))

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The first row; or what the pixels look like."""
        if scene.cause is Cause.BLANK:
            return Answer(self.name, notes=(Note(NoteKind.LOOKS_BLANK),))
        read = rows(asked, scene)
        if not read:
            return Answer(self.name, notes=(Note(NoteKind.NOT_PLAIN),))
        return as_read(self.name, row_values(read[:1]), labelled=False)

    def say(self, answer: Answer, detail: Detail) -> str:
        """What it says, or how it looks."""
        if answer.note(NoteKind.LOOKS_BLANK):
            return LOOKS_BLANK_FILE if answer.note(NoteKind.OF_FILE) else LOOKS_BLANK
        if answer.note(NoteKind.NOT_PLAIN):
            return NOT_PLAIN
        return in_sentence(answer, detail, "It is not blank. It says: {}")


SKILL = Blank()
