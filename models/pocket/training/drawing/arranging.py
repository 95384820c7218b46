"""Where objects go: apart, or a little in front of each other; and the scene they then make."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np

from models.pocket.questions import SHAPES
from models.pocket.training.drawing.camera import background
from models.pocket.training.drawing.canvas import SIZE, Floats, QuestionAnswer, Rgb, Scene
from models.pocket.training.drawing.clutter import add_clutter
from models.pocket.training.drawing.colours import oklab, shade
from models.pocket.training.drawing.objects import (
    Thing,
    draw_things,
    free_place,
    some_angle,
    thing_mask,
)

Kinds = list[tuple[int, int]]  # (shape, colour) of each object

MOST_COVERED = 0.35  # share of an object that another may hide
_LEAST_RADIUS, _MOST_RADIUS = 8.0, 26.0  # pixels
_FILLED = 0.36  # share of the picture that the circles around its objects may take
_OVERLAP_ODDS = 0.3  # of pictures, at difficulty 1
_OVERLAPS = 2  # pairs in such a picture, at most
_OVERLAP_CONTRAST = 0.2  # between two that overlap, in OKLab
_CENTRE_MARGIN = 5.0  # pixels that stay free around the centre of what is partly hidden
_CLUTTER_ODDS = 0.4  # of pictures, at difficulty 1


def place_things(rng: random.Random, kinds: Kinds, difficulty: float) -> list[Thing]:
    """Scatter objects, smaller where they are many; later ones lie in front of earlier ones."""
    most = min(_MOST_RADIUS, math.sqrt(_FILLED * SIZE * SIZE / (math.pi * max(1, len(kinds)))))
    least = min(most, 16 - (16 - _LEAST_RADIUS) * difficulty)
    overlaps = _OVERLAPS if rng.random() < _OVERLAP_ODDS * difficulty else 0
    things: list[Thing] = []
    alone: list[Thing] = []  # those that neither hide another nor are hidden
    for shape, colour in kinds:
        rgb, angle = shade(rng, colour), some_angle(rng, shape, difficulty)
        radius = rng.uniform(least, most)
        behind = rng.choice(alone) if alone and overlaps else None
        thing = None
        if behind is not None:
            thing = _in_front_of(
                rng, behind, things, Thing(shape, colour, rgb, 0, 0, radius, angle)
            )
        if behind is not None and thing is not None:
            overlaps -= 1
            alone.remove(behind)
        else:
            x, y, radius = free_place(rng, [(t.x, t.y, t.radius) for t in things], radius)
            thing = Thing(shape, colour, rgb, x, y, radius, angle)
            alone.append(thing)
        things.append(thing)
    return things


def _in_front_of(
    rng: random.Random, behind: Thing, things: Sequence[Thing], new: Thing
) -> Thing | None:
    """Move `new` in front of a part of `behind`; None where the two could not be told apart."""
    if contrast(behind.rgb, new.rgb) < _OVERLAP_CONTRAST:
        return None
    nearest = max(behind.radius, new.radius) + _CENTRE_MARGIN
    for _ in range(6):
        distance = rng.uniform(nearest, max(nearest, behind.radius + new.radius))
        way = rng.uniform(0, 2 * math.pi)
        x, y = behind.x + distance * math.cos(way), behind.y + distance * math.sin(way)
        if not new.radius + 1 <= min(x, y) <= max(x, y) <= SIZE - new.radius - 1:
            continue
        others = (thing for thing in things if thing is not behind)
        if any(math.hypot(x - t.x, y - t.y) <= new.radius + t.radius + 1.5 for t in others):
            continue
        moved = Thing(new.shape, new.colour, new.rgb, x, y, new.radius, new.angle)
        if covered_share(behind, moved) <= MOST_COVERED:
            return moved
    return None


def covered_share(behind: Thing, front: Thing) -> float:
    """Share of an object's area that another hides."""
    lower, upper = _whole(behind), _whole(front)
    return float((lower * upper).sum() / lower.sum())


def _whole(thing: Thing) -> Floats:
    left, top, mask = thing_mask(thing)
    whole = np.zeros((SIZE, SIZE), np.float32)
    whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return whole


def contrast(one: Rgb, other: Rgb) -> float:
    """Distance in OKLab, where black to white is 1."""
    first, second = oklab(np.array([one, other]))
    return float(np.linalg.norm(first - second))


def scene_of(
    rng: random.Random,
    noise: np.random.Generator,
    things: Sequence[Thing],
    questions: Sequence[QuestionAnswer],
    difficulty: float,
) -> Scene:
    """Paint objects on a background, perhaps a cluttered one."""
    colours = [thing.rgb for thing in things]
    canvas = background(rng, noise, colours, difficulty)
    if rng.random() < _CLUTTER_ODDS * difficulty:
        add_clutter(rng, canvas, colours)
    labels = draw_things(canvas, things)
    labels.shape[labels.shape > len(SHAPES)] = 0  # held-out kinds have no label of their own
    return Scene(canvas, tuple(questions), labels)
