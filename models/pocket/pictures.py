"""Synthetic pictures with questions, answers and dense labels, for the pocket model.

A picture shows coloured shapes to name and count, or one word to read, or nothing that could be
told. Everything follows from (seed, split, skill, difficulty), so a data set is a range of
integers. Drawing is kept under six milliseconds: on two cores it competes with the training.
"""

from __future__ import annotations

import colorsys
import functools
import io
import itertools
import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from models.pocket.fonts import held_out_fonts, training_fonts
from models.pocket.questions import (
    ANY_OBJECT,
    COLOURS,
    DECLINE,
    LETTERS,
    MAX_COUNT,
    MAX_LETTERS,
    SHAPES,
    SKILLS,
    Ask,
    Split,
    draw_questions,
    draw_word,
    plural,
)

__all__ = [
    "COLOURS",
    "GRID",
    "LETTERS",
    "PATCH",
    "SHAPES",
    "SIZE",
    "SKILLS",
    "Example",
    "PatchLabels",
    "QuestionAnswer",
    "Split",
    "render",
    "render_crowded",
    "write_dataset",
]

SIZE = 128  # pixels, both ways
PATCH = 8
GRID = SIZE // PATCH

Floats = NDArray[np.float32]
Rgb = tuple[float, float, float]  # 0..1

_SKILL_SHARES = (0.20, 0.35, 0.30, 0.15)  # of SKILLS, where the caller names none
_QUESTIONS = 3  # per picture
_SUPERSAMPLING = 3  # of shapes
_GLYPH_EM = 96  # pixels; letters are drawn once at this size and scaled down
_LEAST_PITCH = 9.0  # pixels from letter to letter: more than a patch, so that every letter has one
_COVERED = 0.25  # share of a patch that an object must cover to label it
_MAX_OBJECTS = 7
_BANDS = 4  # of a crowded picture, and the cells of each
_DARK = 0.02  # of full light: five of 255 levels, which the noise then hides


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """A question about a picture, its only right answer, and which of SKILLS it needs."""

    question: str
    answer: str
    skill: str


@dataclass(frozen=True, slots=True)
class PatchLabels:
    """Dense training targets on the patch grid, each (GRID, GRID) int64, 0 for "nothing here".

    colour, shape: index into COLOURS and SHAPES plus one, of the object that covers most of the
        patch (and at least a quarter of it).
    centre: 1 where the centre of an object lies.
    letter: index into LETTERS plus one, where the patch's centre lies in a letter's ink box. Boxes
        narrower or lower than a patch are widened to one, so that no upright letter goes without.
    """

    colour: NDArray[np.int64]
    shape: NDArray[np.int64]
    centre: NDArray[np.int64]
    letter: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Example:
    """A picture (SIZE, SIZE, 3) with its questions and labels."""

    rgb: NDArray[np.uint8]
    questions: tuple[QuestionAnswer, ...]
    labels: PatchLabels


@dataclass(frozen=True, slots=True)
class _Thing:
    """One object: `shape` and `colour` index SHAPES and COLOURS, lengths are in pixels."""

    shape: int
    colour: int
    rgb: Rgb
    x: float
    y: float
    radius: float  # of the circle around it
    angle: float  # radians


@dataclass(frozen=True, slots=True)
class _Glyph:
    mask: Image.Image  # "L", just the ink
    left: float  # from the pen to the ink
    top: float  # from the baseline to the ink, negative upwards
    advance: float


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a picture shows before light, noise and blur: a canvas (SIZE, SIZE, 3) of 0..1."""

    canvas: Floats
    questions: tuple[QuestionAnswer, ...]
    labels: PatchLabels


def render(seed: int, split: Split, skill: str | None = None, difficulty: float = 1.0) -> Example:
    """Draw one picture with its questions; the same arguments always give the same picture.

    Args:
        seed: any integer.
        split: HELD_OUT takes fonts, words and some wordings that TRAIN never has.
        skill: one of SKILLS; None draws it (colour 20 %, count 35 %, word 30 %, decline 15 %).
        difficulty: 0..1 scales clutter, noise and rotation, and the length and size of words.

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
    skill = skill or rng.choices(SKILLS, _SKILL_SHARES)[0]
    if skill == "decline":
        return _decline(rng, noise, split, difficulty)
    scene = _draw_scene(rng, noise, split, skill, difficulty)
    rgb = _photograph(rng, noise, scene.canvas, difficulty)
    return Example(rgb, scene.questions, scene.labels)


def render_crowded(seed: int, difficulty: float = 1.0) -> Example:
    """Draw a training picture full of objects and words, with labels but no questions.

    Four bands hold four objects or a word each, so that one picture teaches the tower as many
    shapes and letters as a dozen pictures to ask about would.

    Raises:
        FontsError: a training font is not installed.
    """
    rng = random.Random(f"crowded|{seed}|{difficulty!r}")
    noise = np.random.default_rng(rng.getrandbits(64))
    palette, ink = rng.choices(range(len(COLOURS)), k=3), _ink(rng)
    things: list[_Thing] = []
    words: list[tuple[Floats, PatchLabels]] = []
    for band in range(_BANDS):
        middle = (band + 0.5) * SIZE / _BANDS
        if rng.random() < 0.5:
            things += _row_of_things(rng, middle, palette, difficulty)
        else:
            words.append(_row_of_letters(rng, middle, difficulty))
    canvas = _background(rng, noise, [ink, *(thing.rgb for thing in things)], difficulty)
    for cover, _ in words:
        canvas += cover[:, :, None] * (np.array(ink, np.float32) - canvas)
    labels = _draw_things(canvas, things)
    for _, letters in words:
        np.copyto(labels.letter, letters.letter, where=letters.letter > 0)
    return Example(_photograph(rng, noise, canvas, difficulty), (), labels)


def write_dataset(folder: Path, seeds: Iterable[int], split: Split) -> None:
    """Write pictures `000001.png`, … and `questions.jsonl` with one line a question.

    A line holds "picture", "question", "answer" and "skill". The folder is made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as lines:
        for number, seed in enumerate(seeds, start=1):
            example = render(seed, split)
            name = f"{number:06d}.png"
            Image.fromarray(example.rgb).save(folder / name)
            for item in example.questions:
                record = {
                    "picture": name,
                    "question": item.question,
                    "answer": item.answer,
                    "skill": item.skill,
                }
                lines.write(json.dumps(record) + "\n")


def _draw_scene(
    rng: random.Random, noise: np.random.Generator, split: Split, skill: str, difficulty: float
) -> _Scene:
    if skill == "word":
        return _word_scene(rng, noise, split, difficulty)
    plan = _plan_colour if skill == "colour" else _plan_count
    kinds, questions = plan(rng, split, difficulty)
    things = _place(rng, kinds, difficulty)
    canvas = _background(rng, noise, [thing.rgb for thing in things], difficulty)
    labels = _draw_things(canvas, things)
    return _Scene(canvas, questions, labels)


# What a scene of objects holds, and what is asked about it.

_Kinds = list[tuple[int, int]]  # (shape, colour) of each object
_Plan = tuple[_Kinds, tuple[QuestionAnswer, ...]]


def _plan_colour(rng: random.Random, split: Split, difficulty: float) -> _Plan:
    """One to four kinds of objects; those asked about each have one colour only."""
    shapes = rng.sample(range(len(SHAPES)), rng.randint(1, 2 + round(2 * difficulty)))
    colours = rng.choices(range(len(COLOURS)), k=len(shapes))
    copies = [1 if rng.random() < 0.8 else 2 for _ in shapes]
    kinds = [
        (shape, colour)
        for shape, colour, copy in zip(shapes, colours, copies, strict=True)
        for _ in range(copy)
    ]
    kinds = kinds[:_MAX_OBJECTS]
    return kinds, _share_out([_colour_questions(rng, split, kinds, s) for s in shapes])


def _plan_count(rng: random.Random, split: Split, difficulty: float) -> _Plan:
    """Objects to count, planned so that each answer from 0 to 5 is equally likely."""
    design = rng.random()
    if design < 0.5:
        numbers, asked = _one_kind(rng, split, difficulty)
    elif design < 0.8:
        numbers, asked = _two_kinds(rng, split)
    else:
        numbers, asked = _any_kind(rng, split)
    kinds = _colour_kinds(rng, numbers)
    single = [s for s in numbers if numbers[s] and len({c for t, c in kinds if t == s}) == 1]
    if single and rng.random() < 0.6:
        asked[2:] = _colour_questions(rng, split, kinds, rng.choice(single))[:1]
    return kinds, tuple(asked[:_QUESTIONS])


def _one_kind(
    rng: random.Random, split: Split, difficulty: float
) -> tuple[dict[int, int], list[QuestionAnswer]]:
    """0 to 5 objects of the asked kind, sometimes with one or two of another."""
    shape, other, third = rng.sample(range(len(SHAPES)), 3)
    count = rng.randint(0, MAX_COUNT)
    numbers = {shape: count}
    if count == 0:
        numbers[other] = rng.randint(1, 2)
        numbers[third] = rng.randint(0, 2)
    elif rng.random() < 0.5 * difficulty:
        numbers[other] = rng.randint(1, 2)
    asked = _count_questions(rng, split, plural(SHAPES[shape]), count)
    if sum(numbers.values()) == count:  # the same number, so the answers stay balanced
        asked[1:2] = _count_questions(rng, split, rng.choice(ANY_OBJECT), count)[:1]
    return numbers, asked


@functools.lru_cache(maxsize=1)
def _paired_counts() -> tuple[tuple[int, ...], ...]:
    """Every permutation of 0..5 whose sums with 0..5 can be drawn: both counts stay uniform."""
    return tuple(
        order
        for order in itertools.permutations(range(MAX_COUNT + 1))
        if all(1 <= a + b <= _MAX_OBJECTS for a, b in enumerate(order))
    )


def _two_kinds(rng: random.Random, split: Split) -> tuple[dict[int, int], list[QuestionAnswer]]:
    """Two kinds, both asked about, both counts uniform over 0 to 5."""
    first, second = rng.sample(range(len(SHAPES)), 2)
    count = rng.randint(0, MAX_COUNT)
    numbers = {first: count, second: rng.choice(_paired_counts())[count]}
    asked = [_count_questions(rng, split, plural(SHAPES[s]), n) for s, n in numbers.items()]
    return numbers, list(_share_out(asked))


def _any_kind(rng: random.Random, split: Split) -> tuple[dict[int, int], list[QuestionAnswer]]:
    """1 to 5 objects of mixed kinds, asked for together."""
    count = rng.randint(1, MAX_COUNT)
    kinds = rng.sample(range(len(SHAPES)), 3)
    numbers = dict.fromkeys(kinds, 0)
    for shape in rng.choices(kinds, k=count):
        numbers[shape] += 1
    asked = _count_questions(rng, split, rng.choice(ANY_OBJECT), count)
    if rng.random() < 1 / 3:  # makes 0 as frequent an answer as 1 to 5 are in this design
        absent = rng.choice([s for s in range(len(SHAPES)) if not numbers.get(s)])
        asked[1:2] = _count_questions(rng, split, plural(SHAPES[absent]), 0)[:1]
    return numbers, asked


def _colour_kinds(rng: random.Random, numbers: dict[int, int]) -> _Kinds:
    """Give every object a colour: one each, or one for each kind of object."""
    every = range(len(COLOURS))
    if rng.random() < 0.5:
        kinds = [(s, c) for s, n in numbers.items() for c in rng.choices(every, k=n)]
    else:
        kinds = [(s, c) for s, n in numbers.items() for c in [rng.choice(every)] * n]
    rng.shuffle(kinds)
    return kinds


def _count_questions(
    rng: random.Random, split: Split, name: str, count: int
) -> list[QuestionAnswer]:
    texts = draw_questions(rng, split, Ask.COUNT, name, _QUESTIONS)
    return [QuestionAnswer(text, str(count), "count") for text in texts]


def _colour_questions(
    rng: random.Random, split: Split, kinds: _Kinds, shape: int
) -> list[QuestionAnswer]:
    colours = [colour for kind, colour in kinds if kind == shape]
    ask, name = Ask.COLOUR_OF_ONE, SHAPES[shape]
    if len(colours) > 1:
        ask, name = Ask.COLOUR_OF_MANY, plural(name)
    texts = draw_questions(rng, split, ask, name, _QUESTIONS)
    return [QuestionAnswer(text, COLOURS[colours[0]], "colour") for text in texts]


def _share_out(asked: Sequence[Sequence[QuestionAnswer]]) -> tuple[QuestionAnswer, ...]:
    """Take questions about each target in turn, until the picture has its number."""
    return tuple(item for turn in zip(*asked, strict=True) for item in turn)[:_QUESTIONS]


# Colours.

# Hue in degrees, saturation and value, from and to. Neighbours keep a gap, so that a shade has one
# name: brown is dark orange, pink is pale red, and grey stays away from black and from white.
_SHADES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-5, 4), (0.85, 1.0), (0.72, 0.95)),
    "green": ((105, 145), (0.65, 1.0), (0.42, 0.78)),
    "blue": ((212, 236), (0.7, 1.0), (0.6, 0.95)),
    "yellow": ((51, 59), (0.75, 1.0), (0.92, 1.0)),
    "orange": ((25, 34), (0.88, 1.0), (0.94, 1.0)),
    "purple": ((270, 288), (0.6, 0.9), (0.45, 0.72)),
    "pink": ((325, 345), (0.32, 0.55), (0.96, 1.0)),
    "brown": ((18, 30), (0.62, 0.85), (0.3, 0.46)),
    "black": ((0, 360), (0.0, 0.3), (0.0, 0.08)),
    "white": ((0, 360), (0.0, 0.03), (0.95, 1.0)),
    "grey": ((0, 360), (0.0, 0.06), (0.42, 0.6)),
}


def _shade(rng: random.Random, colour: int) -> Rgb:
    hue, saturation, value = (rng.uniform(*limits) for limits in _SHADES[COLOURS[colour]])
    return colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)


def _any_rgb(rng: random.Random) -> Rgb:
    """A wall, a table, a cloth: mostly light or dark and dull, sometimes coloured."""
    draw = rng.random()
    if draw < 0.45:
        saturation, value = rng.uniform(0, 0.25), rng.uniform(0.72, 1.0)
    elif draw < 0.65:
        saturation, value = rng.uniform(0, 0.4), rng.uniform(0.04, 0.28)
    else:
        saturation, value = rng.uniform(0.15, 0.65), rng.uniform(0.3, 0.95)
    return colorsys.hsv_to_rgb(rng.random(), saturation, value)


def _oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert sRGB (n, 3) of 0..1 to OKLab, where distances follow the eye.

    Source: Björn Ottosson, https://bottosson.github.io/posts/oklab/
    """
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(linear @ _TO_CONES)
    lab: NDArray[np.float64] = cones @ _TO_LAB
    return lab


_TO_CONES = np.array(
    [
        [0.4122214708, 0.2119034982, 0.0883024619],
        [0.5363325363, 0.6806995451, 0.2817188376],
        [0.0514459929, 0.1073969566, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 1.9779984951, 0.0259040371],
        [0.7936177850, -2.4285922050, 0.7827717662],
        [-0.0040720468, 0.4505937099, -0.8086757660],
    ]
)
# Least distance to the background, in OKLab, where black to white is 1.
_OBJECT_CONTRAST = 0.22
_WORD_CONTRAST = 0.3
# Of lightness and the two colour axes: what is printed to be read differs in lightness.
_OBJECT_WEIGHTS = (1.0, 1.0, 1.0)
_WORD_WEIGHTS = (1.0, 0.0, 0.0)
_CANDIDATES = 40


def _contrasting_pair(rng: random.Random, things: Sequence[Rgb], as_word: bool) -> tuple[Rgb, Rgb]:
    """Draw the two ends of a gradient that keeps away from all these colours on its way."""
    first = [_any_rgb(rng) for _ in range(_CANDIDATES)]
    second = [_towards(one, _any_rgb(rng), rng.uniform(0.1, 0.5)) for one in first]
    middle = [_towards(one, two, 0.5) for one, two in zip(first, second, strict=True)]
    if not things:
        return first[0], second[0]
    contrast = _WORD_CONTRAST if as_word else _OBJECT_CONTRAST
    weights = np.array(_WORD_WEIGHTS if as_word else _OBJECT_WEIGHTS)
    backgrounds = _oklab(np.array(first + middle + second)).reshape(3, _CANDIDATES, 1, 3)
    steps = (backgrounds - _oklab(np.array(things))) * weights
    distance = np.sqrt((steps**2).sum(-1)).min((0, 2))
    good = np.flatnonzero(distance >= contrast)
    best = int(good[0]) if good.size else int(distance.argmax())
    return first[best], second[best]


def _towards(one: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


# The canvas: background, light, noise.


@functools.lru_cache(maxsize=1)
def _axes() -> tuple[Floats, Floats]:
    """Pixel centres as x (1, SIZE) and y (SIZE, 1), from -1 to 1."""
    along: Floats = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1).astype(np.float32)
    return along[None, :], along[:, None]


def _ramp(rng: random.Random) -> Floats:
    """A plane (SIZE, SIZE) that rises from 0 to 1 in a random direction."""
    x, y = _axes()
    angle = rng.uniform(0, 2 * math.pi)
    plane: Floats = math.cos(angle) * x + math.sin(angle) * y
    return plane * np.float32(0.5 / (abs(math.cos(angle)) + abs(math.sin(angle)))) + np.float32(0.5)


def _background(
    rng: random.Random,
    noise: np.random.Generator,
    things: Sequence[Rgb],
    difficulty: float,
    as_word: bool = False,
) -> Floats:
    """Paint (SIZE, SIZE, 3): plain, a gradient or a texture, in contrast to `things`."""
    first, second = _contrasting_pair(rng, things, as_word)
    canvas = np.empty((SIZE, SIZE, 3), np.float32)
    canvas[:] = first
    draw = rng.random()
    if draw < 0.35:
        step = np.array(second, np.float32) - np.array(first, np.float32)
        canvas += _ramp(rng)[:, :, None] * step
    elif draw < 0.35 + 0.4 * difficulty:
        canvas += _texture(rng, noise, rng.uniform(0.01, 0.05))[:, :, None]
    return canvas


def _texture(rng: random.Random, noise: np.random.Generator, amplitude: float) -> Floats:
    """Soft spots or stripes (SIZE, SIZE) around 0."""
    across, down = rng.choice(((6, 6), (16, 16), (32, 32), (40, 3), (3, 40)))
    coarse = noise.standard_normal((down, across), np.float32)
    image = Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32) * np.float32(amplitude)


def _photograph(
    rng: random.Random, noise: np.random.Generator, canvas: Floats, difficulty: float
) -> NDArray[np.uint8]:
    """Add what a camera adds: uneven light, a little blur and noise, rarely JPEG blocks."""
    if rng.random() < 0.5:
        low = 1 - rng.uniform(0, 0.15) * difficulty
        canvas = canvas * (low + (1 - low) * _ramp(rng))[:, :, None]
    sigma = rng.uniform(0, 7) * difficulty
    if sigma > 0.5:
        canvas = canvas + _grain(rng, noise, sigma / 255)
    image = Image.fromarray(_to_bytes(canvas))
    if rng.random() < 0.3 * difficulty:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7)))
    if rng.random() < 0.08 * difficulty:
        image = _through_jpeg(image, rng.randint(45, 85))
    return np.array(image)


def _grain(rng: random.Random, noise: np.random.Generator, sigma: float) -> Floats:
    """Noise of a sensor, the same in all channels or one for each."""
    channels = rng.choice((1, 3))
    return noise.standard_normal((SIZE, SIZE, channels), np.float32) * np.float32(sigma)


def _to_bytes(canvas: Floats) -> NDArray[np.uint8]:
    return (np.clip(canvas, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


# Objects.


def _place(rng: random.Random, kinds: _Kinds, difficulty: float) -> list[_Thing]:
    """Scatter objects of 14 to 40 pixels whose surrounding circles do not touch."""
    most = min(20.0, math.sqrt(0.36 * SIZE * SIZE / (math.pi * max(len(kinds), 1))))
    least = min(most, 11 - 4 * difficulty)
    placed: list[tuple[float, float, float]] = []
    things: list[_Thing] = []
    for shape, colour in kinds:
        x, y, radius = _free_place(rng, placed, rng.uniform(least, most))
        placed.append((x, y, radius))
        angle = rng.uniform(-math.pi, math.pi) * difficulty
        things.append(_Thing(shape, colour, _shade(rng, colour), x, y, radius, angle))
    return things


def _free_place(
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


def _row_of_things(
    rng: random.Random, middle: float, palette: Sequence[int], difficulty: float
) -> list[_Thing]:
    """Up to four objects of 14 to 30 pixels side by side around the height `middle`."""
    cell = SIZE / _BANDS
    things = []
    for column in range(_BANDS):
        if rng.random() < 0.15:
            continue
        radius = rng.uniform(7.0, cell / 2 - 1)
        play = cell / 2 - radius
        x = (column + 0.5) * cell + rng.uniform(-play, play)
        y = middle + rng.uniform(-play, play)
        angle = rng.uniform(-math.pi, math.pi) * difficulty
        colour = rng.choice(palette)
        shape = rng.randrange(len(SHAPES))
        things.append(_Thing(shape, colour, _shade(rng, colour), x, y, radius, angle))
    return things


@functools.lru_cache(maxsize=len(SHAPES))
def _outline(shape: int) -> NDArray[np.float64]:
    """Corners (n, 2) of a shape inside the unit circle, y downwards."""
    name = SHAPES[shape]
    if name == "circle":
        return _spokes([1.0] * 48)
    if name == "square":
        return _spokes([1.0] * 4, math.pi / 4)
    if name == "triangle":
        return _spokes([1.0] * 3)
    if name == "star":
        return _spokes([1.0, 0.42] * 5)
    if name == "heart":
        return _heart()
    arm = 0.32
    reach = math.sqrt(1 - arm * arm)
    quarter = np.array([(arm, -arm), (arm, -reach), (-arm, -reach)])
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, k) for k in range(4)])


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


def _draw_things(canvas: Floats, things: Sequence[_Thing]) -> PatchLabels:
    """Paint the objects onto the canvas in place and label the patches they cover."""
    labels = _no_labels()
    most = np.full((GRID, GRID), _COVERED, np.float32)
    for thing in things:
        left, top, mask = _mask(thing)
        height, width = mask.shape
        area = canvas[top : top + height, left : left + width]
        area += mask[:, :, None] * (np.array(thing.rgb, np.float32) - area)
        cover = _patch_cover(left, top, mask)
        mine = cover >= most
        np.copyto(most, cover, where=mine)
        labels.colour[mine] = thing.colour + 1
        labels.shape[mine] = thing.shape + 1
        labels.centre[int(thing.y) // PATCH, int(thing.x) // PATCH] = 1
    return labels


def _mask(thing: _Thing) -> tuple[int, int, Floats]:
    """Draw an object's coverage (height, width) of 0..1 and say where its corner lies."""
    left = max(0, math.floor(thing.x - thing.radius))
    top = max(0, math.floor(thing.y - thing.radius))
    right = min(SIZE, math.ceil(thing.x + thing.radius) + 1)
    bottom = min(SIZE, math.ceil(thing.y + thing.radius) + 1)
    scale = _SUPERSAMPLING
    image = Image.new("L", ((right - left) * scale, (bottom - top) * scale))
    cos, sin = math.cos(thing.angle), math.sin(thing.angle)
    points = _outline(thing.shape) @ np.array([[cos, sin], [-sin, cos]]) * thing.radius
    # Half a pixel less: drawing puts whole coordinates at pixel centres.
    points = (points + (thing.x - left, thing.y - top)) * scale - 0.5
    ImageDraw.Draw(image).polygon(points.ravel().tolist(), fill=255)
    return left, top, np.asarray(image.reduce(scale), np.float32) / np.float32(255)


def _patch_cover(left: int, top: int, mask: Floats) -> Floats:
    """Return the share (GRID, GRID) of every patch that the mask covers."""
    whole = np.zeros((SIZE, SIZE), np.float32)
    whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    cover: Floats = whole.reshape(GRID, PATCH, GRID, PATCH).mean((1, 3))
    return cover


def _no_labels() -> PatchLabels:
    return PatchLabels(*(np.zeros((GRID, GRID), np.int64) for _ in range(4)))


# Words.


def _word_scene(
    rng: random.Random, noise: np.random.Generator, split: Split, difficulty: float
) -> _Scene:
    word = draw_word(rng, split, 1, 2 + round((MAX_LETTERS - 2) * difficulty))
    fonts = held_out_fonts() if split is Split.HELD_OUT else training_fonts()
    glyphs = _glyphs(rng.choice(fonts))
    angle = math.radians(rng.uniform(-6, 6)) * difficulty
    strip, boxes, scale = _typeset(rng, word, glyphs, angle, difficulty)
    cover, labels = _print_strip(rng, word, strip, boxes, scale, angle)
    ink = _ink(rng)
    canvas = _background(rng, noise, [ink], difficulty, as_word=True)
    canvas += cover[:, :, None] * (np.array(ink, np.float32) - canvas)
    questions = tuple(
        QuestionAnswer(text, word, "word")
        for text in draw_questions(rng, split, Ask.WORD, number=_QUESTIONS)
    )
    return _Scene(canvas, questions, labels)


def _row_of_letters(
    rng: random.Random, middle: float, difficulty: float
) -> tuple[Floats, PatchLabels]:
    """A word of five to eight random letters around the height `middle`."""
    word = "".join(rng.choices(LETTERS, k=rng.randint(5, MAX_LETTERS)))
    glyphs = _glyphs(rng.choice(training_fonts()))
    angle = math.radians(rng.uniform(-3, 3)) * difficulty
    strip, boxes, scale = _typeset(rng, word, glyphs, angle, difficulty)
    return _print_strip(rng, word, strip, boxes, scale, angle, middle)


def _ink(rng: random.Random) -> Rgb:
    """Dark or light ink most of the time, else any colour that has a name."""
    draw = rng.random()
    if draw < 0.6:
        value = rng.uniform(0.0, 0.2) if draw < 0.35 else rng.uniform(0.85, 1.0)
        return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.15), value)
    return _shade(rng, rng.randrange(len(COLOURS)))


@functools.lru_cache(maxsize=128)
def _glyphs(path: Path) -> dict[str, _Glyph]:
    """Draw all letters of a font once, large; every picture scales them down."""
    font = ImageFont.truetype(str(path), _GLYPH_EM)
    return {letter: _draw_glyph(font, letter) for letter in LETTERS}


def _draw_glyph(font: ImageFont.FreeTypeFont, letter: str) -> _Glyph:
    left, top, right, bottom = (int(edge) for edge in font.getbbox(letter, anchor="ls"))
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).text((-left, -top), letter, fill=255, font=font, anchor="ls")
    return _Glyph(mask, left, top, font.getlength(letter))


_Boxes = NDArray[np.float64]  # (letters, 4): left, top, right, bottom


def _typeset(
    rng: random.Random, word: str, glyphs: dict[str, _Glyph], angle: float, difficulty: float
) -> tuple[Image.Image, _Boxes, float]:
    """Set a word in a strip at the glyphs' size.

    Returns:
        The strip, the letters' boxes in it, and the scale that brings both into the picture.
    """
    mean_advance = sum(glyph.advance for glyph in glyphs.values()) / len(glyphs)
    widest = min(30.0, 0.94 * SIZE / len(word))
    narrowest = max(11.0, widest * (1 - 0.4 * difficulty))
    scale = rng.uniform(min(narrowest, widest), widest) / mean_advance
    spacing = rng.uniform(0.0, 0.1) * _GLYPH_EM
    tallest = max(-glyph.top for glyph in glyphs.values())
    for _ in range(8):
        pitch = [max(glyphs[c].advance + spacing, _LEAST_PITCH / scale) for c in word]
        room = _room(sum(pitch), tallest, angle)
        if room * scale <= SIZE - 4:
            break
        scale = min((SIZE - 4.5) / room, scale * 0.98)
    return (*_strip(word, glyphs, pitch, scale), scale)


def _room(width: float, height: float, angle: float) -> float:
    """Return the longer side of the upright box around a rotated one."""
    cos, sin = math.cos(angle), abs(math.sin(angle))
    return max(width * cos + height * sin, width * sin + height * cos)


def _strip(
    word: str, glyphs: dict[str, _Glyph], pitch: Sequence[float], scale: float
) -> tuple[Image.Image, _Boxes]:
    """Paste glyphs side by side, each in the middle of its cell, on one baseline."""
    top = math.floor(min(glyphs[c].top for c in word))
    bottom = math.ceil(max(glyphs[c].top + glyphs[c].mask.height for c in word))
    strip = Image.new("L", (math.ceil(sum(pitch)), bottom - top))
    boxes = np.empty((len(word), 4))
    least = (PATCH + 0.01) / scale
    pen = 0.0
    for index, (letter, cell) in enumerate(zip(word, pitch, strict=True)):
        glyph = glyphs[letter]
        width, height = glyph.mask.size
        x, y = round(pen + (cell - width) / 2), round(glyph.top - top)
        strip.paste(255, (x, y), glyph.mask)
        wide, high = max(width, least) / 2, max(height, least) / 2
        middle_x, middle_y = pen + cell / 2, y + height / 2
        left, right = max(middle_x - wide, pen), min(middle_x + wide, pen + cell)
        boxes[index] = left, middle_y - high, right, middle_y + high
        pen += cell
    return strip, boxes


def _print_strip(
    rng: random.Random,
    word: str,
    strip: Image.Image,
    boxes: _Boxes,
    scale: float,
    angle: float,
    middle: float | None = None,
) -> tuple[Floats, PatchLabels]:
    """Put the strip somewhere, or at the height `middle`: coverage (SIZE, SIZE) and labels."""
    width, height = strip.width * scale, strip.height * scale
    cos, sin = math.cos(angle), math.sin(angle)
    half_x = (width * cos + height * abs(sin)) / 2 + 1
    half_y = (width * abs(sin) + height * cos) / 2 + 1
    x = rng.uniform(min(half_x, SIZE / 2), max(SIZE - half_x, SIZE / 2))
    if middle is None:
        y = rng.uniform(min(half_y, SIZE / 2), max(SIZE - half_y, SIZE / 2))
    else:
        y = middle
    double = (max(1, round(2 * width)), max(1, round(2 * height)))
    image = strip.resize(double, Image.Resampling.BOX, reducing_gap=None)
    # From a pixel of the doubled picture back into the doubled strip.
    offset_x = double[0] / 2 - 2 * (cos * x + sin * y)
    offset_y = double[1] / 2 - 2 * (cos * y - sin * x)
    image = image.transform(
        (2 * SIZE, 2 * SIZE),
        Image.Transform.AFFINE,
        (cos, sin, offset_x, -sin, cos, offset_y),
        Image.Resampling.BILINEAR,
    )
    cover = np.asarray(image.reduce(2), np.float32) / np.float32(255)
    centre = (np.arange(GRID) + 0.5) * PATCH
    across, down = centre[None, :] - x, centre[:, None] - y
    u = (cos * across + sin * down) / scale + strip.width / 2
    v = (cos * down - sin * across) / scale + strip.height / 2
    return cover, _letter_labels(word, boxes, u, v)


def _letter_labels(
    word: str, boxes: _Boxes, u: NDArray[np.float64], v: NDArray[np.float64]
) -> PatchLabels:
    """Label patches whose centre, at (u, v) of the strip, lies in a letter's box."""
    labels = _no_labels()
    left, top, right, bottom = (edge[:, None, None] for edge in boxes.T)
    inside = (u >= left) & (u < right) & (v >= top) & (v < bottom)
    for letter, mine in zip(word, inside, strict=True):
        labels.letter[mine] = LETTERS.index(letter) + 1
    return labels


# Pictures in which nothing can be told.


def _decline(
    rng: random.Random, noise: np.random.Generator, split: Split, difficulty: float
) -> Example:
    """A blank picture, or a scene too blurred or too dark to tell anything."""
    draw = rng.random()
    if draw < 0.4:
        canvas = _blank(rng, noise, difficulty)
    else:
        skill = rng.choice(("colour", "count", "word"))
        canvas = _draw_scene(rng, noise, split, skill, difficulty).canvas
        canvas = _blur(rng, canvas) if draw < 0.75 else canvas * rng.uniform(0.0, _DARK)
    canvas = canvas + _grain(rng, noise, rng.uniform(0.002, 0.03))
    questions = tuple(
        QuestionAnswer(text, DECLINE, "decline") for text in _any_questions(rng, split)
    )
    return Example(_to_bytes(canvas), questions, _no_labels())


def _blank(rng: random.Random, noise: np.random.Generator, difficulty: float) -> Floats:
    """A wall, a finger on the lens, or a lens cap."""
    if rng.random() < 0.3:
        return np.full((SIZE, SIZE, 3), rng.uniform(0, 0.05), np.float32)
    return _background(rng, noise, (), difficulty)


def _blur(rng: random.Random, canvas: Floats) -> Floats:
    image = Image.fromarray(_to_bytes(canvas))
    blurred = image.filter(ImageFilter.GaussianBlur(rng.uniform(9, 14)))
    return np.asarray(blurred, np.float32) / np.float32(255)


def _any_questions(rng: random.Random, split: Split) -> list[str]:
    """One question of each sort: nothing in the question may give the answer away."""
    colour, count = rng.choices(SHAPES, k=2)
    counted = rng.choice((plural(count), plural(count), rng.choice(ANY_OBJECT)))
    one = rng.random() < 0.7
    colour_of = Ask.COLOUR_OF_ONE if one else Ask.COLOUR_OF_MANY
    texts = draw_questions(rng, split, colour_of, colour if one else plural(colour))
    texts += draw_questions(rng, split, Ask.COUNT, counted)
    texts += draw_questions(rng, split, Ask.WORD)
    return texts
