"""Which lines answer a question: those that hold its words, with the value that it asks for.

Every row of a page is weighed by how many of the question's words it accounts for. A word that
stands on few rows tells more than one that stands on many; a heading over a row and the heads of
its columns lend it their words; and where a question asks for an amount, a name or a place, a row
that looks like one is worth more.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from assistant.text.closeness import Closeness
from assistant.text.hits import Hit, Hits
from assistant.text.kind_alone import LEAST, MOST_PLACES, OF_THE_LETTER, hits_of_kind
from assistant.text.matching import LITERAL, Matching, names_one_of_many
from assistant.text.meaning import best_match, content_words, is_empty, is_telling, words
from assistant.text.page import Page, Passage
from assistant.text.question import KIND_WORDS, Form, language_of, plain, wish
from assistant.text.scoring import Scoring
from assistant.text.tokens import Kind

__all__ = ["Hit", "confirmed", "names_one_of_many", "places_for", "places_near"]

AS_GOOD = 0.93
"""Part of the best score from which a second place is told, too."""

NEAREST = 0.35
"""Closeness in meaning, a cosine, from which a place is quoted that words did not lead to."""

NEAR_FITS = 0.3
"""What the look of an answer counts there."""

AGREES, NEAR_ENOUGH = 0.05, 0.2
"""Closeness that a place may lack against the nearest one, and a second one against the first."""

SAME_THING, CLOSE_WITHOUT_VALUE = 0.5, 0.45
"""Closeness from which a place is about a thing that it does not name, and from which it is quoted
without the value that was asked for."""


def places_for(
    page: Page,
    question: str,
    language: str = "",
    *,
    most: int = MOST_PLACES,
    context: str = "",
) -> list[Hit]:
    """The best places of a page for a question; empty if nothing on it comes close.

    language: that of the question, by two letters; "" to know it by its words.
    context:  what was said beside it, in bare words; of it counts what stands on the page.
    """
    if not page.rows:
        return []
    wanted, spoken = wish(question), language or language_of(question)
    if context:
        printed = [word for row in range(len(page.rows)) for word in page.words(row)]
        more = (word for word in content_words(plain(context)) if is_telling(word))
        held = [word for word in more if best_match(word, printed, spoken) > 0]
        wanted = replace(wanted, asked=tuple(dict.fromkeys((*wanted.asked, *held))))
    return _Search(Matching(page, wanted, spoken)).hits(most)


def sums_under_a_head(page: Page, question: str) -> list[Hit]:
    """The sum of the one column that a question for money names, as "this year"; empty else."""
    matching = Matching(page, wish(question), language_of(question))
    return Hits(matching).sums_under_a_head()


def places_near(
    page: Page, question: str, closeness: Closeness, *, most: int = MOST_PLACES
) -> list[Hit]:
    """The places that are nearest to a question in meaning, where its words lead nowhere.

    Raises:
        VisionError: the model that tells the meaning failed.
    """
    if not page.rows:
        return []
    matching = Matching(page, wish(question), language_of(question))
    return _Search(matching).near(question, closeness, most)


def confirmed(page: Page, question: str, hits: list[Hit], closeness: Closeness) -> list[Hit]:
    """The places that words led to, as far as their meaning agrees.

    A second place whose meaning is much farther away is left out; a place is the literal answer
    only if no other is nearer.

    Raises:
        VisionError: the model that tells the meaning failed.
    """
    places = [hit.passage for hit in hits]
    *near, nearest = _and_the_nearest(page, question, places, closeness)
    kept = [hit for hit, value in zip(hits, near, strict=True) if value >= near[0] - NEAR_ENOUGH]
    if near[0] < nearest - AGREES:
        kept[0] = replace(kept[0], is_literal=False)
    return kept


def _and_the_nearest(
    page: Page, question: str, places: Sequence[Passage], closeness: Closeness
) -> list[float]:
    """The closeness of some places, and at the end that of the page's nearest."""
    values = closeness.of(question, [*places, *page.statements])
    return [*values[: len(places)], max(values)]


class _Search:
    """Chooses among the places of a page."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._page, self._wish, self._telling = matching.page, matching.wish, matching.telling
        self._scoring, self._hits = Scoring(matching), Hits(matching)

    def hits(self, most: int) -> list[Hit]:
        """The best places, the best first."""
        if not any(self._telling):
            return hits_of_kind(self._matching)
        if self._matching.lacks_a_thing() or self._matching.names_nothing_held():
            return []
        lone = self._hits.lone_cells() or self._hits.sums_under_a_head()
        if len(lone) == 1:
            return lone
        scored = []
        for passage in self._matching.candidates():
            score = self._scoring.score(passage)
            score += self._scoring.fit(passage) if score else 0.0
            if score >= LEAST:
                scored.append((score, passage))
        # Of places that account for the same, the shortest says it best.
        scored.sort(key=lambda pair: (-round(pair[0], 3), len(pair[1].rows), pair[1].rows))
        if (
            not (scored and self._scoring.answers(scored[0][1]))
            and self._matching.is_about_the_whole()
        ):
            # "How much was the ticket": it is about the whole of it, whatever names a ticket.
            alone = hits_of_kind(self._matching)
            if alone:
                return alone
        scored = [pair for pair in scored if self._scoring.may_be_told(pair[1])]
        found: list[Hit] = []
        taken: set[int] = set()
        matching = self._matching
        best = matching.held(scored[0][1]) if scored else frozenset()
        said = matching.said(scored[0][1]) if scored else frozenset()
        for score, passage in scored:
            if score < AS_GOOD * scored[0][0] or len(found) == most:
                break
            if found and (matching.held(passage) < best or matching.said(passage) < said):
                # "The first instalment": what lacks a word of the best place is another thing.
                continue
            hit = self._hits.of(passage, score, is_first=not found)
            if found and self._is_called(found[0]) and not self._is_called(hit):
                # "Renewal date" is what was asked for; a sentence about renewing is not.
                continue
            if self._scoring.is_whole(passage, hit, 0.0):
                hit = replace(
                    hit, is_whole=True, is_literal=self._scoring.is_whole(passage, hit, LITERAL)
                )
            if not taken & set(hit.passage.rows):
                taken |= set(hit.passage.rows)
                found.append(hit)
        if self._wish.form is Form.WHEN and not OF_THE_LETTER & set(self._wish.said):
            own_date = (self._page.own_date,)
            found = [hit for hit in found if hit.passage.rows != own_date] or found
        if not found:
            return self._side_by_side()
        kinds = self._wish.kinds
        both = Kind.DATE in kinds and Kind.TIME in kinds
        return _with_its_date(self._page, found) if both else found

    def _side_by_side(self) -> list[Hit]:
        """Two places one under the other that hold all telling words together, where none does.

        "WiFi network: Seaview" over "Password: blue-92" says what the wifi password is. Only if
        there is one such pair, and the second holds what the first does not.
        """
        told = [at for at, telling in enumerate(self._telling) if telling]
        places = sorted(self._matching.candidates(), key=lambda passage: passage.rows)
        found = []
        for first, second in pairwise(places):
            one, other = (self._matching.held(each) for each in (first, second))
            together = all(at in one or at in other for at in told)
            near = second.rows[0] - first.rows[-1] == 1
            if together and near and not other <= one and not one <= other:
                rows = dict.fromkeys((*first.rows, *second.rows))
                found.append(Hit(LEAST, self._page.passage(*rows)))
        return found if len(found) == 1 else []

    def near(self, question: str, closeness: Closeness, most: int) -> list[Hit]:
        """The places that are nearest in meaning and look like the answer, the nearest first."""
        places = self._matching.candidates()
        near = sorted(
            (
                (value + NEAR_FITS * self._scoring.fit(passage), passage)
                for value, passage in zip(closeness.of(question, places), places, strict=True)
            ),
            key=lambda pair: -pair[0],
        )
        near = [pair for pair in near if self._is_no_neighbour(*pair)]
        found: list[Hit] = []
        for value, passage in near:
            if value < NEAREST or value < near[0][0] - AGREES or len(found) == most:
                break
            hit = self._hits.of(passage, LEAST, is_first=False)
            if not any(set(hit.passage.rows) & set(other.passage.rows) for other in found):
                found.append(hit)
        return found

    def _is_no_neighbour(self, value: float, passage: Passage) -> bool:
        """False for a place that is near in meaning, but names another thing or lacks the value.

        value: its closeness, with what the look of an answer counts.
        """
        fit = self._scoring.fit(passage)
        closeness = value - NEAR_FITS * fit
        if (
            self._matching.lacks_a_thing()
            or Kind.MONEY in self._wish.kinds
            and self._matching.unheld()
        ):
            return closeness >= SAME_THING
        if self._wish.form is Form.WHO:
            return fit >= 0 and (not self._matching.unheld() or closeness >= SAME_THING)
        if self._wish.form is Form.WHEN:
            return fit >= 0 and (not self._matching.unheld() or closeness >= NEAREST)
        return fit >= 0 or not self._wish.kinds or closeness >= CLOSE_WITHOUT_VALUE

    def _is_called(self, hit: Hit) -> bool:
        """True for a value whose whole label the question names."""
        if hit.value is None or not hit.value.left:
            return False
        label = [word for word in words(hit.value.left) if not is_empty(word)]
        printed = [w for w in content_words(" ".join(label)) if w not in KIND_WORDS]
        return bool(printed) and all(best_match(word, self._wish.said) > 0 for word in printed)


def _with_its_date(page: Page, hits: list[Hit]) -> list[Hit]:
    """To an hour belongs its day: the only date of the page, where the hour stands without one."""
    told = {row for hit in hits for row in hit.passage.rows}
    held = {place.token.kind for row in told for place in page.places_in(row)}
    dates = page.places_of(Kind.DATE)
    if not hits or Kind.TIME not in held or held & {Kind.DATE, Kind.PHONE}:
        # The hours of a telephone are those of every day.
        return hits
    if len({place.token.text for place in dates}) != 1:
        return hits
    return [Hit(hits[0].score, page.passage(dates[0].row)), *hits[:1]]
