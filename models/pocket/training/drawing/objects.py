"""Objects to name and count: their outlines, where they go, and the labels they leave."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.pocket.questions import HELD_OUT_SHAPES, SHAPES
from models.pocket.training.drawing.canvas import (
    GRID,
    PATCH,
    SIZE,
    Floats,
    PatchLabels,
    Rgb,
    no_labels,
    patch_cover,
)

_SUPERSAMPLING = 3
_COVERED = 0.25  # share of a patch that an object must cover to label it


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: `shape` and `colour` index SHAPES and COLOURS, lengths are in pixels."""

    shape: int
    colour: int
    rgb: Rgb
    x: float
    y: float
    radius: float  # of the circle around it
    angle: float  # radians


@dataclass(frozen=True, slots=True)
class Outline:
    """What an object covers inside the unit circle, y downwards.

    parts: closed polygons (n, 2) with what each paints: ink, or a hole in what came before.
    upright: it has a top; turning it upside down would make something else of it.
    """

    parts: tuple[tuple[NDArray[np.float64], bool], ...]
    upright: bool = False


@functools.lru_cache(maxsize=1)
def outlines() -> dict[str, Outline]:
    """Every kind of object, by its name: those of training and those held out."""
    ring, hole = _spokes([1.0] * 48), _spokes([0.56] * 40)
    found = {
        "circle": Outline(((ring, True),)),
        "square": _solid(_spokes([1.0] * 4, math.pi / 4)),
        "triangle": _solid(_spokes([1.0] * 3)),
        "star": _solid(_spokes([1.0, 0.42] * 5)),
        "heart": _solid(_heart()),
        "cross": _solid(_cross()),
        "ring": Outline(((ring, True), (hole, False))),
        "moon": _solid(_moon()),
        "arrow": _solid(_mirrored([(0, -1), (0.78, -0.2), (0.3, -0.2), (0.3, 0.95)])),
        "flower": _solid(_spokes([0.72 + 0.28 * math.cos(k * math.pi / 6) for k in range(72)])),
        "drop": _solid(_drop()),
        "bolt": _solid(_bolt()),
        "fish": _solid(_fish(), upright=True),
        "tree": _solid(_tree(), upright=True),
        "house": Outline(
            (
                (_mirrored([(0, -0.95), (0.95, -0.1), (0.68, -0.1), (0.68, 0.72)]), True),
                (_mirrored([(0, 0.1), (0.2, 0.1), (0.2, 0.74)]), False),
            ),
            upright=True,
        ),
        "cup": _cup(),
        "key": _key(),
        "mushroom": _solid(_mushroom(), upright=True),
        "leaf": _solid(_leaf()),
    }
    wanted = (*SHAPES, *HELD_OUT_SHAPES)
    return {name: found[name] for name in wanted}


def _solid(points: NDArray[np.float64], upright: bool = False) -> Outline:
    return Outline(((points, True),), upright)


def _mirrored(right: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Close the right half of an outline, from top to bottom, by its mirror image."""
    left = [(-x, y) for x, y in reversed(right)]
    return np.array([*right, *left], np.float64)


def _cross() -> NDArray[np.float64]:
    arm = 0.32
    reach = math.sqrt(1 - arm * arm)
    quarter = np.array([(arm, -arm), (arm, -reach), (-arm, -reach)])
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, k) for k in range(4)])


def _arc(
    x: float, y: float, radius: float, start: float, end: float, steps: int
) -> NDArray[np.float64]:
    """Points on a circle between two angles in degrees, clockwise from the right."""
    t = np.radians(np.linspace(start, end, steps))
    return np.stack([x + radius * np.cos(t), y + radius * np.sin(t)], axis=1)


def _moon() -> NDArray[np.float64]:
    outer = _arc(0, 0, 1, 50, 310, 40)
    inner = _arc(0.62, 0, 0.767, 272, 88, 30)  # meets the outer arc's ends
    return np.concatenate([outer, inner])


def _drop() -> NDArray[np.float64]:
    return np.concatenate([np.array([(0.0, -1.0)]), _arc(0, 0.36, 0.64, -28, 208, 30)])


def _bolt() -> NDArray[np.float64]:
    half = [(0.28, -0.96), (-0.52, 0.12), (-0.06, 0.12)]
    return np.array(half + [(-x, -y) for x, y in half], np.float64)


def _fish() -> NDArray[np.float64]:
    t = np.linspace(math.radians(32), math.radians(328), 36)
    body = np.stack([-0.25 + 0.72 * np.cos(t), 0.5 * np.sin(t)], axis=1)
    tail = np.array([(0.95, -0.5), (0.72, 0.0), (0.95, 0.5)])
    return np.concatenate([body, tail])


def _tree() -> NDArray[np.float64]:
    tiers = [(0, -1.0), (0.42, -0.42), (0.24, -0.42), (0.6, 0.08), (0.36, 0.08), (0.78, 0.6)]
    return _mirrored([*tiers, (0.15, 0.6), (0.15, 0.95)])


def _cup() -> Outline:
    body = np.array([(-0.8, -0.6), (0.45, -0.6), (0.32, 0.68), (-0.67, 0.68)])
    handle, hole = _arc(0.5, -0.08, 0.42, 0, 350, 30), _arc(0.5, -0.08, 0.24, 0, 350, 24)
    return Outline(((handle, True), (hole, False), (body, True)), upright=True)


def _key() -> Outline:
    bow, hole = _arc(0, -0.58, 0.42, 0, 350, 30), _arc(0, -0.58, 0.2, 0, 350, 20)
    shaft = [(0.1, -0.2), (0.1, 0.45), (0.4, 0.45), (0.4, 0.62), (0.1, 0.62), (0.1, 0.78)]
    shaft += [(0.34, 0.78), (0.34, 0.95), (-0.1, 0.95), (-0.1, -0.2)]
    return Outline(((bow, True), (hole, False), (np.array(shaft), True)))


def _mushroom() -> NDArray[np.float64]:
    cap = _arc(0, 0.05, 0.92, 180, 360, 30)
    stem = np.array([(0.3, 0.05), (0.24, 0.9), (-0.24, 0.9), (-0.3, 0.05)])
    return np.concatenate([cap, stem])


def _leaf() -> NDArray[np.float64]:
    right = _arc(-0.75, 0, 1.25, -53, 53, 20)
    left = _arc(0.75, 0, 1.25, 127, 233, 20)
    return np.concatenate([right, left])


def _spokes(lengths: Sequence[float], start: float = 0.0) -> NDArray[np.float64]:
    angles = start + 2 * math.pi * np.arange(len(lengths)) / len(lengths)
    corners: NDArray[np.float64] = np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    corners *= np.array(lengths)[:, None]
    return corners


def _heart() -> NDArray[np.float64]:
    t = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    points = np.stack([x, y - 2.5], axis=1)
    scaled: NDArray[np.float64] = points / np.linalg.norm(points, axis=1).max()
    return scaled


def kind_name(shape: int) -> str:
    """Name of a `Thing.shape`: SHAPES first, then HELD_OUT_SHAPES."""
    return (*SHAPES, *HELD_OUT_SHAPES)[shape]


def some_angle(rng: random.Random, shape: int, difficulty: float) -> float:
    """Turn an object by any angle, one with a top by at most 35 degrees: radians."""
    most = math.radians(35) if outlines()[kind_name(shape)].upright else math.pi
    return rng.uniform(-most, most) * difficulty


def draw_things(canvas: Floats, things: Sequence[Thing]) -> PatchLabels:
    """Paint the objects onto the canvas in place and label the patches they cover."""
    labels = no_labels()
    most = np.full((GRID, GRID), _COVERED, np.float32)
    for thing in things:
        left, top, mask = thing_mask(thing)
        height, width = mask.shape
        area = canvas[top : top + height, left : left + width]
        area += mask[:, :, None] * (np.array(thing.rgb, np.float32) - area)
        cover = patch_cover(left, top, mask)
        mine = cover >= most
        np.copyto(most, cover, where=mine)
        labels.colour[mine] = thing.colour + 1
        labels.shape[mine] = thing.shape + 1
        labels.centre[int(thing.y) // PATCH, int(thing.x) // PATCH] = 1
    return labels


def thing_mask(thing: Thing) -> tuple[int, int, Floats]:
    """Draw an object's coverage (height, width) of 0..1 and say where its corner lies."""
    left = max(0, math.floor(thing.x - thing.radius))
    top = max(0, math.floor(thing.y - thing.radius))
    right = min(SIZE, math.ceil(thing.x + thing.radius) + 1)
    bottom = min(SIZE, math.ceil(thing.y + thing.radius) + 1)
    scale = _SUPERSAMPLING
    image = Image.new("L", ((right - left) * scale, (bottom - top) * scale))
    pen = ImageDraw.Draw(image)
    cos, sin = math.cos(thing.angle), math.sin(thing.angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    for part, is_ink in outlines()[kind_name(thing.shape)].parts:
        # Half a pixel less: drawing puts whole coordinates at pixel centres.
        points = (part @ turn * thing.radius + (thing.x - left, thing.y - top)) * scale - 0.5
        pen.polygon(points.ravel().tolist(), fill=255 if is_ink else 0)
    return left, top, np.asarray(image.reduce(scale), np.float32) / np.float32(255)


def free_place(
    rng: random.Random, placed: list[tuple[float, float, float]], radius: float
) -> tuple[float, float, float]:
    """Find room for a circle, shrinking it where the picture is full (never below 7 pixels)."""
    while True:
        for _ in range(30):
            x = rng.uniform(radius + 1, SIZE - radius - 1)
            y = rng.uniform(radius + 1, SIZE - radius - 1)
            if all(math.hypot(x - a, y - b) > radius + r + 1.5 for a, b, r in placed):
                return x, y, radius
        radius = max(7.0, radius * 0.9)
