"""Synthetic pictures with questions, answers and dense labels, for the pocket model.

A picture shows objects to name, count or compare, or text to read, or nothing that could be told.
Everything follows from (seed, split, skill, difficulty), so a data set is a range of integers.
What a picture shows is drawn in `drawing`; this module chooses it and takes the photograph.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.pocket.questions import SKILLS, Ask, Split
from models.pocket.training.drawing.camera import photograph
from models.pocket.training.drawing.canvas import SIZE, Example, QuestionAnswer, Scene
from models.pocket.training.drawing.colouring import draw_colour
from models.pocket.training.drawing.comparing import draw_comparison
from models.pocket.training.drawing.counting import draw_count
from models.pocket.training.drawing.covers import draw_cover
from models.pocket.training.drawing.declining import draw_decline
from models.pocket.training.drawing.papers import draw_paper
from models.pocket.training.drawing.words import draw_lines_scene, draw_word_scene

__all__ = [
    "SHARES",
    "SIZE",
    "SKILLS",
    "Example",
    "QuestionAnswer",
    "Split",
    "render",
    "write_dataset",
]

# Of pictures, where the caller names no skill. Covers are asked for title, author and category
# together, so these three share the pictures of one kind.
SHARES: dict[str, float] = {
    "colour": 0.12,
    "count": 0.22,
    "compare": 0.08,
    "word": 0.22,
    "lines": 0.08,
    "title": 0.05,
    "author": 0.05,
    "category": 0.04,
    "field": 0.06,
    "decline": 0.08,
}

_Draw = Callable[[random.Random, np.random.Generator, Split, float], Scene]

_SCENES: dict[str, _Draw] = {
    "colour": draw_colour,
    "count": draw_count,
    "compare": draw_comparison,
    "word": draw_word_scene,
    "lines": draw_lines_scene,
    "title": draw_cover,
    "author": partial(draw_cover, wanted=Ask.AUTHOR),
    "category": partial(draw_cover, wanted=Ask.CATEGORY),
    "field": draw_paper,
    "decline": draw_decline,
}


def render(
    seed: int,
    split: Split,
    skill: str | None = None,
    difficulty: float = 1.0,
    *,
    thorough: bool = False,
) -> Example:
    """Draw one picture with its questions; the same arguments always give the same picture.

    Args:
        seed: any integer.
        split: HELD_OUT takes fonts, words, objects and some wordings that TRAIN never has.
        skill: one of SKILLS, which most of the questions then need; None draws it by SHARES.
        difficulty: 0..1 scales clutter, noise, rotation, numbers, and the length and size of text.
        thorough: ask more about the same picture, as training does.

    Raises:
        ValueError: the skill is unknown or the difficulty outside 0..1.
        FontsError: a font of the split is not installed.
    """
    if skill is not None and skill not in SKILLS:
        raise ValueError(f"skill {skill!r} is none of {', '.join(SKILLS)}")
    if not 0.0 <= difficulty <= 1.0:
        raise ValueError(f"difficulty {difficulty} is outside 0 to 1")
    rng = random.Random(f"{seed}|{split.value}|{skill}|{difficulty!r}")
    noise = np.random.default_rng(rng.getrandbits(64))
    skill = skill or rng.choices(list(SHARES), list(SHARES.values()))[0]
    scene = _SCENES[skill](rng, noise, split, difficulty)
    rgb = photograph(rng, noise, scene.canvas, difficulty)
    questions = scene.questions + scene.more if thorough else scene.questions
    return Example(rgb, questions, scene.labels)


def write_dataset(
    folder: Path, seeds: Iterable[int], split: Split, skills: Sequence[str] | None = None
) -> None:
    """Write pictures `000001.png`, … and `questions.jsonl` with one line a question.

    A line holds "picture", "question", "answer" and "skill", and "size", the em of the text in
    pixels, where the answer reads text. The folder is made if need be. ``skills`` limits what is
    drawn, such as to those that need no listing of books.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as lines:
        for number, seed in enumerate(seeds, start=1):
            skill = _one_of(skills, seed) if skills else None
            example = render(seed, split, skill)
            name = f"{number:06d}.png"
            Image.fromarray(example.rgb).save(folder / name)
            for item in example.questions:
                lines.write(json.dumps(_record(name, item)) + "\n")


def _one_of(skills: Sequence[str], seed: int) -> str:
    weights = [SHARES[skill] for skill in skills]
    return random.Random(f"skill|{seed}").choices(skills, weights)[0]


def _record(picture: str, item: QuestionAnswer) -> dict[str, Any]:
    record: dict[str, Any] = {
        "picture": picture,
        "question": item.question,
        "answer": item.answer,
        "skill": item.skill,
    }
    if item.size > 0:
        record["size"] = round(item.size, 2)
    return record
