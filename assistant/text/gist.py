"""What a text is about, in its own words: its title and the places that say most.

No sentence is made: places are chosen, and stand in the order of the page. A place says much if it
holds words that the text comes back to, and values; the first is its title. Counting words is the
oldest way to choose them (Luhn 1958, https://doi.org/10.1147/rd.22.0159), and one that cannot
invent.
"""

from collections import Counter
from collections.abc import Sequence

from assistant.text.meaning import content_words, stem
from assistant.text.page import Page, Passage
from assistant.text.tokens import Kind

MOST = 3
"""Places that are quoted; more cannot be kept in mind by ear."""

LONGEST = 45
"""Words of a place; a longer one is no gist."""

SHORTEST = 2
"""Content words of a place beside the title."""

VALUE_WORTH = 3.0
"""What an amount, a day or an hour of a place is worth beside its words."""

_VALUES = (Kind.MONEY, Kind.DATE, Kind.TIME)


def gist(page: Page, title: Passage | None = None, most: int = MOST) -> tuple[Passage, ...]:
    """The places that say most, in the order of the page; all of them where they are few.

    title: what the page says it is about, where it does; else the first place stands for it.
    """
    places = [place for place in page.statements if content_words(place.text)]
    if title is not None:
        # What stands over it, such as a letter's head, says nothing of the matter.
        below = [each for each in places if each.rows[0] > title.rows[-1]]
        places = [title, *below]
    if len(places) <= most:
        return tuple(places)
    counts = Counter(word for place in places for word in set(_stems(place)))
    rest = sorted(
        (
            number
            for number, place in enumerate(places[1:], start=1)
            if len(content_words(place.text)) >= SHORTEST and len(place.text.split()) <= LONGEST
        ),
        key=lambda number: -_worth(page, places[number], counts),
    )
    chosen = {0, *rest[: most - 1]}
    return tuple(place for number, place in enumerate(places) if number in chosen)


def _worth(page: Page, place: Passage, counts: Counter[str]) -> float:
    own = _stems(place)
    # A word that stands in one place only says nothing of the whole.
    shared = sum(counts[word] - 1 for word in own)
    held = {value.token.kind for row in place.rows for value in page.places_in(row)}
    valued = VALUE_WORTH * len(held.intersection(_VALUES))
    return float((shared + valued) / (len(own) + 3) ** 0.5)


def _stems(place: Passage) -> Sequence[str]:
    return [stem(word) for word in content_words(place.text) if not word[0].isdigit()]
