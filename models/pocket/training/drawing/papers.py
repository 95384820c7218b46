"""Receipts, price labels, best-before labels and medicine boxes: one field of each is asked."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageDraw

from models.pocket.questions import Ask, Split, draw_questions, draw_word, in_split, listed_words
from models.pocket.training.drawing.camera import background
from models.pocket.training.drawing.canvas import QuestionAnswer, Rgb, Scene
from models.pocket.training.drawing.colours import any_rgb, ink_on, some_paper
from models.pocket.training.drawing.placing import clutter, place
from models.pocket.training.drawing.sheet import (
    RESOLUTION,
    Sheet,
    Style,
    paper_sheet,
    to_pillow,
    width_in_ems,
    write,
)
from models.pocket.training.drawing.words import fonts_of, in_case

PAPER_ASKS = (Ask.TOTAL, Ask.PRICE, Ask.DATE, Ask.DOSE)
_LEAST_EM = 19.0  # picture pixels
_LARGEST_EM = {Ask.TOTAL: 34.0, Ask.PRICE: 56.0, Ask.DATE: 40.0, Ask.DOSE: 46.0}
_ROOM = 176.0  # picture pixels that text may take, either way
_LEADING = 1.14
_TRIES = 60
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_TOTALS = ("TOTAL", "TOTAL", "TOTAL:", "SUM", "TO PAY", "AMOUNT")
_EXPIRIES = ("BEST BEFORE", "USE BY", "EXP", "EXP.", "EXPIRES", "BEST BEFORE:")
_DOSES: tuple[int, ...] = (1, 2, 4, 5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 100, 120, 150, 200)
_DOSES += (250, 300, 400, 500, 600, 750, 800, 850, 1000)
_FORMS = ("TABLETS", "CAPSULES", "DROPS", "SYRUP", "TABS")
_SYLLABLES = (
    "AM",
    "BE",
    "CO",
    "DI",
    "FEN",
    "LA",
    "LO",
    "MOX",
    "NA",
    "PRO",
    "RI",
    "STA",
    "TI",
    "VIR",
)


@dataclass(frozen=True, slots=True)
class _Row:
    """What is printed on one line.

    left, right: `right` stands at the paper's right edge; a row without it is set alone.
    weight: em in multiples of the smallest line's.
    ask, answer: what the row answers, if anything, and the answer in capitals.
    """

    left: str
    right: str = ""
    weight: float = 1.0
    ask: Ask | None = None
    answer: str = ""


def draw_paper(
    rng: random.Random,
    noise: np.random.Generator,
    split: Split,
    difficulty: float,
    wanted: Ask | None = None,
) -> Scene:
    """Print a small paper of up to five lines, and ask what it says in one field or two.

    Args:
        wanted: one of PAPER_ASKS that is printed and asked for certain; None draws it.

    Raises:
        FontsError: a font of the split is not installed.
    """
    wanted = wanted or rng.choice(PAPER_ASKS)
    rows, path, em = _fitting_rows(rng, split, difficulty, wanted)
    paper = some_paper(rng) if wanted is not Ask.TOTAL else _white(rng)
    sheet = _print_rows(rng, rows, path, em, paper)
    busy = rng.random() < 0.5 * difficulty
    canvas = clutter(rng) if busy else background(rng, noise, [paper], difficulty)
    labels, scale = place(rng, sheet, canvas, difficulty)
    asked = [row for row in rows if row.ask is wanted]
    others = [row for row in rows if row.ask not in (None, wanted)]
    questions = []
    for row, number in [(asked[0], rng.randint(1, 2) if others else 2)] + [(o, 1) for o in others]:
        assert row.ask is not None
        size = round(em * row.weight * scale, 1)
        for question in draw_questions(rng, split, row.ask, number=number):
            questions.append(QuestionAnswer(question, row.answer.upper(), row.ask.skill, size))
    return Scene(canvas, tuple(questions), labels)


def _fitting_rows(
    rng: random.Random, split: Split, difficulty: float, wanted: Ask
) -> tuple[list[_Row], Path, float]:
    """Draw rows and a font until they fit, and choose the em of the smallest row."""
    fonts = fonts_of(split)
    for attempt in range(_TRIES):
        full = difficulty * (1 - attempt / _TRIES)
        if wanted is Ask.TOTAL:
            rows = _receipt(rng, split, full)
        elif wanted is Ask.PRICE:
            rows = _price_label(rng, split, full)
        elif wanted is Ask.DATE:
            rows = _date_label(rng, split, full)
        else:
            rows = _medicine(rng, split, full)
        path = rng.choice(fonts)
        widest = max(_row_width(row, path) for row in rows)
        high = sum(row.weight for row in rows) * _LEADING
        largest = _LARGEST_EM[wanted] / max(row.weight for row in rows)
        most = min(_ROOM / widest, (_ROOM - 6) / high, max(largest, _LEAST_EM))
        if most >= _LEAST_EM:
            break
    return rows, path, max(_LEAST_EM, rng.uniform(0.95 - 0.25 * difficulty, 1.0) * most)


def _row_width(row: _Row, path: Path) -> float:
    """Width in ems of the smallest row."""
    gap = 0.6 if row.right else 0.0
    ems = width_in_ems(path, row.left) + width_in_ems(path, row.right) + gap
    return ems * row.weight


def _receipt(rng: random.Random, split: Split, full: float) -> list[_Row]:
    """A shop's name, perhaps a date and bought things, and the total at the bottom."""
    case = rng.choice(("upper", "upper", "capital"))
    cents = [rng.randint(20, 4000 if rng.random() < 0.3 else 999) for _ in range(2)]
    bought = [
        _Row(in_case(_listed(rng, split, 6), case), _money(amount))
        for amount in cents[: rng.choice((0, 1, 2) if full > 0.3 else (0,))]
    ]
    amount = sum(cents[: len(bought)]) if len(bought) == 2 else rng.randint(100, 9999)
    total = _distinct(rng, split, amount)
    weight = rng.choice((1.0, 1.0, 1.2, 1.35))
    rows = [*bought, _Row(in_case(rng.choice(_TOTALS), case), total, weight, Ask.TOTAL, total)]
    if rng.random() < 0.7 * full:
        date = _date(rng, split)
        rows.insert(rng.choice((0, len(rows))), _Row(date, ask=Ask.DATE, answer=date))
    if rng.random() < 0.2 + 0.5 * full and len(rows) < 5:
        rows.insert(0, _Row(in_case(_listed(rng, split, 9), case)))
    return rows


def _price_label(rng: random.Random, split: Split, full: float) -> list[_Row]:
    """A product, its price in large figures, perhaps its weight and a date."""
    case = rng.choice(("upper", "capital", "lower"))
    price = _price(rng, split)
    before = rng.choice(("", "", "ONLY ", "EUR ")) if full > 0.2 else ""
    shown = in_case(before, case) + price
    rows = [_Row(shown, weight=rng.uniform(1.3, 2.2), ask=Ask.PRICE, answer=price)]
    if rng.random() < 0.4 + 0.5 * full:
        rows.insert(0, _Row(in_case(_listed(rng, split, 9), case)))
    if rng.random() < 0.5 * full:
        weight = rng.choice((f"{rng.randint(1, 20) * 50} G", f"{rng.randint(1, 9)} KG", "1 L"))
        rows.append(_Row(in_case(weight, "lower" if case == "lower" else "upper")))
    if rng.random() < 0.4 * full:
        date = _date(rng, split)
        rows.append(_Row(rng.choice(("EXP", "EXP.", "USE BY")), date, 1.0, Ask.DATE, date))
    return rows


def _date_label(rng: random.Random, split: Split, full: float) -> list[_Row]:
    """Perhaps a product, the words before a date, and the date."""
    case = rng.choice(("upper", "upper", "capital", "lower"))
    date = _date(rng, split)
    words = in_case(rng.choice(_EXPIRIES), case)
    printed = in_case(date, case)
    if len(words) < 5 and rng.random() < 0.5:
        rows = [_Row(words, printed, 1.0, Ask.DATE, date)]
    else:
        rows = [_Row(words), _Row(printed, "", rng.uniform(1.0, 1.4), Ask.DATE, date)]
    if rng.random() < 0.6 * full:
        rows.insert(0, _Row(in_case(_listed(rng, split, 9), case), "", rng.uniform(1.0, 1.5)))
    if rng.random() < 0.3 * full:
        rows.append(_Row(f"L{rng.randint(100, 99999)}"))
    return rows


def _medicine(rng: random.Random, split: Split, full: float) -> list[_Row]:
    """A medicine's name, its dose, perhaps how many tablets, and until when."""
    case = rng.choice(("upper", "capital", "capital"))
    unit = rng.choices(("MG", "ML", "MCG", "G"), (8, 1, 1, 0.5))[0]
    number = rng.choice(_DOSES[:10] if unit == "G" else _DOSES)
    small = rng.random() < 0.6
    dose = f"{number} {unit}" if rng.random() < 0.8 else f"{number}{unit}"
    printed = dose.lower() if small else dose
    name = in_case(_medicine_name(rng, split), case)
    if rng.random() < 0.25 and len(name) < 8:
        rows = [_Row(name, printed, 1.0, Ask.DOSE, dose)]
    else:
        rows = [_Row(name, "", rng.uniform(1.0, 1.6))]
        rows.append(_Row(printed, "", rng.uniform(1.0, 1.5), Ask.DOSE, dose))
    if rng.random() < 0.6 * full:
        form = in_case(rng.choice(_FORMS), "lower" if small else "upper")
        rows.append(_Row(f"{rng.choice((10, 12, 16, 20, 24, 28, 30, 50, 60, 100))} {form}"))
    if rng.random() < 0.5 * full:
        date = _date(rng, split)
        rows.append(_Row(rng.choice(("EXP", "EXP.")), date, 1.0, Ask.DATE, date))
    return rows


def _medicine_name(rng: random.Random, split: Split) -> str:
    while True:
        name = "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 4)))
        if len(name) <= 10 and in_split(name, split):
            return name


def _listed(rng: random.Random, split: Split, longest: int) -> str:
    if rng.random() < 0.15:
        return draw_word(rng, split, 3, min(longest, 6))
    return rng.choice(listed_words(split, 3, longest))


def _money(cents: int, point: str = ".") -> str:
    return f"{cents // 100}{point}{cents % 100:02d}"


def _distinct(rng: random.Random, split: Split, cents: int) -> str:
    """Return an amount of the split, near the one given: amounts are held out as words are."""
    point = rng.choice((".", ".", ".", ","))
    while not in_split(_money(cents, point), split):
        cents += rng.randint(1, 40)
    return _money(cents, point)


def _price(rng: random.Random, split: Split) -> str:
    whole = rng.choice((rng.randint(0, 9), rng.randint(0, 99), rng.randint(0, 999)))
    return _distinct(rng, split, 100 * whole + rng.choice((99, 49, 95, 50, 0, rng.randint(1, 99))))


def _date(rng: random.Random, split: Split) -> str:
    """A date in one of the usual forms."""
    while True:
        day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2019, 2031)
        mark = rng.choice("/.-/")
        form = rng.random()
        if form < 0.4:
            text = f"{day:02d}{mark}{month:02d}{mark}{year}"
        elif form < 0.55:
            text = f"{day:02d}{mark}{month:02d}{mark}{year % 100:02d}"
        elif form < 0.7:
            text = f"{month:02d}{rng.choice('/.')}{year}"
        elif form < 0.85:
            text = f"{day} {_MONTHS[month - 1]} {year}"
        elif form < 0.95:
            text = f"{_MONTHS[month - 1]} {year}"
        else:
            text = f"{year}-{month:02d}-{day:02d}"
        if in_split(text, split):
            return text


def _white(rng: random.Random) -> Rgb:
    value = rng.uniform(0.85, 1.0)
    return value, value * rng.uniform(0.96, 1.0), value * rng.uniform(0.92, 1.0)


def _print_rows(rng: random.Random, rows: list[_Row], path: Path, em: float, paper: Rgb) -> Sheet:
    """Set the rows under each other: pairs at both edges, the rest in the middle or at the left."""
    widest = max(_row_width(row, path) for row in rows) * em
    wide = min(_ROOM, widest * rng.uniform(1.0, 1.15))
    pad_x, pad_y = rng.uniform(6, 18), rng.uniform(6, 22)
    heights = [row.weight * em * _LEADING for row in rows]
    sheet = paper_sheet(wide + 2 * pad_x, sum(heights) + 2 * pad_y, paper)
    ink = ink_on(rng, paper)
    _trim(rng, sheet, pad_y)
    alignment = rng.choice((0.5, 0.5, 0.0))
    top = pad_y
    for row, tall in zip(rows, heights, strict=True):
        style = Style(path, em * row.weight)
        base = top + (tall + style.capital_height) / 2
        if row.right:
            write(sheet, row.left, style, pad_x, base, ink)
            write(sheet, row.right, style, pad_x + wide - style.width(row.right), base, ink)
        else:
            x = pad_x + alignment * (wide - style.width(row.left))
            write(sheet, row.left, style, x, base, ink)
        top += tall
    return sheet


def _trim(rng: random.Random, sheet: Sheet, room: float) -> None:
    """Paint a coloured band at the top or the bottom, or nothing; `room` is free of text."""
    if rng.random() < 0.4:
        pen = ImageDraw.Draw(sheet.image)
        width, height = sheet.image.size
        tall = rng.uniform(0.2, 0.7) * room * RESOLUTION
        top = rng.choice((0.0, height - tall))
        pen.rectangle((0, top, width, top + tall), fill=to_pillow(any_rgb(rng)))
