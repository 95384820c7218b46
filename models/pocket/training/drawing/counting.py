"""Pictures to count in, planned so that every answer from 0 to 9 is equally likely."""

from __future__ import annotations

import collections
import copy
import random
from dataclasses import replace

import numpy as np

from models.pocket.questions import (
    ANY_OBJECT,
    COLOURS,
    HELD_OUT_SHAPES,
    MAX_COUNT,
    SHAPES,
    Ask,
    Split,
    draw_questions,
    plural,
)
from models.pocket.training.drawing.arranging import Kinds, place_things, scene_of
from models.pocket.training.drawing.canvas import QuestionAnswer, Scene
from models.pocket.training.drawing.colouring import QUESTIONS, colour_questions, share_out

_SPARE_OBJECTS = 3  # of two sorts asked about together, beyond the largest count of one
_HELD_OUT_KINDS_ODDS = 0.25  # of the evaluation's pictures of any objects
_SHUFFLES = 40
_MORE_OF_SEVERAL, _MORE_OF_FEW = 6, 2  # further questions a picture, by what their answer is

_Plan = tuple[Kinds, list[QuestionAnswer]]


def draw_count(
    rng: random.Random, noise: np.random.Generator, split: Split, difficulty: float
) -> Scene:
    """Draw up to 13 objects; ask for the number of a kind, of a colour of it, or of all."""
    most = round(4 + (MAX_COUNT - 4) * difficulty)
    plan = rng.choices((_one_kind, _two_kinds, _two_colours, _any_kind), (0.35, 0.25, 0.2, 0.2))[0]
    kinds, asked = plan(rng, split, most, difficulty)
    single = sorted(s for s in {s for s, _ in kinds} if s < len(SHAPES) and _colours(kinds, s) == 1)
    if len(asked) < QUESTIONS and single and rng.random() < 0.5:
        asked += colour_questions(rng, split, kinds, rng.choice(single))[:1]
    scene = scene_of(rng, noise, place_things(rng, kinds, difficulty), asked, difficulty)
    return replace(scene, more=tuple(_further_questions(copy.copy(rng), split, kinds)))


def _further_questions(rng: random.Random, split: Split, kinds: Kinds) -> list[QuestionAnswer]:
    """Ask about everything that can be counted here, but seldom for none or one."""
    if not kinds or any(shape >= len(SHAPES) for shape, _ in kinds):
        return []  # held-out kinds are never asked for by name
    shapes, colours = ({kind[i] for kind in kinds} for i in (0, 1))
    numbers = collections.Counter({rng.choice(ANY_OBJECT): len(kinds)})
    for shape, colour in kinds:
        many = plural(SHAPES[shape])
        numbers[many] += 1
        numbers[f"{COLOURS[colour]} {many}"] += 1
    for colour in colours:
        name = f"{COLOURS[colour]} {rng.choice(ANY_OBJECT)}"
        numbers[name] = sum(other == colour for _, other in kinds)
        for shape in shapes:
            numbers.setdefault(f"{COLOURS[colour]} {plural(SHAPES[shape])}", 0)
    several = [name for name, number in numbers.items() if 1 < number <= MAX_COUNT]
    few = [name for name, number in numbers.items() if number <= 1]
    names = rng.sample(several, min(_MORE_OF_SEVERAL, len(several)))
    names += rng.sample(few, min(_MORE_OF_FEW, len(few)))
    return [_count_questions(rng, split, name, numbers[name])[0] for name in names]


def _colours(kinds: Kinds, shape: int) -> int:
    return len({colour for kind, colour in kinds if kind == shape})


def _one_kind(rng: random.Random, split: Split, most: int, difficulty: float) -> _Plan:
    """A number of the asked kind, often with up to four objects of other kinds."""
    shape, *others = rng.sample(range(len(SHAPES)), 3)
    count = rng.randint(0, most)
    numbers = {shape: count}
    if count == 0 or rng.random() < 0.6 * difficulty:
        for other in others[: rng.randint(1, 2)]:
            numbers[other] = rng.randint(1, 2)
    colour = rng.randrange(len(COLOURS)) if rng.random() < 0.5 else None
    kinds = _coloured(rng, numbers, {} if colour is None else {shape: colour})
    asked = _count_questions(rng, split, plural(SHAPES[shape]), count)[:2]
    if colour is not None and rng.random() < 0.6:
        name = f"{COLOURS[colour]} {plural(SHAPES[shape])}"
        asked[0:1] = _count_questions(rng, split, name, count)[:1]
    if sum(numbers.values()) == count:  # the same number, so the answers stay balanced
        asked[1:2] = _count_questions(rng, split, rng.choice(ANY_OBJECT), count)[:1]
    return kinds, asked


def _two_kinds(rng: random.Random, split: Split, most: int, difficulty: float) -> _Plan:
    """Two kinds, both asked about, both counts uniform."""
    first, second = rng.sample(range(len(SHAPES)), 2)
    counts = dict(zip((first, second), _two_counts(rng, most), strict=True))
    asked = [_count_questions(rng, split, plural(SHAPES[s]), n) for s, n in counts.items()]
    return _coloured(rng, counts, {}), list(share_out(asked))


def _two_colours(rng: random.Random, split: Split, most: int, difficulty: float) -> _Plan:
    """Two colours of one kind, or of any kinds, both asked about, both counts uniform."""
    colours = rng.sample(range(len(COLOURS)), 2)
    shapes = rng.sample(range(len(SHAPES)), rng.choice((1, 3)))
    many = plural(SHAPES[shapes[0]]) if len(shapes) == 1 else rng.choice(ANY_OBJECT)
    counts = dict(zip(colours, _two_counts(rng, most), strict=True))
    kinds = [(rng.choice(shapes), colour) for colour, n in counts.items() for _ in range(n)]
    rng.shuffle(kinds)
    asked = [_count_questions(rng, split, f"{COLOURS[c]} {many}", n) for c, n in counts.items()]
    return kinds, list(share_out(asked))


def _any_kind(rng: random.Random, split: Split, most: int, difficulty: float) -> _Plan:
    """At least one object, of mixed kinds, asked for together."""
    count = rng.randint(1, most)
    shapes = rng.sample(range(len(SHAPES)), rng.randint(2, 4))
    if split is Split.HELD_OUT and rng.random() < _HELD_OUT_KINDS_ODDS:
        shapes = [len(SHAPES) + k for k in range(len(HELD_OUT_SHAPES))]
    numbers = dict.fromkeys(shapes, 0)
    for shape in rng.choices(shapes, k=count):
        numbers[shape] += 1
    asked = _count_questions(rng, split, rng.choice(ANY_OBJECT), count)[:2]
    if rng.random() < 2 / (most + 1):  # makes 0 as frequent an answer as each other is
        absent = rng.choice([s for s in range(len(SHAPES)) if not numbers.get(s)])
        asked[1:2] = _count_questions(rng, split, plural(SHAPES[absent]), 0)[:1]
    return _coloured(rng, numbers, {}), asked


def _two_counts(rng: random.Random, most: int) -> tuple[int, int]:
    """Two counts, each uniform over 0 to `most`, whose sum can be drawn.

    The second is the image of the first under a permutation of 0..most, whatever it is uniform.
    Swaps that keep all sums in bounds lead from the reversed order to others.
    """
    order = list(range(most, -1, -1))
    for _ in range(_SHUFFLES):
        a, b = rng.sample(range(most + 1), 2)
        if all(1 <= total <= most + _SPARE_OBJECTS for total in (a + order[b], b + order[a])):
            order[a], order[b] = order[b], order[a]
    count = rng.randint(0, most)
    return count, order[count]


def _coloured(rng: random.Random, numbers: dict[int, int], given: dict[int, int]) -> Kinds:
    """Give objects the given colour of their shape, else one each or one for each shape."""
    every = range(len(COLOURS))
    each = rng.random() < 0.5
    kinds: Kinds = []
    for shape, number in numbers.items():
        if shape in given:
            colours = [given[shape]] * number
        else:
            colours = rng.choices(every, k=number) if each else [rng.choice(every)] * number
        kinds += [(shape, colour) for colour in colours]
    rng.shuffle(kinds)
    return kinds


def _count_questions(
    rng: random.Random, split: Split, name: str, count: int
) -> list[QuestionAnswer]:
    texts = draw_questions(rng, split, Ask.COUNT, name, QUESTIONS)
    return [QuestionAnswer(text, str(count), "count") for text in texts]
