"""A small image-text model as the assistant asks it: what it is asked, when, and on what basis."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.answers import Basis
from assistant.errors import VisionError
from assistant.inference.opening import ModelOpener
from assistant.inference.vision_model import (
    LocalVisionModel,
    needs_detail,
    photograph_accuracy,
    read_photographs,
    read_skills,
)
from assistant.seeing.text import TextPart
from assistant.skills.answerer import Answerer
from assistant.skills.router import understand
from assistant.stopwatch import Stopwatch
from tests.image_text_models import write_idefics3


class NoText:
    """Recognition that finds nothing."""

    def load(self) -> None:
        pass

    def read(self, rgb: Any) -> tuple[()]:
        return ()

    def parts(self, rgb: Any, **more: Any) -> Iterator[TextPart]:
        yield TextPart((), 0)


class Counted(LocalVisionModel):
    """A local model that keeps what it was asked to do."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.looks, self.closer = 0, 0

    def look(self, rgb: Any) -> Any:
        self.looks += 1
        return super().look(rgb)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_idefics3(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalVisionModel:
    return LocalVisionModel(folder)


@pytest.fixture(scope="module")
def photograph() -> Any:
    """Something colourful, sharp and well lit that is nothing in particular, (240, 320, 3)."""
    noise = np.random.default_rng(4).integers(40, 220, (30, 40, 3), dtype=np.uint8)
    return np.kron(noise, np.ones((8, 8, 1), np.uint8))


def answerer_of(model: Any) -> Answerer:
    return Answerer(NoText(), lambda: model, Stopwatch())


def test_the_folder_decides_what_is_opened(folder: Path, tmp_path: Path) -> None:
    opened = ModelOpener(str(folder)).open()
    assert opened.skills is None and opened.name.endswith(folder.name)
    for each in folder.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    raw = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(raw["text_config"]))
    with pytest.raises(VisionError):
        ModelOpener(str(tmp_path)).open()


def test_it_answers_in_pieces_that_are_only_guesses(
    model: LocalVisionModel, photograph: Any
) -> None:
    answer = answerer_of(model).answer(photograph, "What is in front of me?")
    assert answer.model == model.name and answer.found
    assert answer.basis is Basis.GUESS


class Sure:
    """A general model that is sure of everything, with a record of photographs or without."""

    name, skills = "sure/int4", None

    def __init__(self, photographs: dict[str, float]) -> None:
        self.photographs = photographs

    def look(self, rgb: Any) -> str:
        return "seen"

    def answer(self, scene: Any, question: str) -> Iterator[Any]:
        class Token:
            text, probability = "a red cup on a table", 1.0

        yield Token()


@pytest.mark.parametrize(
    ("photographs", "basis"),
    [
        ({}, Basis.GUESS),
        ({"count": 0.95}, Basis.GUESS),
        ({"describe": 0.6}, Basis.GUESS),
        ({"describe": 0.9}, Basis.SEEN),
    ],
)
def test_seen_is_what_was_measured_on_photographs(
    photograph: Any, photographs: dict[str, float], basis: Basis
) -> None:
    answer = answerer_of(Sure(photographs)).answer(photograph, "What is in front of me?")
    assert answer.values == ("a red cup on a table",) and answer.basis is basis


@pytest.mark.parametrize("fault", ["black", "white", "dark", "blurred"])
def test_a_spoilt_picture_never_reaches_it(folder: Path, photograph: Any, fault: str) -> None:
    spoilt = {
        "black": np.zeros_like(photograph),
        "white": np.full_like(photograph, 255),
        "dark": photograph // 40,
        "blurred": np.tile(np.linspace(90, 140, 320).astype(np.uint8)[None, :, None], (240, 1, 3)),
    }[fault]
    model = Counted(folder)
    for question in ("What is in front of me?", "How many people are there?"):
        answer = answerer_of(model).answer(spoilt, question)
        assert answer.basis is Basis.UNKNOWN and not answer.found
    answerer_of(model).look_ahead(answerer_of(model).scene(spoilt))
    assert model.looks == 0


def test_whoever_stops_listening_gets_no_more(model: LocalVisionModel, photograph: Any) -> None:
    answering = answerer_of(model)
    heard = 0

    def cancelled() -> bool:
        return heard > 0

    chat, real = model._chat, model._chat.answer
    given: list[str] = []

    def counted(*args: Any, **more: Any) -> Iterator[Any]:
        nonlocal heard
        for token in real(*args, **more):
            heard += 1
            given.append(token.text)
            yield token

    chat.answer = counted  # type: ignore[method-assign]
    try:
        asked = understand("What is in front of me?")
        pieces = answering.answers(answering.scene(photograph), asked, cancelled=cancelled)
        assert list(pieces) == [] or all(not isinstance(piece, str) for piece in pieces)
    finally:
        chat.answer = real  # type: ignore[method-assign]
    assert len(given) == 1, "the token that was being computed, and no other"


def test_it_looks_closer_only_where_details_matter(
    model: LocalVisionModel, photograph: Any
) -> None:
    looked = model.look(photograph)
    scene = looked.handle
    list(model.answer(looked, "What is in front of me?"))
    assert set(scene.looks) == {False}
    list(model.answer(looked, "What does the sign say?"))
    assert set(scene.looks) == {False, True}
    few, many = (scene.looks[detailed].marks.count("<image>") for detailed in (False, True))
    assert many == 5 * few


@pytest.mark.parametrize(
    ("question", "closer"),
    [
        ("what is in front of me", False),
        ("describe the room", False),
        ("is the light on", False),
        ("what colour is the car", False),
        ("who is there", False),
        ("how many people are there", True),
        ("What does the sign say?", True),
        ("read the label", True),
        ("what is the bus number", True),
        ("describe it in detail", True),
        ("is there anything written on the door", True),
    ],
)
def test_questions_about_small_things(question: str, closer: bool) -> None:
    assert needs_detail(question) is closer


def test_a_record_of_photographs_makes_no_small_model(folder: Path, tmp_path: Path) -> None:
    assert read_photographs(tmp_path) == {}
    (tmp_path / "config.json").write_text('{"hidden_size": 4096}')
    path = tmp_path / "skills.json"
    path.write_text('{"photographs": {"describe": {"accuracy": 0.8}, "count": {"accuracy": null}}}')
    assert read_photographs(tmp_path) == {"describe": 0.8} and read_skills(tmp_path) is None
    assert photograph_accuracy(Sure({"describe": 0.8}), "describe") == 0.8
    assert photograph_accuracy(Sure({}), "describe") == 0.0
    path.write_text('{"photographs": {"describe": {"accuracy": 8}}}')
    with pytest.raises(VisionError, match=r"skills.json: is damaged"):
        read_photographs(tmp_path)
