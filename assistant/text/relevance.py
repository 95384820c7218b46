"""How well the places of a page answer a question in the eyes of a model that was trained for it.

The rules know words and layout; the model knows that "what do they take out" is answered by a
deduction. It was trained to tell the place that answers from the rest of its page, and from pages
that do not answer at all: so the scores of a page are taken together as probabilities.
"""

import math
from collections.abc import Sequence

from assistant.text.matching import Matching
from assistant.text.meaning_models import Rank
from assistant.text.page import Passage
from assistant.text.scoring import Scoring
from assistant.text.sections import behind_heading

HELD, LOOKS = 3.0, 3.0
"""What the part of the question that a place holds, and that it looks like the wanted answer, add
to its logit: what the rules know of words and layout helps the model among places of one page, and
says nothing of whether the page answers at all. Chosen on half of the part "choose" of the pages of
scripts/relevance, and as good on the other half."""

MOST_RANKED = 48
"""Places that are shown to the model, a few milliseconds each; of more, those that the rules think
likeliest."""


class Relevance:
    """The places of one page ranked for one question, the best first.

    places:  what is quoted; scores: of each, in logits; nothing: the chance that none answers.
    choices: those of the places that show the amount or the number that is asked for, if one is.
    """

    def __init__(self, matching: Matching, question: str, rank: Rank) -> None:
        """Raises VisionError where the model failed."""
        self.matching = matching
        places = _likeliest(matching)
        texts = [behind_heading(matching.page, each) for each in places]
        logits = [float(each) for each in rank(question, texts)] if texts else []
        self.nothing = 1 / (1 + sum(map(math.exp, logits)))
        scoring = Scoring(matching)
        scores = [
            logit + HELD * scoring.score(place) + LOOKS * scoring.fit(place)
            for logit, place in zip(logits, places, strict=True)
        ]
        order = sorted(range(len(places)), key=lambda at: (-scores[at], places[at].rows))
        self.places = [places[at] for at in order]
        self.scores = [scores[at] for at in order]
        self.choices = [each for each in self.places if scoring.shows_its_kind(each)]

    @property
    def best(self) -> float:
        """The chance of the first choice; 0 where there is none."""
        return self.chance(self.choices[0].rows) if self.choices else 0.0

    def chance(self, rows: Sequence[int]) -> float:
        """The probability that what stands in some rows answers, and no other place or none."""
        wanted = set(rows)
        held, others = 0.0, 1.0
        for place, score in zip(self.places, self.scores, strict=True):
            if wanted.isdisjoint(place.rows):
                others += math.exp(score)
            else:
                held = max(held, math.exp(score))
        return held / (held + others)


def _likeliest(matching: Matching) -> list[Passage]:
    places = matching.candidates()
    if len(places) <= MOST_RANKED:
        return places
    scoring = Scoring(matching)
    return sorted(places, key=scoring.score, reverse=True)[:MOST_RANKED]
