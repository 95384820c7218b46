"""The weights that ship: present, small, and as good as their card says."""

import json
from pathlib import Path

import pytest

from models.generate import PictureChat
from models.int4 import Int4Linear
from models.loading import load_model
from models.pocket import pocket_bf16_folder, pocket_int4_folder
from models.pocket.pictures import SKILLS, Split, render

RESULTS = Path(__file__).parents[2] / "scripts" / "results"
FIRST_SEED = 40_000_000  # neither trained on, nor in the card's or the demo's pictures


def accuracies(folder: Path, pictures: int) -> dict[str, float]:
    chat = PictureChat(load_model(folder))
    right: dict[str, list[bool]] = {skill: [] for skill in SKILLS}
    for seed in range(FIRST_SEED, FIRST_SEED + pictures):
        example = render(seed, Split.HELD_OUT)
        scene = chat.look(example.rgb)
        for pair in example.questions:
            said = "".join(token.text for token in chat.answer(scene, pair.question))
            right[pair.skill].append(said == pair.answer)
    return {skill: sum(marks) / len(marks) for skill, marks in right.items()}


@pytest.mark.parametrize(
    "folder", [pocket_bf16_folder(), pocket_int4_folder()], ids=["bf16", "int4"]
)
def test_unseen_pictures_are_answered_as_the_card_says(folder: Path) -> None:
    """About 180 questions; the bounds lie three standard errors below the card's figures."""
    measured = accuracies(folder, pictures=60)
    assert measured["colour"] >= 0.95
    assert measured["count"] >= 0.85
    assert measured["word"] >= 0.50
    assert measured["decline"] >= 0.95


def test_the_card_and_skills_are_those_of_the_recorded_evaluation() -> None:
    card = (pocket_int4_folder().parent / "CARD.md").read_text()
    for name, folder in (("bf16", pocket_bf16_folder()), ("int4", pocket_int4_folder())):
        result = json.loads((RESULTS / f"pocket_{name}.json").read_text())["skills"]
        stated = json.loads((folder / "skills.json").read_text())["skills"]
        for skill in SKILLS:
            value = result[skill]["value"]
            assert stated[skill]["accuracy"] == pytest.approx(value, abs=1e-4)
            assert f"{value:.1%} (" in card


def test_int4_weights_are_int4_and_both_fit_in_16_megabytes() -> None:
    layers = [
        m for m in load_model(pocket_int4_folder()).model.modules() if isinstance(m, Int4Linear)
    ]
    assert len(layers) == 40
    folder = pocket_int4_folder().parent
    assert sum(file.stat().st_size for file in folder.rglob("*.safetensors")) <= 16_000_000
