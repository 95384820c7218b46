"""Web addresses."""

from assistant.answers import Answer, Detail
from assistant.skills.quoting import READ_TEXT, as_read, different, in_sentence, not_found, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.addresses import find_web
from assistant.text.tokens import Kind


class Web:
    """Addresses with or without their http."""

    name = "web"
    wordings = (Wording(typed=r"\bweb ?(?:site|page|address)|\binternet address\b|\burl\b"),)
    traits = Traits(rank=32, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The addresses as they stand."""
        read = rows(asked, scene)
        if not read:
            return None
        found = different(find_web(read))
        return (
            as_read(self.name, found, kind=Kind.WEB)
            if found
            else not_found(self.name, "web address")
        )

    def say(self, answer: Answer, detail: Detail) -> str:
        """One address, or all of them."""
        return in_sentence(
            answer, detail, "The web address is {}.", "I read: {}.", missing=READ_TEXT
        )


SKILL = Web()
