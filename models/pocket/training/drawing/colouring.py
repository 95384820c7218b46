"""Pictures to ask for colours: one to four kinds of objects, each kind in one colour."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from models.pocket.questions import COLOURS, SHAPES, Ask, Split, draw_questions, plural
from models.pocket.training.drawing.arranging import Kinds, place_things, scene_of
from models.pocket.training.drawing.canvas import QuestionAnswer, Scene

QUESTIONS = 4  # a picture, at most
_MOST_OBJECTS = 7


def draw_colour(
    rng: random.Random, noise: np.random.Generator, split: Split, difficulty: float
) -> Scene:
    """Draw one to four kinds of objects and ask for the colour of each."""
    shapes = rng.sample(range(len(SHAPES)), rng.randint(1, 2 + round(2 * difficulty)))
    colours = rng.choices(range(len(COLOURS)), k=len(shapes))
    copies = [1 if rng.random() < 0.8 else 2 for _ in shapes]
    kinds = [
        (shape, colour)
        for shape, colour, copy in zip(shapes, colours, copies, strict=True)
        for _ in range(copy)
    ][:_MOST_OBJECTS]
    rng.shuffle(kinds)
    shown = {shape for shape, _ in kinds}
    asked = share_out([colour_questions(rng, split, kinds, s) for s in shapes if s in shown])
    return scene_of(rng, noise, place_things(rng, kinds, difficulty), asked, difficulty)


def colour_questions(
    rng: random.Random, split: Split, kinds: Kinds, shape: int
) -> list[QuestionAnswer]:
    """Ask in several ways for the one colour that all objects of a shape have."""
    colours = [colour for kind, colour in kinds if kind == shape]
    ask, name = Ask.COLOUR_OF_ONE, SHAPES[shape]
    if len(colours) > 1:
        ask, name = Ask.COLOUR_OF_MANY, plural(name)
    texts = draw_questions(rng, split, ask, name, QUESTIONS)
    return [QuestionAnswer(text, COLOURS[colours[0]], "colour") for text in texts]


def share_out(asked: Sequence[Sequence[QuestionAnswer]]) -> tuple[QuestionAnswer, ...]:
    """Take questions about each target in turn, until the picture has its number."""
    return tuple(item for turn in zip(*asked, strict=True) for item in turn)[:QUESTIONS]
