"""Pictures to compare in: two to four objects of different kinds, sizes and places."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.pocket.questions import COLOURS, COMPARE_ASKS, SHAPES, Ask, Split, draw_questions
from models.pocket.training.drawing.arranging import scene_of
from models.pocket.training.drawing.canvas import SIZE, QuestionAnswer, Scene
from models.pocket.training.drawing.colours import shade
from models.pocket.training.drawing.objects import Thing, kind_name, some_angle, thing_mask

_QUESTIONS = 4
_LEAST_RADIUS, _MOST_RADIUS = 10.0, 46.0  # pixels
_EASY_RATIO, _HARD_RATIO = 1.8, 1.35  # between the radii of neighbours in size
_AREA_RATIO = 1.25  # a long thin object must not pass for larger than a round one
_APART = 20.0  # pixels between the middles of any two, across
_EDGE_APART = 4.0  # pixels between the edges of two of which one is further left or right
_SUPERLATIVE_ODDS = 0.35  # of the questions: those that name no objects


def draw_comparison(
    rng: random.Random, noise: np.random.Generator, split: Split, difficulty: float
) -> Scene:
    """Draw objects and ask which is larger or smaller, or further left or right."""
    number = rng.randint(2, 2 + round(2 * difficulty))
    things = _place(rng, _sized(rng, number, difficulty))
    return scene_of(rng, noise, things, _questions(rng, split, things), difficulty)


def _sized(rng: random.Random, number: int, difficulty: float) -> list[Thing]:
    """Objects of different kinds, from small to large, that differ clearly in radius and area."""
    ratio = _EASY_RATIO + (_HARD_RATIO - _EASY_RATIO) * difficulty
    steps = [rng.uniform(ratio, ratio * 1.25) for _ in range(number - 1)]
    if math.prod(steps) > _MOST_RADIUS / _LEAST_RADIUS:
        steps = [ratio] * (number - 1)
    radius = rng.uniform(_LEAST_RADIUS, min(26.0, _MOST_RADIUS / math.prod(steps)))
    radii = [radius * math.prod(steps[:k]) for k in range(number)]
    while True:
        shapes = rng.sample(range(len(SHAPES)), number)
        areas = [_unit_area(s) * r * r for s, r in zip(shapes, radii, strict=True)]
        if all(b >= a * _AREA_RATIO for a, b in zip(areas, areas[1:], strict=False)):
            break
    things = []
    for shape, size in zip(shapes, radii, strict=True):
        colour, angle = rng.randrange(len(COLOURS)), some_angle(rng, shape, difficulty)
        things.append(Thing(shape, colour, shade(rng, colour), 0, 0, size, angle))
    return things


@functools.lru_cache(maxsize=len(SHAPES))
def _unit_area(shape: int) -> float:
    """Area of a kind of object inside the unit circle."""
    thing = Thing(shape, 0, (0, 0, 0), SIZE / 2, SIZE / 2, 40, 0)
    return float(thing_mask(thing)[2].sum()) / 40**2


def _place(rng: random.Random, things: Sequence[Thing]) -> list[Thing]:
    """Put objects clear of each other, their middles apart across; the largest takes room first."""
    while True:
        placed: list[Thing] = []
        for thing in reversed(things):
            for _ in range(40):
                x, y = (rng.uniform(thing.radius + 2, SIZE - thing.radius - 2) for _ in "xy")
                if all(
                    abs(x - other.x) >= _APART
                    and math.hypot(x - other.x, y - other.y) > thing.radius + other.radius + 3
                    for other in placed
                ):
                    placed.append(replace(thing, x=x, y=y))
                    break
        if len(placed) == len(things):
            rng.shuffle(placed)
            return placed


def _questions(rng: random.Random, split: Split, things: list[Thing]) -> list[QuestionAnswer]:
    found: dict[str, QuestionAnswer] = {}
    while len(found) < _QUESTIONS:
        ask = rng.choice(COMPARE_ASKS)
        named = [] if rng.random() < _SUPERLATIVE_ODDS else rng.sample(things, 2)
        answer = _answer(ask, named or things)
        if answer is None:
            continue
        name, other = (kind_name(t.shape) for t in named) if named else ("", "")
        (text,) = draw_questions(rng, split, ask, name, other=other)
        found.setdefault(text, QuestionAnswer(text, kind_name(answer.shape), "compare"))
    return list(found.values())


def _answer(ask: Ask, things: Sequence[Thing]) -> Thing | None:
    """The one that is meant, or None where its middle and its edge would tell differently."""
    if ask is Ask.LARGER:
        return max(things, key=lambda thing: thing.radius)
    if ask is Ask.SMALLER:
        return min(things, key=lambda thing: thing.radius)
    side = -1 if ask is Ask.LEFTMOST else 1
    first, second = sorted(things, key=lambda thing: -side * thing.x)[:2]
    edges = sorted((side * thing.x + thing.radius for thing in things), reverse=True)
    if side * first.x + first.radius < edges[0] or edges[0] - edges[1] < _EDGE_APART:
        return None
    return first
