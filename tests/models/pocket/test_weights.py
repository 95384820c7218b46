"""The weights that ship: present, small, and as good as their card says."""

import json
import math
from pathlib import Path

import pytest

from models.generate import PictureChat
from models.int4 import Int4Linear
from models.loading import load_model
from models.pocket import pocket_bf16_folder, pocket_int4_folder
from models.pocket.training.pictures import SKILLS, Split, render
from quantizer.evaluate.pictures import normalize

RESULTS = Path(__file__).parents[3] / "scripts" / "results"
MODELS = [("bf16", pocket_bf16_folder()), ("rpiq", pocket_int4_folder())]
FIRST_SEED = 40_000_000  # neither trained on, nor in the card's or the demo's pictures


def answers(folder: Path, pictures: int) -> dict[str, list[bool]]:
    chat = PictureChat(load_model(folder))
    right: dict[str, list[bool]] = {skill: [] for skill in SKILLS}
    for seed in range(FIRST_SEED, FIRST_SEED + pictures):
        example = render(seed, Split.HELD_OUT)
        scene = chat.look(example.rgb)
        for pair in example.questions:
            said = "".join(token.text for token in chat.answer(scene, pair.question))
            right[pair.skill].append(normalize(said) == normalize(pair.answer))
    return right


_SLOW = pytest.mark.slow  # the same pictures; what people use is the small one


@pytest.mark.parametrize(
    ("name", "folder"),
    [pytest.param(*each, id=each[0], marks=_SLOW if each[0] == "bf16" else ()) for each in MODELS],
)
def test_unseen_pictures_are_answered_as_the_card_says(name: str, folder: Path) -> None:
    """A fault in loading, drawing or answering costs far more than four standard errors."""
    told = json.loads((RESULTS / f"pocket_{name}.json").read_text())["skills"]
    for skill, right in answers(folder, pictures=40).items():
        share = told[skill]["value"]
        # Questions about one picture stand or fall together, so they count as one third each.
        error = math.sqrt(max(share * (1 - share), 0.02) * 3 / max(len(right), 1))
        assert sum(right) / max(len(right), 1) >= min(share - 4 * error, 1.0) or not right, skill


def test_the_card_and_skills_are_those_of_the_recorded_evaluation() -> None:
    card = (pocket_int4_folder().parent / "CARD.md").read_text()
    for name, folder in MODELS:
        result = json.loads((RESULTS / f"pocket_{name}.json").read_text())["skills"]
        stated = json.loads((folder / "skills.json").read_text())["skills"]
        for skill in SKILLS:
            value = result[skill]["value"]
            assert stated[skill]["accuracy"] == pytest.approx(value, abs=1e-4)
            assert f"{value:.1%} (" in card


def test_int4_weights_are_int4_and_both_fit_in_17_megabytes() -> None:
    layers = [
        m for m in load_model(pocket_int4_folder()).model.modules() if isinstance(m, Int4Linear)
    ]
    assert len(layers) == 40
    folder = pocket_int4_folder().parent
    assert sum(file.stat().st_size for file in folder.rglob("*.safetensors")) <= 17_000_000
