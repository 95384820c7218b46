"""Crowded pictures: rows full of objects and letters, with a label for every patch, no questions.

They teach the vision tower what a patch shows before anybody asks; one holds as many letters and
objects as ten or twenty pictures to ask about would.
"""

from __future__ import annotations

import math
import random

import numpy as np
from numpy.typing import NDArray

from models.pocket.questions import COLOURS, LETTERS, SHAPES
from models.pocket.training.drawing.camera import background, photograph
from models.pocket.training.drawing.canvas import GRID, SIZE, Example, Floats, PatchLabels, Rgb
from models.pocket.training.drawing.colours import ink_colour, shade
from models.pocket.training.drawing.lettering import glyphs_of, mean_advance, print_line, set_line
from models.pocket.training.drawing.objects import Thing, draw_things, some_angle
from models.pocket.training.fonts import training_fonts

_ROW_HEIGHTS = (22.0, 60.0)  # pixels
_LEAST_RADIUS = 7.0  # of an object, pixels
_LEAST_EM, _MOST_EM = 14.0, 64.0  # of letters, pixels
_TEXT_SHARE = 0.6  # of the rows
_LOWER_CASE_ODDS = (0.45, 0.4, 0.15)  # of a row in capitals, in small letters, with digits


def render_crowded(seed: int, difficulty: float = 1.0) -> Example:
    """Draw a training picture full of objects and words, with labels but no questions.

    Args:
        seed: any integer.
        difficulty: 0..1 scales noise, rotation, and how small and how close the letters get.

    Raises:
        FontsError: a training font is not installed.
    """
    rng = random.Random(f"crowded|{seed}|{difficulty!r}")
    noise = np.random.default_rng(rng.getrandbits(64))
    rows = list(_rows(rng))
    ink, palette = ink_colour(rng), rng.choices(range(len(COLOURS)), k=3)
    cover = np.zeros((SIZE, SIZE), np.float32)
    letters = np.zeros((GRID, GRID), np.int64)
    things: list[Thing] = []
    for top, height in rows:
        if rng.random() < _TEXT_SHARE:
            _print_row(rng, top, height, difficulty, cover, letters)
        else:
            things += _row_of_things(rng, top, height, palette, difficulty)
    canvas = background(rng, noise, [ink, *(thing.rgb for thing in things)], difficulty)
    _paint(canvas, cover, ink)
    painted = draw_things(canvas, things)
    labels = PatchLabels(painted.colour, painted.shape, painted.centre, letters)
    return Example(photograph(rng, noise, canvas, difficulty), (), labels)


def _rows(rng: random.Random) -> list[tuple[float, float]]:
    """Divide the picture's height: the top and the height of each row."""
    rows: list[tuple[float, float]] = []
    top = rng.uniform(0, 6)
    while True:
        height = rng.uniform(*_ROW_HEIGHTS)
        if top + height > SIZE:
            return rows
        rows.append((top, height))
        top += height


def _paint(canvas: Floats, cover: Floats, ink: Rgb) -> None:
    canvas += cover[:, :, None] * (np.array(ink, np.float32) - canvas)


def _print_row(
    rng: random.Random,
    top: float,
    height: float,
    difficulty: float,
    cover: Floats,
    letters: NDArray[np.int64],
) -> None:
    """Fill a row with random characters of one font and size."""
    glyphs = glyphs_of(rng.choice(training_fonts()))
    em = min(_MOST_EM, max(_LEAST_EM, height * rng.uniform(1.05 - 0.35 * difficulty, 1.15)))
    style = rng.choices(("upper", "lower", "digits"), _LOWER_CASE_ODDS)[0]
    alphabet = {"upper": LETTERS, "lower": LETTERS.lower(), "digits": "0123456789"}[style]
    spacing = rng.uniform(0.0, 0.12) if rng.random() < 0.7 else rng.uniform(0.1, 0.4)
    least = 12.0 - 4.0 * difficulty
    step = max(least, (mean_advance(alphabet, glyphs) + spacing) * em)
    number = max(1, math.floor(rng.uniform(0.75, 1.0) * (SIZE - 4) / step))
    text = "".join(rng.choices(alphabet, k=number))
    if style == "lower" and rng.random() < 0.3:
        text = text[0].upper() + text[1:]
    line = set_line(text, glyphs, em, spacing, least)
    while line.width > SIZE - 2 and len(text) > 1:
        text = text[:-1]
        line = set_line(text, glyphs, em, spacing, least)
    angle = math.radians(rng.uniform(-4, 4)) * difficulty
    play = max(0.0, (SIZE - line.width) / 2 - 1)
    x, y = SIZE / 2 + rng.uniform(-play, play), top + height / 2
    print_line(line, cover, letters, x, y, angle)


def _row_of_things(
    rng: random.Random, top: float, height: float, palette: list[int], difficulty: float
) -> list[Thing]:
    """Objects side by side, as large as the row lets them be or smaller."""
    things = []
    for column in range(math.floor(SIZE / height)):
        if rng.random() < 0.15:
            continue
        radius = rng.uniform(_LEAST_RADIUS, height / 2 - 1)
        play = height / 2 - radius
        x = (column + 0.5) * height + rng.uniform(-play, play)
        y = top + height / 2 + rng.uniform(-play, play)
        colour, shape = rng.choice(palette), rng.randrange(len(SHAPES))
        angle = some_angle(rng, shape, difficulty)
        things.append(Thing(shape, colour, shade(rng, colour), x, y, radius, angle))
    return things
