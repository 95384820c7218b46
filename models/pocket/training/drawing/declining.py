"""Pictures in which nothing can be told, asked about like any other."""

from __future__ import annotations

import colorsys
import random
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter

from models.pocket.questions import (
    COMPARE_ASKS,
    DECLINE,
    SHAPES,
    SKILLS,
    Ask,
    Split,
    draw_questions,
    names_asked,
)
from models.pocket.training.drawing.camera import background, grain
from models.pocket.training.drawing.canvas import (
    SIZE,
    Floats,
    QuestionAnswer,
    Scene,
    axes,
    no_labels,
    ramp,
    to_bytes,
)
from models.pocket.training.drawing.counting import draw_count
from models.pocket.training.drawing.words import draw_lines_scene, draw_word_scene

_QUESTIONS = 4
_READING = ("word", "lines", "title", "author", "category", "field")
_BLUR = (44.0, 60.0)  # pixels: wider than any object that is blurred
_BLURRED_EM = 0.6  # of an em, at least, where text is blurred
_DARK = 0.012  # of full light: three of 255 levels, which the noise then hides


def draw_decline(
    rng: random.Random, noise: np.random.Generator, split: Split, difficulty: float
) -> Scene:
    """Draw a wall, a covered lens, or a scene too blurred, too dark or too bright."""
    sorts, shares = zip(*_SORTS.items(), strict=True)
    sort: _Sort = rng.choices(sorts, shares)[0]
    canvas = sort(rng, noise, split)
    canvas = canvas + grain(rng, noise, rng.uniform(0.008, 0.03))
    skills = _READING if sort is _blurred_text else SKILLS[:-1]
    questions = tuple(
        QuestionAnswer(text, DECLINE, "decline") for text in any_questions(rng, split, skills)
    )
    return Scene(canvas, questions, no_labels())


def any_questions(rng: random.Random, split: Split, skills: Sequence[str]) -> list[str]:
    """Questions of four different skills: nothing in them may give the answer away."""
    texts: list[str] = []
    for skill in rng.sample(skills, _QUESTIONS):
        ask = rng.choice([ask for ask in Ask if ask.skill == skill])
        name = other = ""
        if ask in COMPARE_ASKS:
            if rng.random() < 0.65:
                name, other = rng.sample(SHAPES, 2)
        elif ask.skill in ("colour", "count"):
            plain = names_asked(ask)[: len(SHAPES) + 3]
            name = rng.choice(names_asked(ask) if rng.random() < 0.3 else plain)
        texts += draw_questions(rng, split, ask, name, other=other)
    return texts


def _wall(rng: random.Random, noise: np.random.Generator, split: Split) -> Floats:
    return background(rng, noise, (), 1.0)


def _black(rng: random.Random, noise: np.random.Generator, split: Split) -> Floats:
    return np.full((SIZE, SIZE, 3), rng.uniform(0, 0.05), np.float32)


def _finger(rng: random.Random, noise: np.random.Generator, split: Split) -> Floats:
    """Skin close to the lens: out of focus, reddish where light shines through, darker aside."""
    skin = colorsys.hsv_to_rgb(
        rng.uniform(5, 28) / 360, rng.uniform(0.3, 0.75), rng.uniform(0.3, 0.95)
    )
    canvas = np.empty((SIZE, SIZE, 3), np.float32)
    canvas[:] = skin
    glow = np.array((rng.uniform(0.5, 1.0), rng.uniform(0.1, 0.35), 0.08), np.float32)
    canvas += (ramp(rng) ** 2 * np.float32(rng.uniform(0, 0.8)))[:, :, None] * (glow - canvas)
    x, y = axes()
    far = (x - rng.uniform(-0.5, 0.5)) ** 2 + (y - rng.uniform(-0.5, 0.5)) ** 2
    canvas *= (1 - np.float32(rng.uniform(0, 0.25)) * far.astype(np.float32))[:, :, None]
    return canvas


def _blurred(rng: random.Random, noise: np.random.Generator, split: Split) -> Floats:
    """Things that have melted into one another."""
    return _blur(_something(rng, noise, split).canvas, rng.uniform(*_BLUR))


def _blurred_text(rng: random.Random, noise: np.random.Generator, split: Split) -> Floats:
    """Text whose strokes have melted; what lies beside it may still show its colour."""
    scene = rng.choice((draw_word_scene, draw_lines_scene))(rng, noise, split, 1.0)
    em = max(item.size for item in scene.questions)
    return _blur(scene.canvas, _BLURRED_EM * em + rng.uniform(0, 15))


def _blur(canvas: Floats, sigma: float) -> Floats:
    image = Image.fromarray(to_bytes(canvas)).filter(ImageFilter.GaussianBlur(sigma))
    return np.asarray(image, np.float32) / np.float32(255)


def _dark(rng: random.Random, noise: np.random.Generator, split: Split) -> Floats:
    return _something(rng, noise, split).canvas * np.float32(rng.uniform(0, _DARK))


def _bright(rng: random.Random, noise: np.random.Generator, split: Split) -> Floats:
    lost: Floats = (1 - _something(rng, noise, split).canvas) * np.float32(rng.uniform(0, _DARK))
    return 1 - lost


def _noise(rng: random.Random, noise: np.random.Generator, split: Split) -> Floats:
    """A sensor's noise and nothing else, fine or in clumps."""
    clump = rng.choice((1, 1, 2, 3))
    small = noise.standard_normal((SIZE // clump, SIZE // clump, rng.choice((1, 3))), np.float32)
    whole = small.repeat(clump, 0).repeat(clump, 1) * np.float32(rng.uniform(0.06, 0.3))
    canvas: Floats = np.float32(rng.uniform(0.1, 0.8)) + np.broadcast_to(whole, (SIZE, SIZE, 3))
    return canvas


def _something(rng: random.Random, noise: np.random.Generator, split: Split) -> Scene:
    """A scene with something to tell, which the caller then hides."""
    draw = rng.choice((draw_count, draw_word_scene, draw_lines_scene))
    return draw(rng, noise, split, 1.0)


_Sort = Callable[[random.Random, np.random.Generator, Split], Floats]
_SORTS: dict[_Sort, float] = {
    _wall: 0.2,
    _black: 0.1,
    _finger: 0.16,
    _blurred: 0.16,
    _blurred_text: 0.08,
    _dark: 0.12,
    _bright: 0.08,
    _noise: 0.1,
}
