"""All skills: which of them answers a question, and who says an answer."""

import dataclasses
import functools
import importlib
import pkgutil
import re
from collections.abc import Iterator

import assistant.skills
from assistant.answers import Answer, Basis, Detail, Said
from assistant.skills import saying, telling, vocabulary
from assistant.skills.ages import age_in
from assistant.skills.skill import Asked, Skill
from assistant.skills.wording import Wording
from assistant.text.question import Form, form, wanted
from assistant.text.words import (
    asked_plainly,
    bare_words,
    told_before,
    without_context,
    without_courtesy,
)

OTHER = "other"
"""The skill of questions that no wording fits: a model is asked as the user asked."""


@functools.cache
def skills() -> tuple[Skill, ...]:
    """The skills in the files of this folder, in the order in which typed words are compared."""
    return tuple(sorted(_found(), key=lambda skill: (skill.traits.rank, skill.name)))


def _found() -> Iterator[Skill]:
    for module in pkgutil.iter_modules(assistant.skills.__path__):
        found = importlib.import_module(f"{assistant.skills.__name__}.{module.name}")
        if hasattr(found, "SKILL"):
            yield found.SKILL


def skill_named(name: str) -> Skill:
    """The skill of a name.

    Raises:
        KeyError: there is none.
    """
    return {skill.name: skill for skill in skills()}[name]


@functools.cache
def wordings(name: str) -> tuple[Wording, ...]:
    """All ways to ask for a skill: those of its file, in English, and those of other languages."""
    elsewhere = vocabulary.typed(name)
    # They name the skill; what English words make of the rest of such a question says nothing.
    more = (Wording(typed=elsewhere, sure=True, plain=True),) if elsewhere else ()
    return (*skill_named(name).wordings, *more)


def understand(question: str) -> Asked:
    """Sort a question, typed or heard, by what it asks for.

    A sentence that the recognizer can hear belongs to the skill in whose file it stands. Of other
    words, the first skill whose `typed` is found in them decides.
    """
    question, beside = without_context(question)
    context = bare_words(f"{beside} {told_before(question)}")
    asked = _understood(asked_plainly(question), context)
    return dataclasses.replace(asked, context=context)


def _understood(question: str, context: str) -> Asked:
    words = without_courtesy(_AFTER_ALL.sub("", bare_words(question)))
    if (age_in(context) or age_in(words)) is not None and _FOR_WHOM.search(words):
        return Asked(question, words, "dose")
    for skill in skills():
        for wording in wordings(skill.name):
            subject = wording.is_whole(words)
            if subject is not None:
                return Asked(question, words, skill.name, subject or _typed(skill, words) or "")
    kinds, looks = wanted(words), form(words)
    for skill in skills():
        gives = skill.traits.gives
        other = bool(gives) and (not kinds & gives if kinds else looks in (Form.WHO, Form.WHERE))
        subject = _typed(skill, words, only_sure=other)
        if subject is not None:
            return Asked(question, words, skill.name, subject)
    return Asked(question, words, OTHER)


_AFTER_ALL = re.compile(
    r"(?: in the end)?(?: after (?:everything|all of it|it all|the lot)\b.*| in the end| all told)$"
)
"""What is said of a total and names nothing else: "after everything was taken off"."""

_FOR_WHOM = re.compile(
    r"\b(?:give|take|have|use|swallow|drink|put|apply)\b.*\b(?:he|she|they|him|her|them|it|this)\b"
    r"|\b(?:he|she|they)\b.*\b(?:take|have|use|swallow|drink)\b"
    r"|\b(?:safe|ok|okay|allowed|suitable) for\b"
)
"""Whether, or how much, somebody may have of it, whose age was said just before."""


def is_known(question: str) -> bool:
    """True for a question about a value that some skill tells, as "what is the total"."""
    asked = understand(question)
    return skill_named(asked.skill).traits.text


def _typed(skill: Skill, words: str, *, only_sure: bool = False) -> str | None:
    for wording in wordings(skill.name):
        if only_sure and not wording.sure:
            continue
        subject = wording.is_part(words)
        if subject is not None:
            return subject
    return None


def heard() -> list[str]:
    """What can be heard for all skills, in the notation of `skills.wording`."""
    return [wording.heard for skill in skills() for wording in skill.wordings if wording.heard]


def say(
    answer: Answer, detail: Detail = Detail.USUAL, frames: telling.Frames = telling.ENGLISH
) -> str:
    """An answer in words, as it is printed.

    frames: Sightline's own sentences in the language of its user.
    """
    if not frames.sentences:
        return "".join(_worded(answer, detail))
    return "".join(part.text for part in told(answer, detail, frames))


def told(
    answer: Answer, detail: Detail = Detail.USUAL, frames: telling.Frames = telling.ENGLISH
) -> tuple[Said, ...]:
    """The same as it is to be spoken: what it quotes in its own language, and by its kind."""
    return telling.told(answer, lambda each: _worded(each, detail), frames)


def details(answer: Answer) -> str:
    """What `say` adds for a listener who wants to know everything; "" if nothing."""
    return join(saying.details(answer))


def _worded(answer: Answer, detail: Detail) -> list[str]:
    words = join(_parts(answer, detail))
    if not words.strip() and answer.basis is Basis.UNKNOWN:
        words = NOTHING_TO_SAY
    return [saying.opening(answer), words]


NOTHING_TO_SAY = "I can't tell. Ask in other words, or ask me to read the text."
"""No answer is silent."""


def _parts(answer: Answer, detail: Detail) -> Iterator[str]:
    if answer.model is not None and answer.found:
        # A model's words are said as they are.
        yield "\n".join(answer.values)
    else:
        yield skill_named(answer.skill).say(answer, detail)
    yield from saying.remarks(answer)
    if detail is Detail.FULL:
        yield from saying.details(answer)


def join(parts: Iterator[str]) -> str:
    """Parts as sentences behind each other; the last one stays as it is."""
    kept = [part for part in parts if part]
    return " ".join([*(saying.ended(part) for part in kept[:-1]), *kept[-1:]])
