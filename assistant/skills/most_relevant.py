"""What a model that ranks places of a text makes of an answer of the rules.

It is asked only where the rules find nothing, guess, are sure of one value, or tell of the whole
text. Where they find nothing, the place that likely answers is quoted; of several that they guess,
those far less likely than the best are left out, a likelier place is told instead, and nothing
where the page hardly answers; a sure value is a guess where another place likely answers. Nothing
that it chooses is more than a guess.

The thresholds were chosen on the part "choose" of the pages of scripts/relevance, on none of which
the model was trained, and looser ones, which win more there, left for the exam's sake: there the
rules know more, and more often nothing answers.
"""

import re
from dataclasses import replace

from assistant.answers import Answer, Basis, Note, NoteKind
from assistant.skills import quote
from assistant.skills.quote import all_found, nothing_about, uncut
from assistant.skills.scene import Scene
from assistant.skills.second_reader import SKILLS, rows_of, wants_second
from assistant.skills.skill import Asked
from assistant.text.hits import Hits
from assistant.text.languages import page_language
from assistant.text.matching import Matching
from assistant.text.page import Page
from assistant.text.question import language_of, wish
from assistant.text.relevance import Relevance
from assistant.text.tokens import Kind

LEAST, LEAST_OF_ANOTHER = 0.4, 0.7
"""Probability of a place that is quoted where the rules find nothing; and where the thing that is
asked for stands nowhere: models like the price of another."""

LEAST_INSTEAD, BETTER = 0.4, 2.0
"""Probability of a place that is told instead of a guess of the rules, and how many times as likely
as that guess it is."""

KNOWN = ("en", None)
"""Languages of pages that the model was trained on; of some pages none can be told."""

LEAST_OF_A_FOREIGN_PAGE = 0.7
"""Probability of a place that is told of any other page, where its probabilities say little."""

LEAST_OF_A_PART = 0.4
"""Probability of a place that is told instead of what the text is as a whole."""

NOTHING, NOTHING_OF_A_FIELD = 0.2, 0.3
"""Probability that no place answers, from which a guess is not told; and one of the rules that know
the forms of what is asked for, such as a telephone number."""

DOUBTS = 0.5
"""Probability of another place that makes a sure answer of the rules a guess."""

SHARE = 0.2
"""Of the probability of the best of several places, what another has at least that is told too."""

OF_THE_WHOLE = frozenset({"describe", "summary", "purpose"})
"""Skills that say what a text is: "It beeps twice. What is that?" may ask for a place of it."""

OF_A_WORD = "find_word"
"""The skill that says where a word stands. What it finds, such as an allergen, nothing replaces."""

_SEARCHES = re.compile(r"^(?:please )?(?:find|search(?: for)?|look for)\b")
"""An order to look for a word, which stands there or not."""


def reconsidered(answer: Answer, asked: Asked, scene: Scene) -> Answer:
    """The answer, what of it the model agrees with, or the place that the model prefers.

    Raises:
        VisionError: the model failed.
    """
    is_sure = answer.basis is Basis.READ and answer.skill in SKILLS and bool(answer.evidence)
    is_absent = answer.skill == OF_A_WORD and not answer.found
    is_of_all = answer.skill in OF_THE_WHOLE or is_absent
    if answer.model is not None or not (is_sure or is_of_all or wants_second(answer)):
        return answer
    if _SEARCHES.match(asked.words):
        return answer
    page, rank = scene.page(asked.cancelled), scene.rank
    if rank is None or not page.rows or asked.cancelled():
        return answer
    matching = Matching(page, wish(asked.question), language_of(asked.question))
    relevance = Relevance(matching, asked.for_model, rank)
    if not relevance.choices:
        return answer
    if page_language(row.text for row in page.rows) not in KNOWN:
        is_told = wants_second(answer) and relevance.best >= LEAST_OF_A_FOREIGN_PAGE
        return _preferred(relevance, rank.name) if is_told else answer
    told = {row for each in answer.found for row in rows_of(page, each.lines)}
    best, is_another = relevance.best, told.isdisjoint(relevance.choices[0].rows)
    if is_sure:
        doubted = is_another and best >= DOUBTS
        return replace(answer, basis=Basis.GUESS) if doubted else answer
    if is_of_all:
        is_told = is_another and best >= LEAST_OF_A_PART
        return _preferred(relevance, rank.name) if is_told else answer
    is_field = answer.skill in SKILLS - {quote.SKILL.name}
    if answer.basis is Basis.GUESS and answer.found:
        if relevance.nothing >= (NOTHING_OF_A_FIELD if is_field else NOTHING):
            return nothing_about(asked, page)
        if is_another and best >= max(LEAST_INSTEAD, BETTER * relevance.chance(sorted(told))):
            return _preferred(relevance, rank.name)
        return _without_the_rest(answer, page, relevance)
    return _preferred(relevance, rank.name) if _may_be_told(relevance, is_field) else answer


def _may_be_told(relevance: Relevance, is_field: bool) -> bool:
    """True for a best place that may be told where the rules find nothing.

    is_field: whether they looked for one thing, such as a telephone number, and know its forms.
    """
    matching = relevance.matching
    is_another = (
        is_field
        or matching.lacks_a_thing()
        or (Kind.MONEY in matching.wish.kinds and bool(matching.unheld()))
    )
    is_likely = relevance.best >= (LEAST_OF_ANOTHER if is_another else LEAST)
    return is_likely and relevance.nothing < NOTHING


def _without_the_rest(answer: Answer, page: Page, relevance: Relevance) -> Answer:
    """Of several places that the rules guess, those that are about as likely as the best."""
    if not 1 < len(answer.found) <= MOST_COMPARED or answer.notes:
        return answer
    chances = [relevance.chance(rows_of(page, each.lines)) for each in answer.found]
    kept = tuple(
        each
        for each, chance in zip(answer.found, chances, strict=True)
        if chance > SHARE * max(chances)
    )
    return replace(answer, found=kept)


MOST_COMPARED = 3
"""Places of one answer; more are a list, of which nothing is left out."""


def _preferred(relevance: Relevance, model: str) -> Answer:
    """The best place, as the rules would tell a guess."""
    matching = relevance.matching
    hit = Hits(matching).of(relevance.choices[0], 0.0, is_first=False)
    found = tuple(uncut(matching.page, each) for each in all_found(matching.page, hit))
    return Answer(quote.SKILL.name, found, Basis.GUESS, (Note(NoteKind.CHOSEN, model),))
