"""What a model with few skills may be asked, what its folder says of it, and when it declines."""

import json
from pathlib import Path

import pytest

from assistant.errors import VisionError
from assistant.inference.pocket import own_wording
from assistant.inference.vision_model import declines, read_skills
from assistant.text.words import bare_words
from models.pocket.questions import all_questions


def test_every_pocket_question_finds_its_own_wording() -> None:
    for number, question in enumerate(all_questions()):
        if number % 7 == 0:  # all of them take seconds
            asked = own_wording(bare_words(question))
            assert asked is not None, question
            assert own_wording(asked.wording) == asked


@pytest.mark.parametrize(
    ("question", "wording", "skill"),
    [
        ("How many red circles are there?", "how many red circles are there", "count"),
        (
            "Please, which is larger: the cup or the fish?",
            "which is larger the cup or the fish",
            "compare",
        ),
        ("Which is larger, the cup or the cup?", None, ""),
        ("What is the title of the book?", "what is the title of the book", "title"),
        ("how strong is it", "how strong is it", "field"),
        ("what colour are the chairs", None, ""),
        ("how many red are there", None, ""),
    ],
)
def test_names_are_found_in_questions(question: str, wording: str | None, skill: str) -> None:
    asked = own_wording(bare_words(question))
    assert (None if asked is None else asked.wording) == wording
    assert asked is None or asked.skill == skill


def test_declines() -> None:
    assert declines("I can\u2019t tell") and declines(" ")
    assert not declines("I can see a cat")


def test_skills_of_a_folder(tmp_path: Path) -> None:
    config, skills = tmp_path / "config.json", tmp_path / "skills.json"
    config.write_text(json.dumps({"hidden_size": 4096}))
    assert read_skills(tmp_path) is None
    config.write_text(json.dumps({"hidden_size": 256}))
    assert read_skills(tmp_path) == {"colour": None, "count": None, "word": None}
    skills.write_text(json.dumps({"skills": {"colour": {"accuracy": 0.97}}}))
    assert read_skills(tmp_path) == {"colour": 0.97}
    skills.write_text(json.dumps({"skills": {"colour": {"accuracy": None}}}))
    assert read_skills(tmp_path) == {"colour": None}
    for damaged in ("[1]", *(f'{{"colour": {{"accuracy": {x}}}}}' for x in ("97", "NaN", "true"))):
        skills.write_text(f'{{"skills": {damaged}}}')
        with pytest.raises(VisionError, match=r"skills.json: is damaged"):
            read_skills(tmp_path)
