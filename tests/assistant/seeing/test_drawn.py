"""Photographs that were made small are not taken for the drawings that a model was measured on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assistant.answers import Basis
from assistant.seeing.drawn import looks_drawn
from assistant.skills.answerer import Answerer
from assistant.stopwatch import Stopwatch
from models.pocket.questions import Split
from models.pocket.training.pictures import render
from tests.assistant.skills.test_answerer import FakeModel, FakeReader

PHOTOGRAPHS = ("darknet/dog.jpg", "darknet/eagle.jpg", "cogvlm2/demo.jpg", "fsc147/orange.jpg")


def small(path: Path, side: int = 192) -> Any:
    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
        rgb.thumbnail((side, side))
        return np.asarray(rgb)


@pytest.mark.weights
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_what_a_model_of_drawings_says_of_a_photograph_is_a_guess(
    data_dir: Path, name: str
) -> None:
    """Whatever its size, and however sure the model is."""
    model = FakeModel("3", 0.99, {"count": 0.97, "colour": 0.97})
    answerer = Answerer(FakeReader([]), lambda: model, Stopwatch())  # type: ignore[arg-type]
    for side in (1000, 192, 96):
        rgb = small(data_dir / "vision" / name, side)
        assert not looks_drawn(rgb) or side > 192
        answer = answerer.answer(rgb, "How many cups are there?")
        assert answer.values == ("3",) and answer.basis is Basis.GUESS


def test_drawings_are_known_as_such_with_what_the_camera_adds() -> None:
    drawn = [
        looks_drawn(render(seed, Split.TRAIN, skill).rgb)
        for skill in ("colour", "count")
        for seed in range(500, 515)
    ]
    assert sum(drawn) >= 0.7 * len(drawn)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 50, 3), (50, 2, 3)])
def test_what_is_too_small_to_tell_is_no_drawing(shape: tuple[int, ...]) -> None:
    assert not looks_drawn(np.zeros(shape, np.uint8))
