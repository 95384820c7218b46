"""The year of a book, a coin, a bottle."""

from assistant.answers import Answer, Detail
from assistant.skills.quoting import READ_TEXT, as_read, different, in_sentence, not_found, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.wording import Wording
from assistant.text.addresses import find_years


class Year:
    """Years that are no part of a date or an amount."""

    name = "year"
    wordings = (Wording(typed=r"\b(?:what|which|the) year\b|(?<!\bwho )\bpublished\b"),)
    traits = Traits(rank=40, text=True, model=ModelUse.WHERE_UNKNOWN)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The years as they stand."""
        read = rows(asked, scene)
        if not read:
            return None
        found = different(find_years(read))
        return as_read(self.name, found) if found else not_found(self.name, "year")

    def say(self, answer: Answer, detail: Detail) -> str:
        """One year, or all of them."""
        return in_sentence(
            answer, detail, "The year is {}.", "I read several years: {}.", missing=READ_TEXT
        )


SKILL = Year()
