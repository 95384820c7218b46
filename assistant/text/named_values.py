"""Which of several values a question names: by the label, by the head, by the day."""

import re
from collections.abc import Sequence

from assistant.text.calendar_names import weekday, weekdays
from assistant.text.fitting import is_clock
from assistant.text.meaning import best_match, content_words, says_opposite, words
from assistant.text.page import Place
from assistant.text.tokens import Kind

LONGEST_NAME = 4
"""Words of a label that names one of several values in a row."""

_SPAN_MARK = r"\s*(?:[-–—]|to|until|bis|à|au|al|a|tot|até)\s*"


def is_of_a_span(place: Place) -> bool:
    """True for an end of "7.00 - 10.30": neither may be told alone."""
    text, token = place.line.text, place.token
    if token.kind not in (Kind.TIME, Kind.DATE) and not is_clock(place):
        return False
    before = re.search(rf"\d(?: ?[ap]\.?m\.?| ?uhr| ?h)?{_SPAN_MARK}$", text[: token.start], re.I)
    return before is not None or re.match(rf"{_SPAN_MARK}\d", text[token.end :], re.I) is not None


def named_of(here: Sequence[Place], asked: Sequence[str]) -> Place | None:
    """The one of several values whose head, or whose own short label, the question names.

    What a label says against the question, or of another day than the one that is asked for,
    leaves it out.
    """
    days = {day for day in map(weekday, asked) if day is not None}
    of_days = [place for place in here if days & weekdays(place.left)]
    if days and of_days and len(of_days) < len(here) and len({p.left for p in here}) == len(here):
        later = [place for place in here if not weekdays(place.left) and place not in of_days]
        here = of_days if not later else here
    here = [place for place in here if not says_opposite(asked, words(place.left))]
    if len(here) == 1:
        return here[0] if likeness(asked, here[0].label) > (0.0, 0.0) else None
    if not here:
        return None
    for names in ([place.head for place in here], [place.left for place in here]):
        if any(len(words(name)) > LONGEST_NAME for name in names):
            continue
        scores = [likeness(asked, name) for name in names]
        best = max(scores)
        if best > (0.0, 0.0) and scores.count(best) == 1:
            return here[scores.index(best)]
    return None


def are_labelled(places: Sequence[Place]) -> bool:
    """True for "Pick up 22:47, drop off 23:05": values with a label of their own each."""
    labels = [place.left for place in places]
    return all(map(content_words, labels)) and len(set(labels)) == len(labels)


def likeness(asked: Sequence[str], name: str) -> tuple[float, float]:
    """How many of the asked words a name holds, and how much of the name they are."""
    printed = words(name)
    held = sum(best_match(word, printed) for word in asked)
    own = sum(best_match(word, asked) > 0 for word in printed) / max(1, len(printed))
    return (round(held, 3), own) if held else (0.0, 0.0)
