"""The subject rule: a value is given only if every word of the question is accounted for.

"How much is the tax" must never be answered with the total. A word of the question is accounted
for by the skill's own words, or by the lines that the answer rests on; courtesy and place words
ask for nothing. Where one is left over, the question goes on to the lines that hold its words.
"""

import functools
import re

from assistant.answers import Answer
from assistant.skills.router import skill_named
from assistant.skills.skill import Asked
from assistant.skills.wording import RULES, words_of
from assistant.text.meaning import best_match, content_words, words


def unaccounted(asked: Asked, answer: Answer) -> tuple[str, ...]:
    """The words of a question that neither its skill nor the evidence of an answer accounts for."""
    own = own_words(asked.skill)
    left = [word for word in content_words(asked.question) if best_match(word, own) == 0]
    printed = [word for line in answer.evidence for word in words(line.text)]
    return tuple(word for word in left if best_match(word, printed) == 0)


@functools.cache
def own_words(skill: str) -> tuple[str, ...]:
    """The words by which a skill is asked for, from its wordings."""
    found: set[str] = set()
    for wording in skill_named(skill).wordings:
        found |= words_of([wording.heard])
        found |= set(re.findall(r"[a-z]{3,}", re.sub(r"\\\w|\(\?P<\w+>", " ", wording.typed)))
    heard = " ".join(wording.heard for wording in skill_named(skill).wordings)
    for rule in re.findall(r"<(\w+)>", heard):
        found |= words_of([RULES[rule]]) if rule in RULES else set()
    return tuple(sorted(found))
