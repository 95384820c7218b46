"""Signs and labels to read: one word, or a few short lines."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageDraw

from models.pocket.questions import (
    MAX_LETTERS,
    Ask,
    Split,
    draw_questions,
    draw_word,
    in_split,
    listed_words,
)
from models.pocket.training.drawing.camera import background
from models.pocket.training.drawing.canvas import QuestionAnswer, Rgb, Scene
from models.pocket.training.drawing.colours import ink_colour, ink_on, some_paper
from models.pocket.training.drawing.placing import clutter, place
from models.pocket.training.drawing.sheet import (
    RESOLUTION,
    Sheet,
    Style,
    ink_sheet,
    paper_sheet,
    to_pillow,
    width_in_ems,
    write,
)
from models.pocket.training.fonts import held_out_fonts, training_fonts

_WORD_EM = (24.0, 64.0)  # picture pixels
_LARGE_EM = 40.0
_LARGE_SHARE = 0.62  # of the words; the others turn out large now and then, too
_LINES_EM = (22.0, 40.0)
_MOST_IN_LINE = 16  # characters
_ROOM = 176.0  # picture pixels that text may take, either way
_TRIES = 60
_CASES = ("upper", "capital", "lower", "digits")
_CASE_ODDS = (0.45, 0.25, 0.2, 0.1)
_DIGITS_AND_LETTERS = (
    string.digits * 2 + "ABCDEFGHJKLMNPQRSTUVWXYZ"
)  # no O and I: they look like 0 and 1


def fonts_of(split: Split) -> tuple[Path, ...]:
    """Return the font files of a split.

    Raises:
        FontsError: one of them is not installed.
    """
    return training_fonts() if split is Split.TRAIN else held_out_fonts()


@dataclass(frozen=True, slots=True)
class SetLine:
    """A line of a block of text, as printed."""

    text: str
    style: Style

    @property
    def width(self) -> float:
        return self.style.width(self.text)


def draw_word_scene(
    rng: random.Random, noise: np.random.Generator, split: Split, difficulty: float
) -> Scene:
    """Print one word, as large as fits or smaller, on a wall or on a sign.

    Raises:
        FontsError: a font of the split is not installed.
    """
    large = rng.random() < _LARGE_SHARE or difficulty == 0
    for _ in range(_TRIES):
        word, path = _printed_word(rng, split, difficulty), rng.choice(fonts_of(split))
        spacing = max(0.0, rng.uniform(-0.15, 0.15))
        most = min(_WORD_EM[1], _ROOM / width_in_ems(path, word, spacing))
        if most >= (_LARGE_EM + 2 if large else _WORD_EM[0] + 2):
            break
    least = max(_WORD_EM[0] + 1, min(most, _LARGE_EM + 1) if large else 0.0)
    em = rng.uniform(min(most, max(least, most * (0.9 - 0.5 * difficulty))), most)
    scene, scale = draw_block(rng, noise, [SetLine(word, Style(path, em, spacing))], difficulty)
    questions = draw_questions(rng, split, Ask.WORD, number=rng.randint(2, 3))
    asked = tuple(
        QuestionAnswer(question, word.upper(), Ask.WORD.skill, round(em * scale, 1))
        for question in questions
    )
    return Scene(scene.canvas, asked, scene.labels)


def _printed_word(rng: random.Random, split: Split, difficulty: float) -> str:
    longest = min(MAX_LETTERS, 3 + round(5 * difficulty))
    case = rng.choices(_CASES, _CASE_ODDS)[0]
    if case != "digits":
        return in_case(draw_word(rng, split, 1, longest), case)
    length = rng.randint(1, min(longest, 6))
    while True:
        word = "".join(rng.choices(_DIGITS_AND_LETTERS, k=length))
        if in_split(word, split):
            return word


def in_case(text: str, case: str) -> str:
    """Print text in capitals as given, in small letters, or with capital initials."""
    if case == "lower":
        return text.lower()
    return text.title() if case == "capital" else text


def draw_lines_scene(
    rng: random.Random, noise: np.random.Generator, split: Split, difficulty: float
) -> Scene:
    """Print a sign or a label of one to four short lines.

    Raises:
        FontsError: a font of the split is not installed.
    """
    lines = _fitting_lines(rng, split, difficulty)
    scene, scale = draw_block(rng, noise, lines, difficulty)
    answer = "\n".join(line.text.upper() for line in lines)
    size = round(min(line.style.em for line in lines) * scale, 1)
    asked = tuple(
        QuestionAnswer(question, answer, Ask.LINES.skill, size)
        for question in draw_questions(rng, split, Ask.LINES, number=rng.randint(2, 3))
    )
    return Scene(scene.canvas, asked, scene.labels)


def _fitting_lines(rng: random.Random, split: Split, difficulty: float) -> list[SetLine]:
    """Draw lines and a font until they fit at the least size, and choose the size."""
    short = difficulty < 0.5
    for attempt in range(_TRIES):
        number = rng.randint(1, 2) if short else rng.choices((1, 2, 3, 4), (2, 4, 4, 1))[0]
        limit = 8 if short or attempt > _TRIES // 2 else rng.randint(8, _MOST_IN_LINE)
        case = rng.choices(_CASES[:3], (0.5, 0.35, 0.15))[0]
        texts = [in_case(_line_text(rng, split, limit), case) for _ in range(number)]
        path, spacing = rng.choice(fonts_of(split)), max(0.0, rng.uniform(-0.1, 0.06))
        # The first line may be larger: a name above what it is.
        larger = rng.uniform(1.1, 1.5) if number > 1 and rng.random() < 0.3 else 1.0
        factors = [larger] + [1.0] * (number - 1)
        widest = max(
            width_in_ems(path, text, spacing) * factor
            for text, factor in zip(texts, factors, strict=True)
        )
        most = min(
            _LINES_EM[1] / larger, _ROOM / widest, _ROOM / (1.25 * (number - 1 + larger) + 0.1)
        )
        if most >= _LINES_EM[0] + 1:
            break
    em = rng.uniform(max(_LINES_EM[0] + 1, most * (0.95 - 0.3 * difficulty)), most)
    return [
        SetLine(text, Style(path, em * factor, spacing))
        for text, factor in zip(texts, factors, strict=True)
    ]


def _line_text(rng: random.Random, split: Split, limit: int) -> str:
    """Compose a line of at most `limit` characters out of the split's words, and some numbers."""
    draw = rng.random()
    if draw < 0.12:
        text = rng.choice(
            (
                f"{rng.randint(0, 23)}:{rng.randint(0, 59):02d}",
                f"{rng.randint(1, 99)}%",
                f"{rng.randint(1, 999)} G",
                f"NO. {rng.randint(1, 99)}",
                f"{rng.randint(6, 12)}:00-{rng.randint(13, 22)}:00",
                f"{rng.randint(1, 99)}-{rng.randint(1, 99)}",
            )
        )
        if len(text) <= limit:
            return text
    if draw < 0.3:
        return draw_word(rng, split, 2, min(limit, MAX_LETTERS))
    words = [rng.choice(listed_words(split, 1, min(limit, 12)))]
    joints = (" ", " ", " ", " ", " & ", " - ", ", ", "/")
    while rng.random() < 0.65:
        longer = words[-1] + rng.choice(joints) + rng.choice(listed_words(split, 1, 12))
        if len(longer) > limit:
            break
        words.append(longer)
    text = words[-1]
    if len(text) < limit and rng.random() < 0.1:
        text += rng.choice("!?.:")
    return text


def draw_block(
    rng: random.Random, noise: np.random.Generator, lines: list[SetLine], difficulty: float
) -> tuple[Scene, float]:
    """Print lines on a wall or on a sign: the scene without questions, and its scale (about 1)."""
    if rng.random() < 0.5:
        ink = ink_colour(rng)
        canvas = background(rng, noise, [ink], difficulty, as_word=True)
        sheet = _set_block(rng, lines, ink, None)
    else:
        paper = some_paper(rng)
        busy = rng.random() < 0.5 * difficulty
        canvas = clutter(rng) if busy else background(rng, noise, [paper], difficulty)
        sheet = _set_block(rng, lines, ink_on(rng, paper), paper)
    labels, scale = place(rng, sheet, canvas, difficulty)
    return Scene(canvas, (), labels), scale


def _set_block(rng: random.Random, lines: list[SetLine], ink: Rgb, paper: Rgb | None) -> Sheet:
    """Set lines under each other, on a sign if there is paper, else as ink alone."""
    lead = rng.uniform(1.08, 1.3)
    alignment = rng.choice((0.0, 0.5, 0.5))
    widest = max(line.width for line in lines)
    largest = max(line.style.em for line in lines)
    pad_x, pad_y = (rng.uniform(0.25, 0.7) * largest + 4 for _ in range(2))
    heights = [line.style.em * lead for line in lines]
    width, height = widest + 2 * pad_x, sum(heights) + 2 * pad_y
    if paper is None:
        sheet = ink_sheet(width, height, ink)
    else:
        sheet = paper_sheet(width, height, paper)
        _trim(rng, sheet, ink, min(pad_x, pad_y))
    top = pad_y
    for line, tall in zip(lines, heights, strict=True):
        x = pad_x + alignment * (widest - line.width)
        base = top + (tall + line.style.capital_height) / 2
        write(sheet, line.text, line.style, x, base, None if paper is None else ink)
        top += tall
    return sheet


def _trim(rng: random.Random, sheet: Sheet, ink: Rgb, room: float) -> None:
    """Draw a frame or a band at the sign's edge, or nothing; `room` is free of text."""
    kind = rng.random()
    pen = ImageDraw.Draw(sheet.image)
    width, height = sheet.image.size
    thick = rng.uniform(1.0, 3.0) * RESOLUTION
    if kind < 0.3:
        inset = rng.uniform(0.0, max(0.0, room - 6)) * RESOLUTION * 0.5
        box = (inset, inset, width - 1 - inset, height - 1 - inset)
        pen.rectangle(box, outline=to_pillow(ink), width=max(1, round(thick)))
    elif kind < 0.45:
        pen.rectangle((0, 0, width, thick), fill=to_pillow(ink))
        pen.rectangle((0, height - thick, width, height), fill=to_pillow(ink))
