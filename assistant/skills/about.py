"""What a text says about something: where the word stands; else a text model may know."""

from assistant.answers import Answer, Detail
from assistant.skills.find_word import passages, say_passages
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording


class About:
    """The passages that hold the word."""

    name = "about"
    wordings = (
        Wording(
            typed=(
                r"\bwhat does (?:it|this|that|the \w+) (?:say|tell|write|mention) about "
                r"(?P<subject>.+)$"
            )
        ),
    )
    traits = Traits(rank=54, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Where the word stands."""
        page = scene.page(asked.cancelled)
        return passages(self.name, asked.subject, page) if page.rows else None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The passages."""
        return say_passages(answer, detail)


SKILL = About()
