"""The title of a book or a page."""

from assistant.answers import Answer, Detail
from assistant.skills.quoting import READ_COVER, as_read, in_sentence, not_found, paragraphs
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording
from assistant.text.addresses import largest_text


class Title:
    """The text in the largest letters, and called no more than that."""

    name = "title"
    wordings = (
        Wording(
            typed=(
                r"\btitle\b|\b(?:what|which) book is\b|\bwhat is this book\b|\bbook is called\b"
                r"|\bbook called\b|\bname of (?:the|this) book\b"
            )
        ),
    )
    traits = Traits(rank=48, text=True, model=ModelUse.WHERE_UNKNOWN)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The largest text, if one stands out."""
        read = paragraphs(asked, scene)
        if not read:
            return None
        found = largest_text(read)
        if found is None:
            return not_found(self.name, "text that stands out as a title")
        return as_read(self.name, [found], labelled=False)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The largest text."""
        return in_sentence(answer, detail, "The largest text is: {}", missing=READ_COVER)


SKILL = Title()
