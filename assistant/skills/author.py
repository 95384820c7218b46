"""Who wrote a book; of a letter, who signed it."""

from assistant.answers import Answer, Detail
from assistant.skills import letterhead
from assistant.skills.quoting import READ_COVER, as_read, different, in_sentence, not_found, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording
from assistant.text.addresses import find_author
from assistant.text.letters import is_letter


class Author:
    """Names behind "by" or "author"; nothing else tells a name from a title."""

    name = "author"
    wordings = (
        Wording(
            typed=(
                r"\bauthors?\b|\bwriter\b|\bwho (?:wrote|has written|is writing|writes)\b"
                r"|\bwho is \w+ book by\b"
            )
        ),
    )
    traits = Traits(rank=46, text=True, model=ModelUse.WHERE_UNKNOWN)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The names as they stand."""
        read = rows(asked, scene)
        if not read:
            return None
        found = different(find_author(read))
        if not found and is_letter(scene.page(asked.cancelled)):
            return letterhead.SKILL.find(asked, scene)
        return (
            as_read(self.name, found)
            if found
            else not_found(self.name, "name marked as the author's")
        )

    def say(self, answer: Answer, detail: Detail) -> str:
        """One name, or all of them."""
        return in_sentence(answer, detail, "It says by {}.", "It names: {}.", missing=READ_COVER)


SKILL = Author()
