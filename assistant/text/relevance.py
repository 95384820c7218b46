"""How well the places of a page answer a question in the eyes of a model that was trained for it.

The rules know words and layout; the model knows that "what do they take out" is answered by a
deduction. It ranks well, while its score alone says little: what it prefers counts as far as it
stands out from the rest of the page.
"""

from collections.abc import Sequence

from assistant.text.matching import Matching
from assistant.text.meaning_models import Rank
from assistant.text.page import Passage
from assistant.text.scoring import Scoring
from assistant.text.sections import behind_heading

MOST_RANKED = 48
"""Places that are shown to the model, a few milliseconds each; of more, those that the rules think
likeliest."""


class Relevance:
    """The places of one page ranked for one question, the best first.

    places:  what is quoted; scores: of each, in logits.
    choices: those of the places that show the amount or the number that is asked for, if one is.
    best:    the score of the first of them; of nothing where there is none.
    """

    def __init__(self, matching: Matching, question: str, rank: Rank) -> None:
        """Raises VisionError where the model failed."""
        self.matching = matching
        places = _likeliest(matching)
        texts = [behind_heading(matching.page, each) for each in places]
        scores = [float(each) for each in rank(question, texts)] if texts else []
        order = sorted(range(len(places)), key=lambda at: (-scores[at], places[at].rows))
        self.places = [places[at] for at in order]
        self.scores = [scores[at] for at in order]
        scoring = Scoring(matching)
        shown = [at for at, each in enumerate(self.places) if scoring.shows_its_kind(each)]
        self.choices = [self.places[at] for at in shown]
        self.best = self.scores[shown[0]] if shown else NOTHING

    @property
    def margin(self) -> float:
        """How far the best choice stands out from the next place that shares no row with it."""
        best = set(self.choices[0].rows)
        others = (
            score
            for place, score in zip(self.places, self.scores, strict=True)
            if best.isdisjoint(place.rows)
        )
        return self.best - next(others, NOTHING)

    def of(self, rows: Sequence[int]) -> float:
        """The best score of what stands in some rows."""
        wanted = set(rows)
        held = (
            score
            for place, score in zip(self.places, self.scores, strict=True)
            if not wanted.isdisjoint(place.rows)
        )
        return next(held, NOTHING)


NOTHING = -11.5
"""The score of a text that has nothing to do with a question: the least that the model gives."""


def _likeliest(matching: Matching) -> list[Passage]:
    places = matching.candidates()
    if len(places) <= MOST_RANKED:
        return places
    scoring = Scoring(matching)
    return sorted(places, key=scoring.score, reverse=True)[:MOST_RANKED]
