"""The year of a book, a coin, a bottle."""

import dataclasses
from collections.abc import Sequence

from assistant.answers import Answer, Basis, Detail
from assistant.skills.quoting import READ_TEXT, as_read, different, in_sentence, not_found, rows
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, ModelUse, Traits
from assistant.skills.subject import own_words
from assistant.skills.wording import Wording
from assistant.text.addresses import Value, find_years
from assistant.text.meaning import best_match, words
from assistant.text.question import wish


class Year:
    """Years that are no part of a date or an amount."""

    name = "year"
    wordings = (
        Wording(
            typed=(
                r"^(?!.*\bhow (?:much|many|long|often)\b)"
                r".*(?:\b(?:what|which|the) year\b|(?<!\bwho )\bpublished\b)"
            )
        ),
    )
    traits = Traits(rank=40, text=True, model=ModelUse.WHERE_UNKNOWN)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The years as they stand."""
        read = rows(asked, scene)
        if not read:
            return None
        found = different(_named(find_years(read), asked))
        if not found:
            return not_found(self.name, "year")
        told = as_read(self.name, found)
        # Which of several years is asked for, nothing says.
        return told if len(found) == 1 else dataclasses.replace(told, basis=Basis.GUESS)

    def say(self, answer: Answer, detail: Detail) -> str:
        """One year, or all of them."""
        return in_sentence(
            answer, detail, "The year is {}.", "I read several years: {}.", missing=READ_TEXT
        )


def _named(years: Sequence[Value], asked: Asked) -> list[Value]:
    """Of several years those on the rows that hold most of what the question names."""
    own = own_words("year")
    named = [word for word in wish(asked.question).asked if best_match(word, own) == 0]
    held = [sum(best_match(word, words(each.row.text)) > 0 for word in named) for each in years]
    most = max(held, default=0)
    return [each for each, count in zip(years, held, strict=True) if count == most]


SKILL = Year()
