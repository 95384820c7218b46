"""What a model with few skills may be asked, and in which of its own words.

The pocket model was trained on a closed set of questions: wordings with names of drawn objects in
them. A question is matched against the wordings, with its names taken out, so that the set of all
questions (17,000) is never built.
"""

import enum
import functools
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from assistant.inference.vision_model import VisionLanguageModel
from assistant.text.words import bare_words
from models.pocket.questions import (
    ANY_OBJECT,
    COLOURS,
    HELD_OUT_WORDINGS,
    SHAPES,
    SIZE,
    TRAIN_WORDINGS,
    Ask,
    names_asked,
    plural,
)

LARGEST_DRAWING = SIZE
"""Longer side, in pixels, of the drawings that a model with few skills was trained and measured
on. On anything larger, such as a photograph, its answers are guesses."""

_IDLE_WORDS = frozenset({"please", "the", "a", "an", "this", "these"})
"""Politeness and articles; in a picture that is held up, "this circle" is "the circle"."""

_ENGLISH = (
    "the is are was does did can could would should will what where which who whose when why how "
    "there this that these those it my your his her of for from with about and not you please "
    "tell show describe explain count find read see look everything anything something"
)
"""English words without which few questions are asked, and which mean little elsewhere."""

_NAMES = (*SHAPES, *(plural(shape) for shape in SHAPES), *ANY_OBJECT)
_NAME = re.compile(
    rf"\b(?:(?:{'|'.join(COLOURS)}) )?(?:{'|'.join(sorted(_NAMES, key=len)[::-1])})\b"
)


@dataclass(frozen=True, slots=True)
class OwnQuestion:
    """A question in the words that a small model was trained on, and the skill it needs."""

    wording: str
    skill: str


def own_wording(words: str) -> OwnQuestion | None:
    """The question of the closed set that says the same as bare words; None if there is none."""
    for form, names in _forms_of(words):
        for key in (form, _essence(form)):
            for wording, ask in _wordings().get(key, ()):
                if _may_name(ask, names):
                    return OwnQuestion(wording.format(**names), ask.skill)
    return None


class Refusal(enum.Enum):
    """Why a model with few skills may not be asked something."""

    NOT_ENGLISH = "not_english"
    NO_SUCH_QUESTION = "no_such_question"
    NO_SUCH_THING = "no_such_thing"
    """It is about a thing that the model does not know."""
    NOT_PLAIN = "not_plain"
    """It says more than any of the model's own wordings."""


def refusal(model: VisionLanguageModel, words: str, subject: str) -> Refusal | None:
    """Why a model with few skills may not be asked bare words, or None if it may.

    subject: the thing that is counted, found, or has a colour; or "".
    """
    if model.skills is None:
        return None
    asked = own_wording(words)
    if asked is not None:
        return None if asked.skill in model.skills else Refusal.NO_SUCH_QUESTION
    if not _is_english(words):
        return Refusal.NOT_ENGLISH
    if subject == "":
        return Refusal.NO_SUCH_QUESTION
    if subject not in (*_NAMES, *COLOURS):
        return Refusal.NO_SUCH_THING
    return Refusal.NOT_PLAIN


def _is_english(words: str) -> bool:
    """False where several words hold none that an English question has."""
    several = words.split()
    return len(several) < 3 or any(
        word in _ENGLISH.split() or is_named(word) or word in COLOURS for word in several
    )


def measured_accuracy(model: VisionLanguageModel, asked: OwnQuestion, longer_side: int) -> float:
    """How often the model was right at such questions, 0 where nobody measured it.

    longer_side: of the picture, in pixels.
    """
    assert model.skills is not None
    if longer_side > LARGEST_DRAWING:
        return 0.0
    return model.skills.get(asked.skill) or 0.0


def _forms_of(words: str) -> Iterator[tuple[str, dict[str, str]]]:
    """A question as it is, then with the names in it taken out."""
    yield words, {}
    found = list(_NAME.finditer(words))
    for chosen in itertools.chain(((match,) for match in found), itertools.pairwise(found)):
        form, names = words, {}
        for match, place in reversed(list(zip(chosen, ("name", "other"), strict=False))):
            form = f"{form[: match.start()]}{{{place}}}{form[match.end() :]}"
            names[place] = match[0]
        yield form, names


def _may_name(ask: Ask, names: Mapping[str, str]) -> bool:
    known = names_asked(ask) if names else ()
    several = len(set(names.values())) == len(names)
    return several and all(name in known for name in names.values())


@functools.cache
def _wordings() -> Mapping[str, tuple[tuple[str, Ask], ...]]:
    """Every wording under its own words and under their essence.

    A colour can be asked of one or of many in the same words; the name tells which.
    """
    known: dict[str, tuple[tuple[str, Ask], ...]] = {}
    for table in (TRAIN_WORDINGS, HELD_OUT_WORDINGS):
        for ask, wordings in table.items():
            for bare in map(_bare_form, wordings):
                for key in {bare, _essence(bare)}:
                    known[key] = (*known.get(key, ()), (bare, ask))
    return known


def _bare_form(wording: str) -> str:
    """A wording as `bare_words` leaves a question, its places kept."""
    bare = bare_words(wording.replace("{name}", "nameplace").replace("{other}", "otherplace"))
    return bare.replace("nameplace", "{name}").replace("otherplace", "{other}")


def _essence(words: str) -> str:
    """A question without the words that change nothing about what is asked."""
    return " ".join(word for word in words.split() if word not in _IDLE_WORDS)


def is_named(thing: str) -> bool:
    """True for the name of an object that the small model knows."""
    return thing in _NAMES


def other_wording(words: str) -> str:
    """The same question in other words of the closed set, or as it is if there are none."""
    for form, names in _forms_of(words):
        for key in (form, _essence(form)):
            for wording, ask in _wordings().get(key, ()):
                if not _may_name(ask, names):
                    continue
                for other in map(_bare_form, TRAIN_WORDINGS[ask]):
                    same_places = ("{name}" in other) == ("{name}" in wording)
                    if other != wording and same_places:
                        return other.format(**names)
    return words
