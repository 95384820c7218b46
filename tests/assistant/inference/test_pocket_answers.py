"""The shipped int4 model behind `assistant ask`, from picture file to answer and basis."""

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from assistant.cli import main
from models.pocket import pocket_int4_folder
from models.pocket.training.pictures import Split, render

pytestmark = pytest.mark.usefixtures("offline")


def ask(capsys: pytest.CaptureFixture[str], picture: Path, question: str) -> dict:
    assert main(["ask", str(picture), question, "--json", "--no-speech"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("skill", ["count", "colour"])
def test_drawn_shapes_are_counted_and_named(
    skill: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = []
    for seed in range(50_000_000, 50_000_008):
        example = render(seed, Split.HELD_OUT, skill)
        picture = tmp_path / f"{seed}.png"
        Image.fromarray(example.rgb).save(picture)
        pair = next(pair for pair in example.questions if pair.skill == skill)
        answer = ask(capsys, picture, pair.question)
        assert answer["basis"] in {"seen", "guess", "unknown"}
        assert answer["model"] == "pocket/int4"
        right.append(answer["answer"] == pair.answer)
        if right[-1]:
            assert set(answer["timings_ms"]) >= {"quality", "load_model", "look", "answer"}
    skills = json.loads((pocket_int4_folder() / "skills.json").read_text())["skills"]
    share = skills[skill]["accuracy"]
    assert sum(right) >= 8 * share - 3 * math.sqrt(8 * share * (1 - share)) - 0.5


def test_a_question_beyond_the_model_is_declined_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "scene.png"
    Image.fromarray(render(50_000_000, Split.HELD_OUT, "count").rgb).save(picture)
    answer = ask(capsys, picture, "what is the person in the picture doing")
    assert answer["basis"] == "unknown"
    assert answer["answer"].startswith("I can't tell")


def test_a_photograph_sized_picture_gets_a_guess_at_most(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = render(50_000_001, Split.HELD_OUT, "colour")
    picture = tmp_path / "large.png"
    Image.fromarray(example.rgb).resize((1024, 1024)).save(picture)
    answer = ask(capsys, picture, example.questions[0].question)
    assert answer["basis"] in {"guess", "unknown"}
