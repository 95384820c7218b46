"""Whether an answer is about all of the question; else what the text says of the rest."""

import dataclasses
import re

from assistant.answers import Answer, Basis, Note, NoteKind
from assistant.skills import quote
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked
from assistant.skills.subject import (
    asks_otherwise,
    foreign,
    is_in_doubt,
    is_told_beside,
    unaccounted,
)

SUBJECT_FREE = frozenset(
    {
        *(
            "read",
            "read_part",
            "find_word",
            "about",
            "summary",
            "any_text",
            "blank",
            "line",
            "item",
        ),
        *("quote", "recipient", "letterhead", "again", "spell", "pick", "identify", "describe"),
        *("superlative", "hours"),
    }
)
"""Skills whose question is answered whatever its other words are."""


_CONDITION = re.compile(r"\w (?:if|unless|in case) \w")


def about_the_subject(answer: Answer, asked: Asked, scene: Scene) -> Answer:
    """The answer, if it accounts for the whole question; else what the text says of the rest.

    A value that answers another question is never told: where the text says nothing of the rest,
    that is said.
    """
    if answer.skill == "recipient" and answer.basis is Basis.READ and unaccounted(asked, answer):
        # A letter to a widow says whose funeral it was elsewhere.
        return dataclasses.replace(answer, basis=Basis.GUESS)
    if answer.skill in SUBJECT_FREE:
        return answer
    if answer.note(NoteKind.QUOTED):
        doubted = answer.basis is Basis.READ and is_told_beside(asked, answer)
        return dataclasses.replace(answer, basis=Basis.GUESS) if doubted else answer
    if asks_otherwise(asked, answer):
        quoted = quote.SKILL.find(asked, scene)
        told = answer if quoted is None or not quoted.found else quoted
        return dataclasses.replace(told, basis=Basis.GUESS)
    if answer.basis is Basis.UNKNOWN and not answer.found:
        near = _near_in_meaning(asked, scene)
        if near is not None:
            return near
        if _CONDITION.search(asked.words):
            # "What do I pay if I do not come": no total, and a sentence says it all the same.
            quoted = quote.SKILL.find(asked, scene)
            if quoted is not None and quoted.found:
                return dataclasses.replace(quoted, basis=Basis.GUESS)
    rest = foreign(asked, answer, scene.page(asked.cancelled))
    if not rest:
        if answer.basis is Basis.READ and is_in_doubt(asked, answer, scene.page(asked.cancelled)):
            # Something in the question might choose another value, or between these.
            return dataclasses.replace(answer, basis=Basis.GUESS)
        return answer
    quoted = quote.SKILL.find(asked, scene)
    if quoted is not None and quoted.basis is not Basis.UNKNOWN:
        return quoted
    if answer.basis is Basis.UNKNOWN:
        # What a skill looked for in vain it names itself.
        return answer
    return Answer(quote.SKILL.name, notes=(Note(NoteKind.NOT_ABOUT, " ".join(rest[:3])),))


def _near_in_meaning(asked: Asked, scene: Scene) -> Answer | None:
    """What a model finds nearest where a skill found nothing; never more than a guess."""
    if scene.closeness(scene.page(asked.cancelled)) is None:
        return None
    quoted = quote.SKILL.find(asked, scene)
    if quoted is None or not quoted.found:
        return None
    return dataclasses.replace(quoted, basis=Basis.GUESS)
