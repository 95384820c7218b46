"""Until when something is good, and whether that day has passed."""

import itertools
import re
from collections.abc import Sequence

from assistant.answers import Answer, Detail, Note, NoteKind
from assistant.skills import quote
from assistant.skills.dating import LABELS, MOST_DATES, as_dates, judgement, verdict
from assistant.skills.quoting import TURN_PACKAGE, ended, listed, not_found, way_of
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.date_roles import Dated, dated
from assistant.text.page import Page
from assistant.text.tokens import Kind


class Expiry:
    """Dates behind an expiry label; a date without any label is told as that."""

    name = "expiry"
    wordings = (
        Wording(
            heard="<is> the (expiry | expiration | best before | use by) date "
            "[on this | of this | here]",
            typed=(
                r"\bexpir|\bbest before|\buse by\b|\bstill good\b|\b(?:go(?:es|ne)?|went) off\b"
                r"|\bruns? out\b(?! of)|\bgood (?:till|until)\b|\buntil when\b.*\b"
                r"(?:good|valid|ok|used?|eaten?|eat|consumed?|keeps?)\b|\bout of date\b"
                r"|\bpast (?:its|the) date\b|^(?!what (?:is|are) .*\bgood for$).*\bgood for\b"
                r"|\bstill (?:running|valid|in date|in force)\b"
                r"|\b(?:is|are) (?:it|this|they|these|my \w+) (?:in|out of) date\b"
                r"|\bstill (?:eat|use|drink|take|have|keep|give) (?:it|this|them|these|that)\b"
                r"|\bsell by\b|\bstill (?:ok|okay|fresh|safe)\b"
            ),
        ),
        Wording(heard="when does (this | it | the milk | the food | the medicine) expire"),
        Wording(heard="(has | is) (this | it) expired"),
        Wording(heard="is (this | it) still good"),
    )
    traits = Traits(gives=frozenset({Kind.DATE, Kind.TIME}), rank=26, text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The expiry dates with what today makes of them."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        dates = dated(page, LABELS)
        labelled = [each for each in dates if each.role == "expiry"]
        if labelled:
            first = labelled[0]
            notes = (*judgement(first, asked), *(_further(labelled)))
            return as_dates(self.name, labelled[:MOST_DATES], *notes)
        if _has_an_hour(page):
            return quote.SKILL.find(asked, scene)
        until = _end_of_a_span(page, dates)
        if until is not None and re.search(_VALID, asked.words):
            return as_dates(self.name, [until])
        bare = [each for each in dates if each.role == "" and not _is_of_something(each)]
        if len(bare) == 1 and len(dates) == 1:
            return as_dates(self.name, bare, Note(NoteKind.NO_LABEL), *judgement(bare[0], asked))
        return not_found(self.name, "expiry date")

    def say(self, answer: Answer, detail: Detail) -> str:
        """The date as it stands, and whether it has passed."""
        if not answer.found:
            missing = answer.note(NoteKind.NOT_FOUND)
            way_out = way_of(answer, TURN_PACKAGE)
            told = f"I can't tell: I find no expiry date in the text. {way_out}"
            return told if missing else ""
        return " ".join(filter(None, (_dates(answer, detail), verdict(answer))))


_VALID = r"\bvalid\b|\buntil\b|\btill\b|\bruns? out\b|\bin force\b|\blasts?\b|\bend\b"
_LOT = re.compile(r"\b(?:lot|batch|ch\.?-?b|charge|l)\b|\d", re.IGNORECASE)


def _is_of_something(each: Dated) -> bool:
    """True for a date behind words that name no role: it is that thing's, or that person's."""
    label = each.place.left
    return bool(re.search(r"[^\W\d_]{3}", label)) and not _LOT.search(label)


def _end_of_a_span(page: Page, dates: Sequence[Dated]) -> Dated | None:
    """The second date of the only "from ... to ..." of a page; or None."""
    ends = []
    for first, second in itertools.pairwise(dates):
        text = page.rows[first.place.row].text
        joined = rf"{re.escape(first.printed.text)}\s*(?:{_TO})\s*{re.escape(second.printed.text)}"
        if first.place.row == second.place.row and re.search(joined, text, re.IGNORECASE):
            ends.append(second)
    return ends[0] if len(ends) == 1 else None


_TO = (
    r"to|until|till?|through|thru|[-–—]|bis(?: zum)?|au|jusqu'au|al?|hasta(?: el)?|t/?m|tot|at[ée]"
)


def _has_an_hour(page: Page) -> bool:
    """True where an expiry label stands at a time of the day, as on a parking ticket."""
    times = page.places_of(Kind.TIME)
    return any(LABELS.role(each.label) == "expiry" for each in times)


def _dates(answer: Answer, detail: Detail) -> str:
    if answer.note(NoteKind.NO_LABEL):
        return f"I read a date without a label: {answer.values[0]}."
    if detail is Detail.SHORT:
        return ended(listed(answer))
    if len(answer.found) == 1:
        return f"The expiry date is {answer.values[0]}."
    return ended(f"Expiry dates: {listed(answer)}")


def _further(labelled: Sequence[Dated]) -> tuple[Note, ...]:
    return (Note(NoteKind.MORE),) if len(labelled) > MOST_DATES else ()


SKILL = Expiry()
