"""Book covers: a title, and often an author, a category and a year, between decorations."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageDraw

from models.pocket.questions import COLOURS, SHAPES, Ask, Split, draw_questions
from models.pocket.training.drawing.camera import background
from models.pocket.training.drawing.canvas import QuestionAnswer, Rgb, Scene
from models.pocket.training.drawing.colours import (
    any_rgb,
    ink_on,
    lightness,
    shade,
    some_paper,
    towards,
)
from models.pocket.training.drawing.objects import some_angle
from models.pocket.training.drawing.placing import clutter, place
from models.pocket.training.drawing.sheet import (
    RESOLUTION,
    Sheet,
    Style,
    draw_object,
    paper_sheet,
    to_pillow,
    width_in_ems,
    write,
)
from models.pocket.training.drawing.words import fonts_of, in_case
from models.pocket.training.listing import listing, wrappings

COVER_ASKS = (Ask.TITLE, Ask.AUTHOR, Ask.CATEGORY, Ask.YEAR)
_SHARES = {Ask.AUTHOR: 0.85, Ask.CATEGORY: 0.55, Ask.YEAR: 0.3}  # of the hardest covers
_TITLE_EM = (23.0, 44.0)  # picture pixels
_PLAIN_TITLE_EM = 60.0  # where nothing else is on the cover
_SMALL_EM = (19.0, 23.0)  # of everything else
_ROOM = 176.0  # picture pixels that text may take, either way
_LEADING = 1.12
_TRIES = 80


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines set in one style that answer one question."""

    ask: Ask
    lines: tuple[str, ...]
    style: Style

    @property
    def height(self) -> float:
        return len(self.lines) * self.style.em * _LEADING

    @property
    def answer(self) -> str:
        return " ".join(self.lines).upper()


def draw_cover(
    rng: random.Random,
    noise: np.random.Generator,
    split: Split,
    difficulty: float,
    wanted: Ask | None = None,
) -> Scene:
    """Draw a book's cover that fills most of the picture, and ask what is printed on it.

    Args:
        wanted: one of COVER_ASKS that is printed and asked for certain; else the title is.

    Raises:
        FontsError: a font of the split is not installed.
        ListingError: the listing of books is absent.
    """
    blocks, gap = _compose(rng, split, difficulty, wanted or Ask.TITLE)
    sheet = _print_cover(rng, blocks, gap, difficulty)
    canvas = clutter(rng) if rng.random() < 0.4 * difficulty else background(rng, noise, [], 0.5)
    labels, scale = place(rng, sheet, canvas, difficulty)
    asked = [wanted or Ask.TITLE]
    asked += rng.sample(
        [block.ask for block in blocks if block.ask is not asked[0]], len(blocks) - 1
    )
    if len(asked) < 3:
        asked += rng.choices(asked, k=3 - len(asked))
    by_ask = {block.ask: block for block in blocks}
    questions = []
    for ask in dict.fromkeys(asked):
        block = by_ask[ask]
        size = round(block.style.em * scale, 1)
        for question in draw_questions(rng, split, ask, number=asked.count(ask)):
            questions.append(QuestionAnswer(question, block.answer, ask.skill, size))
    return Scene(canvas, tuple(questions), labels)


def _compose(
    rng: random.Random, split: Split, difficulty: float, wanted: Ask
) -> tuple[list[_Block], float]:
    """Choose what to print, from top to bottom, and the height left for a picture."""
    source = listing(split)
    fonts = fonts_of(split)
    for attempt in range(_TRIES):
        book = rng.choice(source.books)
        texts = {Ask.TITLE: book.title}
        for ask, text in (
            (Ask.AUTHOR, rng.choice(source.authors)),
            (Ask.CATEGORY, book.category),
            (Ask.YEAR, str(rng.randint(1950, 2026))),
        ):
            drawn = rng.random() < _SHARES[ask] * difficulty * (1 - attempt / _TRIES)
            if ask is wanted or drawn:
                texts[ask] = text
        blocks = _set_blocks(rng, texts, rng.choice(fonts), rng.choice(fonts), difficulty)
        if blocks is not None:
            break
    else:
        blocks = [_Block(Ask.TITLE, ("ATLAS",), Style(fonts[0], _TITLE_EM[1]))]
    left = _ROOM - sum(block.height for block in blocks)
    return _in_some_order(rng, blocks), left


def _set_blocks(
    rng: random.Random, texts: dict[Ask, str], face: Path, small_face: Path, difficulty: float
) -> list[_Block] | None:
    """Find sizes at which everything fits the cover, the title the largest; None if none do."""
    blocks = []
    left = _ROOM - 8
    for ask, text in texts.items():
        if ask is Ask.TITLE:
            continue
        text = in_case(text.upper() if rng.random() < 0.4 else text, "upper")
        lines = rng.choice(wrappings(text))
        em = min(_widest_em(lines, small_face), rng.uniform(*_SMALL_EM))
        if em < _SMALL_EM[0]:
            return None
        blocks.append(_Block(ask, lines, Style(small_face, em)))
        left -= blocks[-1].height + 4
    title = texts[Ask.TITLE].upper() if rng.random() < 0.45 else texts[Ask.TITLE]
    limit = _TITLE_EM[1] if len(texts) > 1 else _PLAIN_TITLE_EM
    options = []
    for lines in wrappings(title):
        most = min(_widest_em(lines, face), left / (len(lines) * _LEADING), limit)
        options.append((most, lines))
    most, lines = max(options)
    # The title is told from the rest by its size; the first covers have short, large ones.
    least = max(
        [_TITLE_EM[0] + 1 + 11 * (1 - difficulty), *(1.15 * block.style.em for block in blocks)]
    )
    if most < least:
        return None
    em = max(least, rng.uniform(0.95 - 0.25 * difficulty, 1.0) * most)
    return [_Block(Ask.TITLE, lines, Style(face, em)), *blocks]


def _widest_em(lines: tuple[str, ...], face: Path) -> float:
    return _ROOM / max(width_in_ems(face, line) for line in lines)


def _in_some_order(rng: random.Random, blocks: list[_Block]) -> list[_Block]:
    """The author above or below the title, the category and the year at either end."""
    order = [blocks[0]]
    for block in blocks[1:]:
        at_end = block.ask is Ask.YEAR or rng.random() < 0.6
        order = [*order, block] if at_end else [block, *order]
    return order


def _print_cover(rng: random.Random, blocks: list[_Block], left: float, difficulty: float) -> Sheet:
    """Paint the cover: paper, decorations, blocks down the page, objects where there is room."""
    paper = some_paper(rng)
    width, height = rng.uniform(184, 200), rng.uniform(186, 232)
    sheet = paper_sheet(width, height, paper)
    pen = ImageDraw.Draw(sheet.image)
    _decorate(rng, pen, width, height, paper, difficulty)
    # The height that is left goes between the blocks and to the margins, in random parts.
    parts = [rng.random() ** 2 + 0.03 for _ in range(len(blocks) + 1)]
    spaces = [left * part / sum(parts) for part in parts]
    alignment = rng.choice((0.5, 0.5, 0.5, 0.0, 1.0))
    ink = ink_on(rng, paper)
    top = (height - _ROOM) / 2
    gaps: list[tuple[float, float]] = []
    for block, space in zip(blocks, spaces, strict=False):
        gaps.append((top, top + space))
        top += space
        below, own_ink = paper, ink
        if rng.random() < 0.25 * difficulty:
            below = some_paper(rng)
            own_ink = ink_on(rng, below)
            band = (0.0, top - 1.5, width, top + block.height + 1.5)
            pen.rectangle([edge * RESOLUTION for edge in band], fill=to_pillow(below))
        elif rng.random() < 0.3:
            own_ink = ink_on(rng, below)
        _print_block(sheet, block, top, width, alignment, own_ink)
        top += block.height
    gaps.append((top, top + spaces[-1]))
    _illustrate(rng, sheet, gaps, paper, difficulty)
    return sheet


def _print_block(
    sheet: Sheet, block: _Block, top: float, width: float, alignment: float, ink: Rgb
) -> None:
    step = block.style.em * _LEADING
    margin = (width - _ROOM) / 2
    for line in block.lines:
        x = margin + alignment * (_ROOM - block.style.width(line))
        base = top + (step + block.style.capital_height) / 2
        write(sheet, line, block.style, x, base, ink)
        top += step


def _decorate(
    rng: random.Random,
    pen: ImageDraw.ImageDraw,
    width: float,
    height: float,
    paper: Rgb,
    difficulty: float,
) -> None:
    """Paint pale shapes near the paper's lightness, a frame, or bands at the edges."""
    kind = rng.random()
    if kind < 0.35 * difficulty:
        for _ in range(rng.randint(1, 5)):
            other = towards(paper, any_rgb(rng), rng.uniform(0.1, 0.5))
            if abs(lightness(other) - lightness(paper)) > 0.1:
                other = towards(paper, other, 0.25)
            x, y = rng.uniform(-30, width), rng.uniform(-30, height)
            box = (x, y, x + rng.uniform(30, 140), y + rng.uniform(30, 140))
            draw = pen.ellipse if rng.random() < 0.6 else pen.rectangle
            draw([edge * RESOLUTION for edge in box], fill=to_pillow(other))
    elif kind < 0.6 * difficulty:
        inset, thick = rng.uniform(0, 3), rng.uniform(0.8, 2.5)
        box = (inset, inset, width - inset, height - inset)
        fill = to_pillow(ink_on(rng, paper))
        corners = [edge * RESOLUTION for edge in box]
        pen.rectangle(corners, outline=fill, width=max(1, round(thick * RESOLUTION)))
    elif kind < 0.8 * difficulty:
        tall = rng.uniform(1, max(1.5, (height - _ROOM) / 2 - 2))
        fill = to_pillow(any_rgb(rng))
        pen.rectangle((0, 0, width * RESOLUTION, tall * RESOLUTION), fill=fill)
        pen.rectangle(
            (0, (height - tall) * RESOLUTION, width * RESOLUTION, height * RESOLUTION), fill=fill
        )


def _illustrate(
    rng: random.Random,
    sheet: Sheet,
    gaps: list[tuple[float, float]],
    paper: Rgb,
    difficulty: float,
) -> None:
    """Draw an object or a row of them into the widest gap between the blocks."""
    top, bottom = max(gaps, key=lambda gap: gap[1] - gap[0])
    radius = min(36.0, (bottom - top) / 2 - 3)
    if radius < 9 or rng.random() > 0.25 + 0.5 * difficulty:
        return
    shape, colour = rng.randrange(len(SHAPES)), rng.randrange(len(COLOURS))
    rgb = shade(rng, colour)
    if math.dist(rgb, paper) < 0.35:
        return
    number = rng.choice((1, 1, 2, 3))
    radius = min(radius, sheet.width / (2 * number) - 4) * rng.uniform(0.75, 1.0)
    for place_number in range(number):
        x = sheet.width * (place_number + 0.5) / number
        angle = some_angle(rng, shape, difficulty)
        draw_object(sheet, shape, colour, rgb, x, (top + bottom) / 2, radius, angle)
