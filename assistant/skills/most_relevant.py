"""What a model that ranks places of a text makes of an answer of the rules.

It is asked only where the rules find nothing, guess, or are sure of one value. Where they find
nothing, the place that stands out is quoted; of several that they guess, those far below the best
are left out, and another place is told only if it is far better; a sure value is a guess where
another place answers far better. Nothing that it chooses is more than a guess.

The thresholds were chosen on the pictures of dev3b and dev4a.
"""

from dataclasses import replace

from assistant.answers import Answer, Basis, Note, NoteKind
from assistant.skills import quote
from assistant.skills.quote import all_found, uncut
from assistant.skills.scene import Scene
from assistant.skills.second_reader import SKILLS, rows_of, wants_second
from assistant.skills.skill import Asked
from assistant.text.hits import Hits
from assistant.text.matching import Matching
from assistant.text.page import Page
from assistant.text.question import language_of, wish
from assistant.text.relevance import NOTHING, Relevance
from assistant.text.tokens import Kind

LEAST, STANDS_OUT = -9.5, 1.5
"""Score of a place that is quoted where the rules find nothing, and how far it must stand out."""

LEAST_OF_ANOTHER = 0.0
"""The same score where the thing that is asked for stands nowhere: models like the price of
another."""

AS_GOOD = 1.5
"""How far below the best of several a place may be that is told with it."""

BETTER, DOUBTS = 5.0, 3.0
"""How much better a place must be that is told instead of a guess of the rules, and one that makes
a sure answer of theirs a guess."""


def reconsidered(answer: Answer, asked: Asked, scene: Scene) -> Answer:
    """The answer, what of it the model agrees with, or the place that the model prefers.

    Raises:
        VisionError: the model failed.
    """
    is_sure = answer.basis is Basis.READ and answer.skill in SKILLS and bool(answer.evidence)
    if answer.model is not None or not (is_sure or wants_second(answer)):
        return answer
    page, rank = scene.page(asked.cancelled), scene.rank
    if rank is None or not page.rows or asked.cancelled():
        return answer
    matching = Matching(page, wish(asked.question), language_of(asked.question))
    relevance = Relevance(matching, asked.for_model, rank)
    if not relevance.choices:
        return answer
    told = [rows_of(page, each.lines) for each in answer.found]
    ahead = relevance.best - max(map(relevance.of, told), default=NOTHING)
    if is_sure:
        return replace(answer, basis=Basis.GUESS) if ahead >= DOUBTS else answer
    if answer.basis is Basis.GUESS and answer.found:
        if ahead >= BETTER:
            return _preferred(relevance, rank.name)
        return _without_the_rest(answer, page, relevance)
    return _preferred(relevance, rank.name) if _stands_out(relevance) else answer


def _stands_out(relevance: Relevance) -> bool:
    """True for a best place that may be told where the rules find nothing."""
    matching = relevance.matching
    is_another = matching.lacks_a_thing() or (
        Kind.MONEY in matching.wish.kinds and bool(matching.unheld())
    )
    least = LEAST_OF_ANOTHER if is_another else LEAST
    return relevance.best >= least and relevance.margin >= STANDS_OUT


def _without_the_rest(answer: Answer, page: Page, relevance: Relevance) -> Answer:
    """Of several places that the rules guess, those that are about as good as the best of them."""
    if not 1 < len(answer.found) <= MOST_COMPARED or answer.notes:
        return answer
    scores = [relevance.of(rows_of(page, each.lines)) for each in answer.found]
    kept = tuple(
        each
        for each, score in zip(answer.found, scores, strict=True)
        if score > max(scores) - AS_GOOD
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
