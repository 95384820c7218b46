"""Drawn pages whose words and whose order are known: columns, tables, receipts; bent, lit, leaning.

Every page comes from a kind and a seed. Even seeds are there to choose rules with, odd ones to
report.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = tuple(
    f"/usr/share/fonts/truetype/{name}.ttf"
    for name in (
        "dejavu/DejaVuSans",
        "dejavu/DejaVuSerif",
        "liberation/LiberationSans-Regular",
        "liberation/LiberationSerif-Regular",
        "freefont/FreeSans",
    )
)
_WORDS = (
    "the a of to and in that it was on for with as at by from this have not are but had his her "
    "which one all were when there their been more no if out so what up about into than them only "
    "other time new some could these two may then do first any my now such like our over man even "
    "most made after also many before must through years where much your way well down should "
    "because each just those people how too little state good very make world still own see work "
    "long here get both between life being under three never know same last another while us off "
    "might great go come since against right came take used himself few house during without "
    "again place around however home small found thought went say part once general high upon "
    "school every garden river morning window letter bridge winter market station forest captain "
    "village music"
)
WORDS = tuple(_WORDS.split())
_GOODS = (
    "Milk Bread Coffee Butter Apples Oranges Rice Sugar Flour Cheese Yoghurt Tomatoes Onions "
    "Carrots Chicken Salmon Biscuits Honey Tea Pasta Olives Mustard Vinegar Almonds Cereal Juice "
    "Potatoes Lettuce Peppers Bananas Grapes Candles Batteries Soap Shampoo Toothpaste Sponge"
)
GOODS = tuple(_GOODS.split())


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A picture (H, W, 3) of a page, and what stands on it.

    lines: in reading order.
    pairs: names and the amounts that stand in their rows.
    """

    rgb: Any
    lines: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Sheet:
    """Paper that is drawn on; white is 255, ink 0."""

    width: int
    height: int
    ink: Image.Image = field(init=False)

    def __post_init__(self) -> None:
        self.ink = Image.new("L", (self.width, self.height), 0)

    def write(self, text: str, x: float, y: float, font: Any, *, right: bool = False) -> None:
        left = x - font.getlength(text) if right else x
        ImageDraw.Draw(self.ink).text((left, y), text, font=font, fill=255)


def font_of(rng: np.random.Generator, size: int) -> Any:
    """One of the fonts in a size in pixels."""
    return ImageFont.truetype(str(rng.choice(FONTS)), size)


def prose(rng: np.random.Generator, font: Any, width: float, count: int) -> list[str]:
    """Lines of running text that fit a width."""
    found: list[str] = []
    line, begins, since = "", True, 0
    while len(found) < count:
        word = str(rng.choice(WORDS))
        word = word.capitalize() if begins else word
        since += 1
        begins = since > 6 and rng.random() < 0.2
        word, since = (word + ".", 0) if begins else (word, since)
        longer = f"{line} {word}".strip()
        if font.getlength(longer) > width:
            found.append(line)
            longer = word
        line = longer
    return found


def columns(rng: np.random.Generator, count: int) -> tuple[Sheet, list[str]]:
    """A page of columns of running text, mostly with a heading, at times with margin text."""
    size = int(rng.integers(19, 24))
    font = font_of(rng, size)
    gutter = round(size * rng.uniform(1.2, 2.6))
    width = {1: 760, 2: 1240, 3: 1560}[count]
    rows = int(rng.integers(16, 26))
    sheet = Sheet(width, round(rows * size * 1.45) + 190)
    lines: list[str] = []
    top = 50
    if rng.random() < 0.7:
        head = ImageFont.truetype(font.path, round(size * 1.7))
        title = " ".join(str(word).capitalize() for word in rng.choice(WORDS, 4))
        sheet.write(title, 60, top, head)
        lines.append(title)
        top += round(3.2 * size)
    each = (width - 120 - gutter * (count - 1)) / count
    for column in range(count):
        left = 60 + column * (each + gutter)
        own = rows if column < count - 1 else rows - int(rng.integers(0, rows // 3))
        shift = int(rng.integers(0, size // 2)) if rng.random() < 0.4 else 0
        for number, text in enumerate(prose(rng, font, each, own)):
            sheet.write(text, left, top + shift + number * size * 1.4, font)
            lines.append(text)
    return sheet, lines


def money(rng: np.random.Generator, most: int = 90) -> str:
    """An amount with its cents."""
    return f"{rng.integers(0, most)}.{rng.integers(0, 100):02d}"


def table(rng: np.random.Generator) -> tuple[Sheet, list[str], list[tuple[str, str]]]:
    """A table of figures under heads, its columns at times hardly more than a letter apart."""
    size = int(rng.integers(19, 25))
    font = font_of(rng, size)
    count, rows = int(rng.integers(3, 8)), int(rng.integers(7, 16))
    gap = size * rng.uniform(0.7, 2.5)
    heads = [str(word).capitalize() for word in rng.choice(WORDS, count, replace=False)]
    form = str(rng.choice(["whole", "money", "percent"]))

    def figure() -> str:
        if form == "whole":
            return str(rng.integers(0, 10 ** int(rng.integers(1, 6))))
        return money(rng) if form == "money" else f"{rng.integers(0, 100)}.{rng.integers(0, 10)}"

    cells = [[figure() for _ in range(count)] for _ in range(rows)]
    names = [str(name) for name in rng.choice(GOODS, rows, replace=False)]
    widths = [
        max(font.getlength(text) for text in [heads[at], *(row[at] for row in cells)])
        for at in range(count)
    ]
    first = max(map(font.getlength, names)) + gap
    sheet = Sheet(
        round(120 + first + sum(widths) + gap * count), round((rows + 1) * size * 1.5) + 130
    )
    lines = []
    for number in range(-1, rows):
        y = 60 + (number + 1) * size * 1.5
        x = 60 + first
        name = "Item" if number < 0 else names[number]
        row = heads if number < 0 else cells[number]
        sheet.write(name, 60, y, font)
        for text, width in zip(row, widths, strict=True):
            sheet.write(text, x + width, y, font, right=True)
            x += width + gap
        lines.append(" ".join([name, *row]))
    pairs = [(name, text) for name, row in zip(names, cells, strict=True) for text in row]
    return sheet, lines, pairs


def receipt(rng: np.random.Generator) -> tuple[Sheet, list[str], list[tuple[str, str]]]:
    """A till receipt: names at the left edge, amounts at the right one."""
    size = int(rng.integers(22, 32))
    font = font_of(rng, size)
    rows = int(rng.integers(6, 15))
    sheet = Sheet(int(rng.integers(480, 760)), round((rows + 5) * size * 1.5) + 100)
    shop = " ".join(str(word).upper() for word in rng.choice(WORDS[-20:], 2))
    sheet.write(shop, sheet.width / 4, 40, font)
    names = [*(str(name) for name in rng.choice(GOODS, rows, replace=False)), "TOTAL", "CASH"]
    amounts = [money(rng) for _ in names]
    for number, (name, amount) in enumerate(zip(names, amounts, strict=True)):
        y = 50 + (number + 1.5) * size * 1.5
        sheet.write(name, 40, y, font)
        sheet.write(amount, sheet.width - 40, y, font, right=True)
    pairs = list(zip(names, amounts, strict=True))
    return sheet, [shop, *(f"{name} {amount}" for name, amount in pairs)], pairs


def label(rng: np.random.Generator) -> tuple[Sheet, list[str]]:
    """A few short lines of different lengths, as on a bottle."""
    size = int(rng.integers(26, 40))
    font = font_of(rng, size)
    count = int(rng.integers(4, 8))
    lines = [" ".join(map(str, rng.choice(WORDS, int(rng.integers(2, 7))))) for _ in range(count)]
    sheet = Sheet(860, round(count * size * 1.6) + 150)
    for number, text in enumerate(lines):
        sheet.write(text, 60, 70 + number * size * 1.6, font)
    return sheet, lines


def photographed(
    sheet: Sheet, rng: np.random.Generator, *, bend: float = 0, form: str = "arc",
    lean: float = 0, keystone: float = 0, light: str = "even",
) -> Any:  # fmt: skip
    """The sheet as a camera sees it, (H, W, 3).

    bend:     how far the middle of a row stands above its ends, in parts of the page's width.
    form:     "arc", a tin or curled receipt; "spine", a book; "wave".
    lean:     turn of the page in degrees.
    keystone: how much narrower the right side is than the left one, 0 to 1.
    """
    ink = np.asarray(sheet.ink, np.float32) / 255
    height, width = ink.shape
    margin = round(abs(bend) * width) + 30
    y, x = np.mgrid[: height + 2 * margin, :width].astype(np.float32)
    across = x / width
    shape = {
        "arc": 1 - (2 * across - 1) ** 2,
        "spine": np.exp(-across * 5),
        "wave": 0.5 * np.sin(across * 2 * math.pi * rng.uniform(0.8, 1.2)),
    }[form]
    source_y = y - margin + bend * width * shape
    if keystone:
        middle = source_y.shape[0] / 2 - margin
        source_y = middle + (source_y - middle) * (1 + keystone * (across - 0.5))
    if lean:
        source_y = source_y + (x - width / 2) * math.tan(math.radians(lean))
    warped = cv2.remap(ink, x, source_y, cv2.INTER_CUBIC, borderValue=0)
    paper = np.full((*warped.shape, 3), rng.uniform(215, 245), np.float32)
    paper *= np.asarray(rng.uniform(0.96, 1.0, 3), np.float32)
    down, over = y / y.shape[0], across
    if light in ("uneven", "dark"):
        direction = rng.uniform(0, 2 * math.pi)
        along = 0.5 + 0.7 * (
            (over - 0.5) * math.cos(direction) + (down - 0.5) * math.sin(direction)
        )
        darkest = rng.uniform(0.1, 0.3) if light == "uneven" else rng.uniform(0.03, 0.08)
        factor = darkest + (1 - darkest) * np.clip(along, 0, 1) ** 1.5
        edge = rng.uniform(0.3, 0.7)
        # A shadow with a soft edge, as of a hand or a phone.
        shade = 1 / (1 + np.exp((over + 0.3 * down - edge) * rng.uniform(20, 60)))
        factor = factor * (1 - 0.5 * shade)
    elif light == "flash":
        x0, y0, spread = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.15, 0.3)
        spot = np.exp(-((over - x0) ** 2 + (down - y0) ** 2) / (2 * spread**2))
        factor = 0.45 + 0.75 * spot
    else:
        factor = 1 + 0.1 * (over - 0.5) * rng.uniform(-1, 1)
    reflected = paper * (1 - 0.85 * np.clip(warped, 0, 1)[..., None])
    seen = reflected * factor[..., None]
    if light == "flash":
        # A gloss lies over ink and paper alike.
        seen = seen + 130 * (spot**2)[..., None]
    soft = Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))
    soft = soft.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8)))
    noisy = np.asarray(soft, np.float32) + rng.normal(0, rng.uniform(2, 4), seen.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _columns(count: int) -> Callable[[np.random.Generator], LaidOut]:
    def drawn(rng: np.random.Generator) -> LaidOut:
        sheet, lines = columns(rng, count)
        return LaidOut(photographed(sheet, rng, lean=rng.uniform(-1.5, 1.5)), tuple(lines))

    return drawn


def _margin(rng: np.random.Generator) -> LaidOut:
    sheet, lines = columns(rng, 1)
    font = ImageFont.truetype(FONTS[0], 18)
    text = " ".join(map(str, rng.choice(WORDS, 4)))
    piece = Sheet(round(font.getlength(text)) + 8, 26)
    piece.write(text, 2, 2, font)
    wide = Sheet(sheet.width + 60, sheet.height)
    wide.ink.paste(sheet.ink, (60, 0))
    wide.ink.paste(piece.ink.rotate(90, expand=True), (24, 120))
    return LaidOut(photographed(wide, rng), tuple(lines))


def _table(rng: np.random.Generator) -> LaidOut:
    sheet, lines, pairs = table(rng)
    rgb = photographed(sheet, rng, lean=rng.uniform(-2, 2))
    return LaidOut(rgb, tuple(lines), tuple(pairs))


def _sheet(rng: np.random.Generator) -> LaidOut:
    """A whole sheet of paper: a heading, some text, and a close table of small figures."""
    size = int(rng.integers(13, 22))
    font = font_of(rng, size)
    sheet = Sheet(1240, 1754)
    lines = prose(rng, font, 1000, int(rng.integers(5, 9)))
    top = 90.0
    for text in lines:
        sheet.write(text, 110, top, font)
        top += 1.5 * size
    count, rows = int(rng.integers(7, 11)), int(rng.integers(14, 26))
    gap = size * rng.uniform(0.35, 0.9)
    digits = int(rng.integers(3, 7))
    cells = [
        [f"{rng.integers(10 ** (digits - 1), 10**digits)}" for _ in range(count)]
        for _ in range(rows)
    ]
    width = font.getlength("0" * digits) + gap
    names = [str(name) for name in rng.choice(GOODS, rows, replace=False)]
    first = 110 + max(map(font.getlength, names)) + gap
    pairs = []
    for number, (name, row) in enumerate(zip(names, cells, strict=True)):
        y = top + (number + 2) * 1.4 * size
        sheet.write(name, 110, y, font)
        for at, text in enumerate(row):
            sheet.write(text, first + at * width, y, font)
        lines.append(" ".join([name, *row]))
        pairs += [(name, text) for text in row]
    rgb = photographed(sheet, rng, lean=rng.uniform(-1, 1))
    return LaidOut(rgb, tuple(lines), tuple(pairs))


def _receipt(rng: np.random.Generator) -> LaidOut:
    sheet, lines, pairs = receipt(rng)
    rgb = photographed(sheet, rng, lean=rng.uniform(-4, 4))
    return LaidOut(rgb, tuple(lines), tuple(pairs))


def _curl(rng: np.random.Generator) -> LaidOut:
    sheet, lines, pairs = receipt(rng)
    sign = 1 if rng.random() < 0.7 else -1
    bend = sign * rng.uniform(0.03, 0.1)
    return LaidOut(photographed(sheet, rng, bend=bend), tuple(lines), tuple(pairs))


def _keystone_receipt(rng: np.random.Generator) -> LaidOut:
    sheet, lines, pairs = receipt(rng)
    rgb = photographed(sheet, rng, keystone=rng.uniform(-0.3, 0.3))
    return LaidOut(rgb, tuple(lines), tuple(pairs))


def _bent(rng: np.random.Generator) -> LaidOut:
    sheet, lines = columns(rng, 1)
    form = str(rng.choice(["arc", "spine", "wave"]))
    bend = (1 if rng.random() < 0.6 else -1) * rng.uniform(0.05, 0.14)
    return LaidOut(photographed(sheet, rng, bend=bend, form=form), tuple(lines))


def _bent_label(rng: np.random.Generator) -> LaidOut:
    sheet, lines = label(rng)
    return LaidOut(photographed(sheet, rng, bend=rng.uniform(0.06, 0.14)), tuple(lines))


def _keystone_label(rng: np.random.Generator) -> LaidOut:
    """A label that is seen from the side, and leans."""
    sheet, lines = label(rng)
    keystone = (1 if rng.random() < 0.5 else -1) * rng.uniform(0.15, 0.4)
    rgb = photographed(sheet, rng, keystone=keystone, lean=rng.uniform(-3, 3))
    return LaidOut(rgb, tuple(lines))


def _keystone(rng: np.random.Generator) -> LaidOut:
    sheet, lines = columns(rng, int(rng.integers(1, 3)))
    keystone = (1 if rng.random() < 0.5 else -1) * rng.uniform(0.15, 0.4)
    return LaidOut(photographed(sheet, rng, keystone=keystone), tuple(lines))


def _lit(light: str) -> Callable[[np.random.Generator], LaidOut]:
    def drawn(rng: np.random.Generator) -> LaidOut:
        sheet, lines = columns(rng, 1)
        return LaidOut(photographed(sheet, rng, light=light), tuple(lines))

    return drawn


def _bent_uneven(rng: np.random.Generator) -> LaidOut:
    sheet, lines = columns(rng, 1)
    rgb = photographed(sheet, rng, bend=rng.uniform(0.05, 0.12), light="uneven")
    return LaidOut(rgb, tuple(lines))


KINDS: dict[str, Callable[[np.random.Generator], LaidOut]] = {
    "one": _columns(1), "two": _columns(2), "three": _columns(3), "margin": _margin,
    "table": _table, "sheet": _sheet, "receipt": _receipt, "curl": _curl,
    "keystone_receipt": _keystone_receipt, "keystone_label": _keystone_label,
    "keystone": _keystone, "bent": _bent,
    "bent_label": _bent_label, "bent_uneven": _bent_uneven, "uneven": _lit("uneven"),
    "dark": _lit("dark"), "flash": _lit("flash"),
}  # fmt: skip


def laid_out(kind: str, seed: int) -> LaidOut:
    """The page of a kind and a seed, always the same."""
    return KINDS[kind](np.random.default_rng([seed, *kind.encode()]))
