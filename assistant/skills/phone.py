"""Telephone numbers."""

from assistant.answers import Answer, Detail
from assistant.seeing.scene import Scene
from assistant.skills.quoting import READ_TEXT, as_read, different, in_sentence, not_found, rows
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.extraction import find_phones


class Phone:
    """Labelled numbers, else those that look like nothing else; no fax."""

    name = "phone"
    wordings = (
        Wording(
            heard="<is> the (phone | telephone) number",
            typed=r"\b(?:tele)?phone number|\bnumber (?:to|do i) call|\btelephone\b",
        ),
    )
    traits = Traits(rank=28, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The numbers as they stand."""
        read = rows(asked, scene)
        if not read:
            return None
        found = different(find_phones(read))
        return as_read(self.name, found) if found else not_found(self.name, "phone number")

    def say(self, answer: Answer, detail: Detail) -> str:
        """One number, or all of them."""
        return in_sentence(
            answer, detail, "The phone number is {}.", "Phone numbers: {}.", missing=READ_TEXT
        )


SKILL = Phone()
