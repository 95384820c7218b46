"""Whom something is from: what stands at its top, where names and addresses do."""

from assistant.answers import Answer, Detail
from assistant.skills.quoting import as_read, in_sentence, row_values, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording

MOST_ROWS = 3


class Letterhead:
    """The first rows, quoted and called no more than that."""

    name = "letterhead"
    wordings = (
        Wording(
            heard="<is> the (name | address | company"
            " | name of the (shop | store | company | medicine))",
            typed=r"\b(?:name|address) of (?:the|this) (?:shop|store|company|sender|medicine)\b",
        ),
        Wording(
            heard="who is (this | it | the letter) from",
            typed=r"\bwho (?:is|are) (?:it|this|these|(?:the|this|that) \w+) from\b|\bwho sent\b",
        ),
    )
    traits = Traits(rank=49, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The first rows."""
        read = rows(asked, scene)
        if not read:
            return None
        return as_read(self.name, row_values(read[: MOST_ROWS + 1]), most=MOST_ROWS, labelled=False)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The rows, and where they stand."""
        return in_sentence(answer, detail, "At the top I read: {}.")


SKILL = Letterhead()
