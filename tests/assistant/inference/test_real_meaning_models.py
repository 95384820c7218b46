"""The models of the catalog that tell meanings, pulled and asked for real."""

from pathlib import Path

import pytest

from assistant.answers import Basis
from assistant.errors import DownloadError
from assistant.inference.cross_encoder import CrossEncoder
from assistant.inference.sentence_embedder import SentenceEmbedder
from assistant.models_store.installed import (
    faults,
    installed_embedder,
    installed_relevance_model,
)
from assistant.models_store.pulling import pull
from assistant.text.meaning_models import MeaningModels
from models.catalog import find_model
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

pytestmark = [pytest.mark.slow, pytest.mark.network]

LEAFLET = (
    "Avoid alcohol while you take this medicine, also the day after it.",
    "Take one tablet twice a day with a glass of water and some food.",
    "Goods once sold are not taken back by any shop of this pharmacy.",
)


def pulled(name: str) -> Path:
    model = find_model(name)
    try:
        folder = pull(model, lambda said: None)
    except DownloadError as error:
        pytest.skip(f"the index does not answer: {error}")
    assert list(faults(model)) == []
    assert not list(folder.rglob("*.py"))
    return folder


def test_vectors_lie_near_what_means_the_same() -> None:
    folder = pulled("minilm")
    assert installed_embedder() == folder
    embed = SentenceEmbedder(folder)
    near = embed(LEAFLET) @ embed(["can I have a beer with it"])[0]
    assert near.argmax() == 0


def test_a_place_is_ranked_by_whether_it_answers() -> None:
    folder = pulled("ms-marco-minilm")
    assert installed_relevance_model() == folder
    rank = CrossEncoder(folder)
    asked = {"can I have a beer with it": 0, "how often do I swallow one": 1, "may I return it": 2}
    for question, answered_by in asked.items():
        assert rank(question, LEAFLET).argmax() == answered_by
    # For what has nothing to do with any of them, it is likelier that nothing answers.
    assert rank("who painted the ceiling", LEAFLET).max() < 0
    talk = Talk(page(*LEAFLET), MeaningModels(rank=lambda: rank))
    answer = talk.ask("may I return it")
    assert answer.basis is Basis.GUESS
    assert [each.value for each in answer.found] == [LEAFLET[2]]
