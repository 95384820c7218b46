"""What a text is about, in few words: a text model tells it."""

from assistant.answers import Answer, Detail, Note, NoteKind
from assistant.skills.quoting import rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording

NO_SUMMARY = (
    "I can't tell: there is no model for summaries on this machine. Ask me to read the text, or "
    "set text_model.folder."
)


class Summary:
    """Left to a text model."""

    name = "summary"
    wordings = (
        Wording(
            heard="(summarize | sum up) (this | it | the text | the letter)",
            typed=(
                r"\bsummar|\bsum (?:it|this|that) up\b|\bsum up\b|\bwhat (?:is|are) "
                r"(?:it|this|that|the (?:text|letter|page)) (?:all )?about\b|\bgist\b"
                r"|\bmain points?\b"
            ),
        ),
    )
    traits = Traits(rank=52, text=True, model=ModelUse.OF_TEXT)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Nothing without a model, where there is text."""
        if not rows(asked, scene):
            return None
        return Answer(self.name, notes=(Note(NoteKind.NO_TEXT_MODEL),))

    def say(self, answer: Answer, detail: Detail) -> str:
        """That there is no model for it."""
        return NO_SUMMARY if answer.note(NoteKind.NO_TEXT_MODEL) else ""


SKILL = Summary()
