"""Asking again in another way, and saying whether the answers agree."""

import dataclasses
import difflib
import re

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.seeing.pixels import resized
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from models.pictures import RgbPicture

ALIKE = 0.85
"""Similarity of two long answers, 0 to 1, from which they say the same."""

FIRST, NOW = "First", "Now"
"""Labels of what differs."""

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

_IDLE = frozenset({"a", "an", "the", "is", "are", "it", "its", "this", "that", "there", "i", "see"})
"""Words that make a sentence of an answer."""


class DoubleCheck:
    """Says two answers that differ; asked for by an order, so that it has no wordings."""

    name = "double_check"
    wordings: tuple[Wording, ...] = ()
    traits = Traits()

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Nothing: it compares what others find."""
        return None

    def say(self, answer: Answer, detail: Detail) -> str:
        """Both answers, and that neither can be trusted."""
        first, now = (
            "; ".join(each.value for each in answer.found if each.label == label)
            for label in (FIRST, NOW)
        )
        return f"The answers differ. First: {first} Now: {now} Trust neither; try another view."


def other_view(rgb: RgbPicture, *, margin: float = 0.03, longest: int = 1600) -> RgbPicture:
    """A picture (H, W, 3) cut a little at its edges and in another size.

    Recognition of another raster errs elsewhere. Drawings of a small model stay within the size
    that it knows.
    """
    height, width = rgb.shape[:2]
    top, left = int(height * margin), int(width * margin)
    cut = rgb[top : height - top, left : width - left] if min(height, width) > 40 else rgb
    rows, columns = cut.shape[:2]
    scale = 1.0 if max(height, width) <= 256 else 1.3 if max(rows, columns) * 1.3 < longest else 0.8
    return resized(cut, round(columns * scale), round(rows * scale))


def compared(first: Answer, second: Answer, question: str = "") -> Answer:
    """One answer that says whether two answers to a question agree."""
    if Basis.UNKNOWN in (first.basis, second.basis):
        if first.basis is second.basis:
            return _noted(first, NoteKind.SAME_AGAIN, Basis.UNKNOWN)
        known = second if first.basis is Basis.UNKNOWN else first
        return _noted(known, NoteKind.ONE_LOOK, Basis.GUESS)
    # What is printed is compared as it stands: "12 A" is another seat than "12".
    answered = question if first.model and second.model else ""
    if agree("; ".join(first.values), "; ".join(second.values), answered):
        basis = first.basis if first.basis is second.basis else Basis.GUESS
        return _noted(first, NoteKind.AGREED, basis)
    found = (*_labelled(first, FIRST), *_labelled(second, NOW))
    # Who said them is no part of it: a model's name would make its words the answer.
    return Answer(SKILL.name, found, Basis.GUESS)


def _noted(answer: Answer, kind: NoteKind, basis: Basis) -> Answer:
    return dataclasses.replace(answer, basis=basis, notes=(Note(kind), *answer.notes))


def _labelled(answer: Answer, label: str) -> tuple[Found, ...]:
    return tuple(dataclasses.replace(each, label=label) for each in answer.found)


def agree(one: str, other: str, question: str = "") -> bool:
    """True if two answers say the same: equal figures, and nearly equal words.

    question: what two models answer: its words are no part of what is compared, so that "red" and
        "the car is red" are the same colour of a car. "" where each word counts.
    """
    first, second = _words(one), _words(other)
    if [word for word in first if word.isdigit()] != [word for word in second if word.isdigit()]:
        return False
    if first[:1] != second[:1] and {*first[:1], *second[:1]} == {"yes", "no"}:
        return False
    idle = {*_IDLE, *_words(question)} if question else set[str]()
    bare = [[word for word in words if word not in idle] for words in (first, second)]
    if all(bare):
        # Where nothing is left, the answer is in the question: "is it red or blue".
        first, second = bare
    if len(first) <= 4 or len(second) <= 4:
        return first == second
    return difflib.SequenceMatcher(None, first, second).ratio() >= ALIKE


def _words(text: str) -> list[str]:
    words = re.findall(r"\w+", text.lower())
    return [str(_NUMBERS.index(word)) if word in _NUMBERS else word for word in words]


SKILL = DoubleCheck()
