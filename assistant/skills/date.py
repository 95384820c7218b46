"""The date of a letter, a receipt, a ticket."""

import dataclasses

from assistant.answers import Answer, Detail
from assistant.seeing.scene import Scene
from assistant.skills.quoting import (
    MOST_NAMED,
    READ_TEXT,
    as_read,
    different,
    in_sentence,
    listed,
    not_found,
    rows,
)
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.extraction import find_dates


class Date:
    """Every full date as it stands, labelled ones first."""

    name = "date"
    wordings = (
        Wording(
            heard="<is> the date [on this | of this | here]",
            typed=r"\bdate\b|\bwhat day\b",
        ),
    )
    traits = Traits(rank=42, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The dates."""
        read = rows(asked, scene)
        if not read:
            return None
        dates = different(find_dates(read))
        return (
            as_read(self.name, dates, most=1 + MOST_NAMED)
            if dates
            else not_found(self.name, "date")
        )

    def say(self, answer: Answer, detail: Detail) -> str:
        """The likeliest date, then the others."""
        if len(answer.found) < 2 or detail is Detail.SHORT:
            return in_sentence(answer, detail, "The date is {}.", missing=READ_TEXT)
        first, *others = answer.found
        also = listed(dataclasses.replace(answer, found=tuple(others)))
        return f"The date is {first.value}. I also read {also}."


SKILL = Date()
