"""The canvas that pocket pictures are drawn on, its patch grid, and what a picture comes with."""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.pocket.questions import SIZE as SIZE

PATCH = 8
GRID = SIZE // PATCH

Floats = NDArray[np.float32]
Rgb = tuple[float, float, float]  # 0..1


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """A question about a picture, its only right answer, and which of SKILLS it needs.

    size: em in pixels of the text that the answer reads (of its smallest line), 0 where none is.
    """

    question: str
    answer: str
    skill: str
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class PatchLabels:
    """Dense training targets on the patch grid, each (GRID, GRID) int64, 0 for "nothing here".

    colour, shape: index into COLOURS and SHAPES plus one, of the object that covers most of the
        patch (and at least a quarter of it).
    centre: 1 where the centre of an object lies.
    letter: index into CHARACTERS plus one, where the patch's centre lies in its ink box. Boxes
        narrower or lower than a patch are widened to one, so that few characters go without.
    """

    colour: NDArray[np.int64]
    shape: NDArray[np.int64]
    centre: NDArray[np.int64]
    letter: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows before the camera: a canvas (SIZE, SIZE, 3) of 0..1.

    ``more`` are questions for training alone: many to a picture, their answers not balanced.
    """

    canvas: Floats
    questions: tuple[QuestionAnswer, ...]
    labels: PatchLabels
    more: tuple[QuestionAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A picture (SIZE, SIZE, 3) with its questions and labels."""

    rgb: NDArray[np.uint8]
    questions: tuple[QuestionAnswer, ...]
    labels: PatchLabels


def no_labels() -> PatchLabels:
    return PatchLabels(*(np.zeros((GRID, GRID), np.int64) for _ in range(4)))


@functools.lru_cache(maxsize=1)
def axes() -> tuple[Floats, Floats]:
    """Pixel centres as x (1, SIZE) and y (SIZE, 1), from -1 to 1."""
    along: Floats = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1).astype(np.float32)
    return along[None, :], along[:, None]


def ramp(rng: random.Random) -> Floats:
    """A plane (SIZE, SIZE) that rises from 0 to 1 in a random direction."""
    x, y = axes()
    angle = rng.uniform(0, 2 * math.pi)
    plane: Floats = math.cos(angle) * x + math.sin(angle) * y
    return plane * np.float32(0.5 / (abs(math.cos(angle)) + abs(math.sin(angle)))) + np.float32(0.5)


def patch_cover(left: int, top: int, mask: Floats) -> Floats:
    """Return the share (GRID, GRID) of every patch that the mask covers."""
    whole = np.zeros((SIZE, SIZE), np.float32)
    whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    cover: Floats = whole.reshape(GRID, PATCH, GRID, PATCH).mean((1, 3))
    return cover


def to_bytes(canvas: Floats) -> NDArray[np.uint8]:
    return (np.clip(canvas, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
