"""A question without a word of the page finds its line where a model tells meanings."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.text.closeness import Closeness
from assistant.text.page import Page
from assistant.text.retrieval import confirmed, places_for, places_near
from tests.assistant.skills.test_values import Scene

ABOUT = {"alcohol": 0, "pint": 0, "fridge": 1, "cold": 1, "doctor": 2}
"""A model that knows five words and what each is about."""


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """A unit vector a text: what it is about, or something that is like nothing else."""
    vectors = np.zeros((len(texts), 64), dtype=np.float32)
    for row, text in enumerate(texts):
        found = [place for word, place in ABOUT.items() if word in text.lower()]
        vectors[row, found[0] if found else 8 + sum(map(ord, text)) % 56] = 1.0
    return vectors


LEAFLET = ("Avoid alcohol during treatment.", "Store in a fridge.", "Ask your doctor first.")


def page() -> Page:
    """A leaflet of three sentences."""
    return Scene(*LEAFLET).page()


def test_words_alone_lead_nowhere_and_meaning_does() -> None:
    leaflet = page()
    assert places_for(leaflet, "can I have a pint with it") == []
    found = places_near(leaflet, "can I have a pint with it", Closeness(leaflet, embed))
    assert [hit.passage.text for hit in found][:1] == ["Avoid alcohol during treatment."]
    assert not found[0].is_whole and not found[0].is_literal


def test_what_is_near_nothing_finds_nothing() -> None:
    leaflet = page()
    assert places_near(leaflet, "what is the captain's name", Closeness(leaflet, embed)) == []


def test_a_place_is_embedded_once() -> None:
    asked: list[str] = []

    def counting(texts: Sequence[str]) -> NDArray[np.float32]:
        asked.extend(texts)
        return embed(texts)

    leaflet = page()
    closeness = Closeness(leaflet, counting)
    places_near(leaflet, "may I drink a pint", closeness)
    places_near(leaflet, "does it need the cold", closeness)
    assert len(asked) == len(set(asked)) == len(LEAFLET) + 2


def test_what_words_say_is_sure_only_where_no_other_place_is_nearer() -> None:
    leaflet = page()
    by_words = places_for(leaflet, "what about the doctor")
    assert by_words
    kept = confirmed(leaflet, "what about the doctor", by_words, Closeness(leaflet, embed))
    assert kept[0].is_literal == by_words[0].is_literal
    swayed = confirmed(leaflet, "does a pint matter to the", by_words, Closeness(leaflet, embed))
    assert not swayed[0].is_literal
