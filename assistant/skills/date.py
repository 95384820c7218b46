"""The date of a letter, a receipt, a ticket."""

import dataclasses
import re

from assistant.answers import Answer, Detail, Found
from assistant.skills import quote
from assistant.skills.dating import LABELS, MOST_DATES, as_dates
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import READ_TEXT, in_sentence, labelled, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.clauses import part_that_tells
from assistant.text.date_roles import Dated, dated
from assistant.text.matching import accounts_for
from assistant.text.meaning import best_match, content_words, is_telling, words
from assistant.text.page import Page, Passage
from assistant.text.question import is_everyday, wish
from assistant.text.tokens import Kind, tokens


class Date:
    """Every date as it stands, those that are called the date first."""

    name = "date"
    wordings = (
        Wording(
            heard="<is> the date [on this | of this | here]",
            typed=(
                r"\bdates?\b|\bwhat day\b"
                r"|\bwhen (?:is|was) (?:this|it|that)(?: \w+){0,2} (?:from|sent(?: out)?|printed"
                r"|written"
                r"|drawn up|issued|made out|dated)\b"
                r"|\bwhen did they (?:send|print|write|issue|date)\b"
            ),
        ),
    )
    traits = Traits(gives=frozenset({Kind.DATE, Kind.TIME}), rank=42, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The dates."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        every = dated(page, LABELS)
        dates = [each for each in every if not each.printed.needs_label] or every
        if not dates:
            return not_found(self.name, "date")
        alone = [each for each in dates if _stands_alone(each, page)]
        if len(alone) == 1 and re.search(_WRITTEN, asked.words):
            dates = alone
        called = [w for w in content_words(asked.question) if w not in ("date", "dates", "day")]
        named = [e for e in dates if called and accounts_for(called, e.place.label)]
        told = named or _of_the_matter(dates, called, page)
        if len(told) == 1 and re.search(r"\btimes?\b", asked.words):
            both = _with_its_hour(told[0], page)
            if both is not None:
                part = part_that_tells(" ".join(both.text.split()), wish(asked.question))
                found = (Found(part, None, both.lines),)
                return Answer(quote.SKILL.name, found, ground_read(found))
        return as_dates(self.name, (told or _best_first(dates))[:MOST_DATES])

    def say(self, answer: Answer, detail: Detail) -> str:
        """The likeliest date, then the others with their labels."""
        if len(answer.found) < 2 or detail is Detail.SHORT:
            return in_sentence(answer, detail, "The date is {}.", missing=READ_TEXT)
        first, *others = answer.found
        also = labelled(dataclasses.replace(answer, found=tuple(others)))
        return f"The date is {first.value}. I also read {also}."


_WRITTEN = r"\bwritten\b|\bwrote\b|\bletter\b|\bsent\b|\bissued?\b|\bdated\b"
_MOST_BESIDE = 3
_WHICH = frozenset(("new", "old", "original", "previous", "next", "last", "first", "final"))
"""Which of several dates is meant, where the sentences say so."""


def _stands_alone(each: Dated, page: Page) -> bool:
    """True for a date in a row of its own, as at the head of a letter."""
    text = page.rows[each.place.row].text.replace(each.printed.text, " ")
    return len(words(text)) <= _MOST_BESIDE


def _with_its_hour(each: Dated, page: Page) -> Passage | None:
    """The sentence of a date that names its hour as well; None where there is none."""
    row = each.place.row
    for statement in page.statements:
        if row in statement.rows and each.printed.text in statement.text:
            kinds = {token.kind for token in tokens(statement.text)}
            return statement if Kind.TIME in kinds else None
    return None


def _of_the_matter(dates: list[Dated], called: list[str], page: Page) -> list[Dated]:
    """The dates in the sentences that hold a word of the question; none if it names nothing."""
    telling = [
        word for word in called if word in _WHICH or is_telling(word) and not is_everyday(word)
    ]
    if not telling or len(dates) < 2:
        return []
    held = []
    for each in dates:
        beside = [s.text for s in page.statements if each.place.row in s.rows]
        printed = words(" ".join(beside))
        if any(best_match(word, printed) > 0 for word in telling):
            held.append(each)
    return held


def _best_first(dates: list[Dated]) -> list[Dated]:
    """Labelled as the date, then without a label, then what has another name; each value once."""
    order = {"other": 0, "": 1, "expiry": 2, "production": 3}
    ranked = sorted(dates, key=lambda each: order[each.role])
    return list({each.printed.text: each for each in reversed(ranked)}.values())[::-1]


SKILL = Date()
