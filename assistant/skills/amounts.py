"""What the skills that tell one amount share: a name on the paper, and what is said of it."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.answers import Answer, Detail, NoteKind
from assistant.skills import vocabulary
from assistant.skills.quoting import (
    READ_TEXT,
    ended,
    found_places,
    in_sentence,
    labelled,
    not_found,
)
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.amounts import Name, best, named_amounts, names, rank_of
from assistant.text.meaning import best_match, is_empty, words
from assistant.text.page import Page, Place
from assistant.text.plain_letters import stem_free
from assistant.text.tokens import Kind

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
    goes_on: a label may go on behind the name, as in "Discount senior pet"; it is told, then.
    ends_in: a label may end in the name, as in "Income tax"; it is told, then.
    kin:     phrases parted by semicolons that name a part of it, as "CGST" of the tax.
    """

    name: str
    called: str
    english: tuple[tuple[int, str], ...]
    beside: str
    wordings: Sequence[Wording]
    traits: Traits
    by_label: bool = False
    by_head: bool = False
    goes_on: bool = False
    ends_in: bool = False
    kin: str = ""

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The amount; two where the paper names two."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        places = under_named_heads(self.places(page), words(asked.words))
        places = called_so(places, words(asked.words))
        if not places or len(places) > MOST_AMOUNTS:
            return not_found(self.name, self.called)
        return found_places(self.name, places)

    def places(self, page: Page) -> list[Place]:
        """The amounts of the best label on a page."""
        name = self._label()
        return best(named_amounts(page, name)) or self._kindred(page, name)

    def named(self, page: Page) -> list[Place]:
        """Every amount with a label that is the name, in reading order."""
        name = label_of(self.name, self.english, self.beside)
        return [each.place for each in named_amounts(page, name)]

    def _label(self) -> Name:
        return label_of(self.name, self.english, self.beside, by_head=self.by_head)

    def _kindred(self, page: Page, name: Name) -> list[Place]:
        """Where no label is the name, those that begin or end with it; none where none may."""
        kin = [stem_free(word) for word in self.kin.split(";") if word]
        phrases = [*kin, *(phrase for phrase, _ in name.phrases)]
        found: dict[tuple[str, str], Place] = {}
        for place in page.places_of(Kind.MONEY):
            if place.token.needs_label or not place.left:
                continue
            label = " ".join(filter(None, map(stem_free, re.split(r"[^\w']+", place.left))))
            begins = self.goes_on and _begins(label, phrases)
            ends = self.ends_in and _ends(label, phrases)
            if label in kin or begins or ends:
                found.setdefault((place.token.text, label), place)
        return list(found.values())

    def say(self, answer: Answer, detail: Detail) -> str:
        """The amount, or those with their labels, or that there is none."""
        if answer.note(NoteKind.SUBTOTAL):
            return f"The subtotal is {answer.values[0]}; I find no total."
        several = len(answer.found) > 1 or self.by_label
        several = several or any(
            each.label and rank_of(each.label, self._label()) == 0 for each in answer.found
        )
        if answer.found and several and detail is not Detail.SHORT:
            return ended(f"I read: {labelled(answer)}")
        return in_sentence(answer, detail, f"The {self.called} is {{}}.", missing=READ_TEXT)


def under_named_heads(places: list[Place], said: Sequence[str]) -> list[Place]:
    """Of several amounts of a row those under a head that is named: "the large one"."""
    spoken = [word for word in said if not is_empty(word)]
    named = [sum(best_match(w, spoken) == 1 for w in words(each.head)) for each in places]
    most = max(named, default=0)
    return [each for each, count in zip(places, named, strict=True) if count == most]


def called_so(places: list[Place], said: Sequence[str]) -> list[Place]:
    """Of several amounts those whose label the question says best: the net amount, the subtotal."""
    spoken = [word for word in said if not is_empty(word)]
    held = [max((best_match(w, words(each.left)) for w in spoken), default=0.0) for each in places]
    best_held = max(held, default=0.0)
    return [each for each, match in zip(places, held, strict=True) if match == best_held]


_NOT_THE_AMOUNT_WORDS = """
code number id year invoice office free exempt rate point points fee class period reference
ref disc return holder ending registration reg
"""
_NOT_THE_AMOUNT = frozenset(_NOT_THE_AMOUNT_WORDS.split())
"""Words behind a name that make it the name of something else, as in "tax code"."""

_OF_ANOTHER_WORDS = """
amt amount value base basis taxable sales goods total net gross excl excluding exclusive before
without
"""
_OF_ANOTHER = frozenset(_OF_ANOTHER_WORDS.split())
"""Words anywhere behind a name that make it the sum from which it is taken."""

_TURNED_WORDS = """
before without excl excluding exclusive ex after incl including inclusive inkl less plus net
total subtotal hors ohne vor sin senza sem zonder
"""
_TURNED = frozenset(_TURNED_WORDS.split())
"""Words before a name that make a label one of another amount, as in "total before VAT"."""


def _begins(label: str, phrases: Sequence[str]) -> bool:
    behind = (label.removeprefix(f"{each} ") for each in phrases if label.startswith(f"{each} "))
    return any(
        rest.split()[0] not in _NOT_THE_AMOUNT and not _OF_ANOTHER & set(rest.split())
        for rest in behind
    )


def _ends(label: str, phrases: Sequence[str]) -> bool:
    before = (label.removesuffix(f" {each}") for each in phrases if label.endswith(f" {each}"))
    return any(not _TURNED & set(rest.split()) for rest in before)


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
    "bill invoice order final amount amt price value payment charges current items item "
    "rs re aud nzd cad zar hkd php thb dkk nok sek pln czk huf ron rounded"
)
"""English words that may stand beside the name of any amount."""
