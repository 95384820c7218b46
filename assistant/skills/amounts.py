"""What the skills that tell one amount share: a name on the paper, and what is said of it."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.answers import Answer, Detail, NoteKind
from assistant.skills import vocabulary
from assistant.skills.quoting import READ_TEXT, found_places, in_sentence, labelled, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.amounts import Name, best, named_amounts, names
from assistant.text.page import Page, Place

MOST_AMOUNTS = 2
"""Amounts of one name that are told, with their labels; more are too many to choose from."""

SUBTOTAL_RANK = 2


@dataclass(frozen=True, slots=True)
class AmountSkill:
    """Tells the amount that a label names.

    called:  what it is called when it is told, such as "total".
    english: (rank, phrases parted by semicolons) of its labels.
    beside:  words that may stand beside them.
    by_head: the head of a column names it, too, as in a summary of taxes.
    by_label: the label itself is asked for, as in "how did I pay".
    """

    name: str
    called: str
    english: tuple[tuple[int, str], ...]
    beside: str
    wordings: Sequence[Wording]
    traits: Traits
    by_label: bool = False
    by_head: bool = False

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The amount; two where the paper names two."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        places = self.places(page)
        if not places or len(places) > MOST_AMOUNTS:
            return not_found(self.name, self.called)
        return found_places(self.name, places)

    def places(self, page: Page) -> list[Place]:
        """The amounts of the best label on a page."""
        return best(
            named_amounts(
                page, label_of(self.name, self.english, self.beside, by_head=self.by_head)
            )
        )

    def say(self, answer: Answer, detail: Detail) -> str:
        """The amount, or those with their labels, or that there is none."""
        if answer.note(NoteKind.SUBTOTAL):
            return f"The subtotal is {answer.values[0]}; I find no total."
        if answer.found and (len(answer.found) > 1 or self.by_label) and detail is not Detail.SHORT:
            return f"I read: {labelled(answer)}."
        return in_sentence(answer, detail, f"The {self.called} is {{}}.", missing=READ_TEXT)


@functools.cache
def label_of(
    name: str, english: tuple[tuple[int, str], ...], beside: str, *, by_head: bool = False
) -> Name:
    """A skill's name on paper, in English and in every language that has a file."""
    return names(
        [*english, *vocabulary.labels(name)],
        f"{beside} {vocabulary.beside(name)} {vocabulary.beside('total')}",
        by_head=by_head,
    )


BESIDE = (
    "the your our of in to is for with a an rm myr eur euro usd gbp chf sgd inr jpy sale sales "
    "bill invoice order final amount amt price value payment charges current items item"
)
"""English words that may stand beside the name of any amount."""
