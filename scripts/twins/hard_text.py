"""Pictures of hard text whose words are known: displays, dots, mirrors, turned pieces, scripts.

Every picture comes from a kind and a seed. Even seeds are there to choose thresholds with, odd
ones to report.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = tuple(
    f"/usr/share/fonts/truetype/{name}.ttf"
    for name in (
        "dejavu/DejaVuSans",
        "dejavu/DejaVuSans-Bold",
        "dejavu/DejaVuSerif",
        "liberation/LiberationSans-Regular",
        "liberation/LiberationSerif-Regular",
        "freefont/FreeSans",
    )
)

WORDS = (
    "opening", "hours", "closed", "public", "holidays", "fresh", "milk", "store", "dry",
    "place", "ingredients", "sugar", "water", "salt", "keep", "refrigerated", "contents",
    "serve", "warm", "please", "ring", "bell", "platform", "departure", "arrival", "ticket",
    "library", "garden", "museum", "entrance", "reception", "floor", "office", "meeting",
    "lunch", "morning", "evening", "bread", "butter", "coffee", "orange", "apple", "price",
    "offer", "weekly", "service", "parking", "visitors", "staff", "only", "caution", "slippery",
    "stairs", "elevator", "children", "under", "twelve", "years", "free", "reduced", "adults",
    "group", "guided", "tour",
)  # fmt: skip

SCRIPTS = {
    "Cyrillic": (
        "Выход", "Осторожно, ступени", "Аптека открыта", "Хранить в холодильнике", "Вход запрещён",
        "Молоко пастеризованное", "Часы работы", "Добро пожаловать",
    ),
    "Greek": (
        "Φαρμακείο", "Έξοδος κινδύνου", "Προσοχή σκαλοπάτια", "Ώρες λειτουργίας", "Γάλα φρέσκο",
        "Είσοδος ελεύθερη",
    ),
    "Arabic": ("خروج", "صيدلية مفتوحة", "ممنوع التدخين", "حليب طازج", "ساعات العمل"),
    "Hebrew": ("יציאה", "בית מרקחת פתוח", "חלב טרי", "שעות פתיחה", "אין כניסה"),
    "Devanagari": ("निकास", "दवा की दुकान", "ताज़ा दूध", "प्रवेश निषेध"),
}  # fmt: skip
SCRIPT_FONTS = {
    "Devanagari": ("/usr/share/fonts/truetype/freefont/FreeSans.ttf",),
    "Hebrew": (FONTS[0], "/usr/share/fonts/truetype/freefont/FreeSans.ttf"),
    "Arabic": (FONTS[0],),
}


@dataclass(frozen=True, slots=True)
class Twin:
    """A picture (H, W, 3) and the lines that stand on it.

    unreadable: lines in a script that the models cannot read; said to be there, never as letters.
    mirrored:   whether the whole picture is seen in a mirror.
    """

    rgb: Any
    lines: tuple[str, ...]
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    unreadable: tuple[str, ...] = ()
    mirrored: bool = False


def paper(rng: np.random.Generator, width: int, height: int, level: float = 235) -> Any:
    """Light that is not quite even, (H, W, 3) floats."""
    y, x = np.mgrid[:height, :width]
    slope = rng.uniform(-20, 5, 2)
    light = level + slope[0] * x / width + slope[1] * y / height
    return np.stack([light + shift for shift in rng.uniform(-6, 6, 3)], axis=-1)


def finished(rgb: Any, rng: np.random.Generator) -> Any:
    """As a camera gives it: a little soft, with noise."""
    soft = Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))
    soft = soft.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    noisy = np.asarray(soft, float) + rng.normal(0, rng.uniform(1, 4), rgb.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def inked(rgb: Any, mask: Any, colour: Any) -> Any:
    """A ground with a colour where a mask (H, W; 0 to 1) says so."""
    return rgb * (1 - mask[..., None]) + np.asarray(colour, float) * mask[..., None]


def some_words(rng: np.random.Generator, least: int, most: int) -> str:
    """A line of plain words."""
    return " ".join(rng.choice(WORDS, int(rng.integers(least, most + 1)), replace=False))


def font_of(rng: np.random.Generator, size: int, names: tuple[str, ...] = FONTS) -> Any:
    """A font in a size in pixels."""
    return ImageFont.truetype(str(rng.choice(names)), size)


def text_mask(
    size: tuple[int, int], lines: tuple[str, ...], at: tuple[int, int], font: Any, gap: float = 1.6
) -> tuple[Any, list[tuple[float, float, float, float]]]:
    """Lines drawn from a place down, as a mask, and their boxes."""
    image = Image.new("L", size)
    draw, boxes = ImageDraw.Draw(image), []
    for number, line in enumerate(lines):
        place = (at[0], at[1] + round(number * gap * font.size))
        draw.text(place, line, font=font, fill=255)
        boxes.append(tuple(map(float, draw.textbbox(place, line, font=font))))
    return np.asarray(image, float) / 255, boxes  # type: ignore[return-value]


SEGMENTS = {
    "0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd",
    "6": "afgedc", "7": "abc", "8": "abcdefg", "9": "abcdfg", "-": "g", " ": "",
}  # fmt: skip


def _segment(name: str, width: float, height: float, thick: float, gap: float) -> list[Any]:
    half, middle = thick / 2, height / 2
    places = {
        "a": ((0, 0), (width, 0)), "d": ((0, height), (width, height)),
        "g": ((0, middle), (width, middle)),
        "f": ((0, 0), (0, middle)), "e": ((0, middle), (0, height)),
        "b": ((width, 0), (width, middle)), "c": ((width, middle), (width, height)),
    }  # fmt: skip
    (x0, y0), (x1, y1) = places[name]
    if y0 == y1:
        x0, x1 = x0 + gap, x1 - gap
        return [(x0, y0), (x0 + half, y0 - half), (x1 - half, y0 - half), (x1, y0),
                (x1 - half, y0 + half), (x0 + half, y0 + half)]  # fmt: skip
    y0, y1 = y0 + gap, y1 - gap
    return [(x0, y0), (x0 + half, y0 + half), (x0 + half, y1 - half), (x0, y1),
            (x0 - half, y1 - half), (x0 - half, y0 + half)]  # fmt: skip


def segment_digits(
    draw: ImageDraw.ImageDraw, text: str, at: tuple[float, float], height: float,
    rng: np.random.Generator,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Seven-segment digits with gaps between the segments; returns their box."""
    thick = height * rng.uniform(0.11, 0.16)
    gap, slant = height * rng.uniform(0.015, 0.045), rng.uniform(0, 0.12)
    width, x = height * rng.uniform(0.48, 0.58), at[0]
    for character in text:
        if character in ".:":
            for y in (height,) if character == "." else (0.3 * height, 0.7 * height):
                cx = x + slant * (height - y)
                draw.ellipse((cx - thick / 2, at[1] + y - thick / 2,
                              cx + thick / 2, at[1] + y + thick / 2), fill=255)  # fmt: skip
            x += 2.2 * thick
            continue
        for name in SEGMENTS[character]:
            shape = _segment(name, width, height, thick, gap)
            draw.polygon(
                [(x + px + slant * (height - py), at[1] + py) for px, py in shape], fill=255
            )
        x += width + 2.0 * thick
    return (at[0] - thick, at[1] - thick, x, at[1] + height + thick)


def lcd(rng: np.random.Generator) -> Twin:
    """A display with one to three rows of figures and small printed labels."""
    kinds = ("pressure", "clock", "thermometer", "scale")
    kind = kinds[int(rng.integers(len(kinds)))]
    rows, labels = {
        "pressure": ((str(rng.integers(95, 170)), str(rng.integers(55, 99)),
                      str(rng.integers(48, 110))), ("mmHg", "mmHg", "/min")),
        "clock": ((f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}",), ("ALARM",)),
        "thermometer": ((f"{rng.integers(35, 41)}.{rng.integers(0, 10)}",), ("Celsius",)),
        "scale": ((f"{rng.integers(40, 120)}.{rng.integers(0, 10)}",), ("kg",)),
    }[kind]  # fmt: skip
    height = int(rng.integers(90, 240))
    size = (round(height * 4.6) + 180, round(len(rows) * height * 1.5) + 120)
    mask, boxes = Image.new("L", size), []
    draw = ImageDraw.Draw(mask)
    for number, row in enumerate(rows):
        at = (size[0] * 0.1, 60 + number * height * 1.5)
        boxes.append(segment_digits(draw, row, at, height, rng))
    font = ImageFont.truetype(FONTS[3], max(22, height // 6))
    for number, label in enumerate(labels):
        place = (size[0] * 0.97 - font.getlength(label), 40 + number * height * 1.5)
        draw.text(place, label, font=font, fill=170)
        boxes.append(tuple(map(float, draw.textbbox(place, label, font=font))))
    ink = np.asarray(mask, float) / 255
    if rng.random() < 0.35:  # light on dark, as a clock beside the bed
        ground, colour = (
            np.full((size[1], size[0], 3), 22.0),
            rng.choice([(230, 60, 40), (90, 240, 120), (235, 235, 225)]),
        )
    else:
        ground, colour = paper(rng, *size, level=185), (40, 44, 50)
    return Twin(finished(inked(ground, ink, colour), rng), (*rows, *labels), tuple(boxes))


def dim(rng: np.random.Generator) -> Twin:
    """A display in a dark room."""
    twin = lcd(rng)
    dark = np.asarray(twin.rgb, float) * rng.uniform(0.2, 0.35)
    noisy = np.clip(dark + rng.normal(0, 2, dark.shape), 0, 255).astype(np.uint8)
    return Twin(noisy, twin.lines, twin.boxes)


def emboss(rng: np.random.Generator) -> Twin:
    """A date that is pressed into the ground: of its letters only light and shadow are seen."""
    date = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.{rng.integers(2026, 2031)}"
    lines = (f"EXP {date}", f"LOT {rng.integers(10000, 99999)}")
    font = font_of(rng, int(rng.integers(50, 90)), FONTS[:2])
    size = (round(font.getlength(lines[0])) + 120, round(3.6 * font.size) + 80)
    mask, boxes = text_mask(size, lines, (60, 50), font)
    deep = int(rng.integers(1, 4))
    edges = np.roll(mask, (-deep, -deep), (0, 1)) - np.roll(mask, (deep, deep), (0, 1))
    ground = paper(rng, *size, level=rng.uniform(130, 200))
    lit = ground + rng.uniform(30, 60) * edges[..., None]
    return Twin(finished(lit, rng), lines, tuple(boxes))


def dots(rng: np.random.Generator) -> Twin:
    """A date and a lot, printed by a needle or ink jet in separate dots."""
    font = ImageFont.load_default_imagefont()
    date = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.{rng.integers(26, 31)}"
    lines = tuple(
        [f"{rng.choice(['EXP ', 'BBE ', ''])}{date}",
         f"{rng.choice(['LOT ', 'L'])}{rng.integers(1000, 99999)}"][: int(rng.integers(1, 3))]
    )  # fmt: skip
    pitch, share = int(rng.integers(6, 13)), rng.uniform(0.62, 0.85)
    columns = max(font.getbbox(line)[2] for line in lines) + 4
    size = (columns * pitch, (len(lines) * 12 + 3) * pitch)
    mask, boxes = Image.new("L", size), []
    draw = ImageDraw.Draw(mask)
    for number, line in enumerate(lines):
        small = Image.new("L", (columns, 12))
        ImageDraw.Draw(small).text((2, 0), line, font=font, fill=255)
        top = 2 + 12 * number
        for y, x in np.argwhere(np.asarray(small) > 100):
            cx, cy = (x + 0.5 + rng.normal(0, 0.04)) * pitch, (y + top + 0.5) * pitch
            r = pitch * share / 2
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=255)
        boxes.append((2.0 * pitch, top * pitch, (columns - 2.0) * pitch, (top + 11.0) * pitch))
    ground = paper(rng, *size, level=rng.uniform(170, 235))
    return Twin(
        finished(inked(ground, np.asarray(mask, float) / 255, (45, 45, 55)), rng),
        lines, tuple(boxes),
    )  # fmt: skip


def page(rng: np.random.Generator) -> Twin:
    """A plain small page, which is read well today."""
    lines = tuple(some_words(rng, 3, 5) for _ in range(int(rng.integers(3, 7))))
    font = font_of(rng, int(rng.integers(22, 36)))
    size = (1000, round(len(lines) * 1.6 * font.size) + 90)
    ink, boxes = text_mask(size, lines, (50, 40), font)
    return Twin(finished(inked(paper(rng, *size), ink, (30, 30, 30)), rng), lines, tuple(boxes))


def mirror(rng: np.random.Generator) -> Twin:
    """A page seen in a mirror, or by a camera that faces its user."""
    twin = page(rng)
    width = twin.rgb.shape[1]
    boxes = tuple((width - right, top, width - left, low) for left, top, right, low in twin.boxes)
    return Twin(np.ascontiguousarray(twin.rgb[:, ::-1]), twin.lines, boxes, mirrored=True)


def side(rng: np.random.Generator) -> Twin:
    """Upright text, and one or two pieces beside it that run up, down, or upside down."""
    lines = tuple(some_words(rng, 3, 4) for _ in range(int(rng.integers(3, 6))))
    font = font_of(rng, int(rng.integers(24, 32)))
    size = (1250, max(520, round(len(lines) * 1.6 * font.size) + 250))
    ink, boxes = text_mask(size, lines, (60, 60), font)
    extra = []
    for number in range(int(rng.integers(1, 3))):
        date = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.20{rng.integers(26, 31)}"
        text = f"{rng.choice(['EXP', 'BEST BEFORE', 'LOT'])} {date}"
        width = round(font.getlength(text)) + 12
        piece = Image.new("L", (width, round(1.5 * font.size)))
        ImageDraw.Draw(piece).text((6, 4), text, font=font, fill=255)
        quarters = int(rng.choice([1, 2, 3])) if number else int(rng.choice([1, 3]))
        turned = np.rot90(np.asarray(piece, float) / 255, quarters)
        rows, columns = turned.shape
        top, left = (60, 1160 - columns) if not number else (size[1] - rows - 30, 420)
        ink[top : top + rows, left : left + columns] = np.maximum(
            ink[top : top + rows, left : left + columns], turned
        )
        boxes.append((left, top, left + columns, top + rows))
        extra.append(text)
    rgb = finished(inked(paper(rng, *size), ink, (25, 25, 30)), rng)
    return Twin(rgb, (*lines, *extra), tuple(boxes))


def script(rng: np.random.Generator) -> Twin:
    """Lines in a script that the installed models were not made for, at times beside Latin ones."""
    name = str(rng.choice(list(SCRIPTS)))
    count = min(len(SCRIPTS[name]), int(rng.integers(1, 4)))
    lines = tuple(map(str, rng.choice(SCRIPTS[name], count, replace=False)))
    font = font_of(rng, int(rng.integers(28, 44)), SCRIPT_FONTS.get(name, FONTS[:3]))
    latin = (some_words(rng, 2, 3),) if rng.random() < 0.4 else ()
    size = (1000, round((len(lines) + len(latin)) * 1.7 * font.size) + 90)
    ink, boxes = text_mask(size, lines, (50, 40), font, 1.7)
    if latin:
        more, below = text_mask(
            size, latin, (50, 40 + round(len(lines) * 1.7 * font.size)),
            ImageFont.truetype(FONTS[0], font.size),
        )  # fmt: skip
        ink, boxes = np.maximum(ink, more), boxes + below
    rgb = finished(inked(paper(rng, *size), ink, (30, 30, 40)), rng)
    return Twin(rgb, latin, tuple(boxes), lines)


def lone(rng: np.random.Generator) -> Twin:
    """One short sign on a plain ground: a number, or a word."""
    text = str(
        rng.choice(
            [
                "6",
                "9",
                "66",
                "99",
                "96",
                "16",
                "4",
                "12",
                "7B",
                "B5",
                "EXIT",
                "Gate 23",
                "WC",
                "Lift",
            ]
        )
    )
    font = font_of(rng, int(rng.integers(120, 230)))
    size = (900, 500)
    left, top, right, bottom = font.getbbox(text)
    at = (round(450 - (left + right) / 2), round(250 - (top + bottom) / 2))
    ink, boxes = text_mask(size, (text,), at, font)
    ground = paper(rng, *size, level=60) * rng.uniform(0.3, 1.2, 3)
    return Twin(finished(inked(ground, ink, (245, 245, 245)), rng), (text,), tuple(boxes))


def glare(rng: np.random.Generator) -> Twin:
    """A page with a reflection that leaves most of its text to be read."""
    twin = page(rng)
    height, width = twin.rgb.shape[:2]
    y, x = np.mgrid[:height, :width]
    # Most of the time beside the text.
    x0, y0 = (width * 0.93, height * rng.uniform(0.2, 0.8)) if rng.random() < 0.7 else (
        width * rng.uniform(0.3, 0.6), height * rng.uniform(0.3, 0.7))  # fmt: skip
    spread = width * rng.uniform(0.04, 0.1)
    spot = np.clip(1.8 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * spread**2)), 0, 1)
    rgb = np.asarray(twin.rgb, float) * 0.8
    lit = rgb * (1 - spot[..., None]) + 255 * spot[..., None]
    return Twin(finished(lit, rng), twin.lines, twin.boxes)


def textures(rng: np.random.Generator) -> Twin:
    """No text at all: noise, a fence, water, foliage, a brick wall, a keyboard of plain keys."""
    height, width = 600, 800
    y, x = np.mgrid[:height, :width].astype(float)
    kind = int(rng.integers(6))
    coarse = rng.normal(0, 1, (height // 8, width // 8))
    cloud = np.asarray(Image.fromarray(coarse.astype(np.float32)).resize((width, height), 3), float)
    if kind == 0:
        rgb = rng.normal(128, rng.uniform(20, 60), (height, width, 3))
    elif kind == 1:
        pitch, thick = rng.uniform(24, 60), rng.uniform(0.25, 0.6)
        bars = ((x + 6 * cloud) % pitch < thick * pitch) | (abs(y - 150) < 12) | (abs(y - 450) < 12)
        rgb = inked(paper(rng, width, height, 190), bars.astype(float), (70, 50, 40))
    elif kind == 2:
        waves = sum(
            np.sin((x * math.cos(a) + y * math.sin(a)) / rng.uniform(6, 30) + 2 * cloud)
            for a in rng.uniform(1.2, 1.9, 5)
        )
        rgb = 120 + 22 * np.asarray(waves)[..., None] * np.array([0.7, 0.9, 1.0])
    elif kind == 3:
        image = Image.new("RGB", (width, height), (40, 70, 30))
        draw = ImageDraw.Draw(image)
        for _ in range(1500):
            cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(4, 16)
            colour = tuple(int(v) for v in rng.uniform(0.5, 1.4) * np.array([60, 120, 45]))
            angle = rng.uniform(0, math.pi)
            dx, dy = r * math.cos(angle), r * math.sin(angle)
            draw.polygon([(cx - dx, cy - dy), (cx + dy / 3, cy - dx / 3), (cx + dx, cy + dy),
                          (cx - dy / 3, cy + dx / 3)], fill=colour)  # fmt: skip
        rgb = np.asarray(image, float)
    elif kind == 4:
        row = (y // 40).astype(int)
        mortar = (y % 40 < 5) | ((x + 45 * (row % 2)) % 90 < 5)
        rgb = inked(
            paper(rng, width, height, 120) * (1.1, 0.6, 0.5), mortar.astype(float), (200,) * 3
        )
        rgb = rgb + 8 * cloud[..., None]
    else:
        image = Image.new("RGB", (width, height), (60, 60, 64))
        draw = ImageDraw.Draw(image)
        for row_number in range(6):
            for column in range(12):
                left, top = 30 + column * 62 + 10 * row_number, 60 + row_number * 80
                draw.rounded_rectangle((left, top, left + 50, top + 62), 8, fill=(30, 30, 33))
        rgb = np.asarray(image, float)
    return Twin(finished(rgb, rng), ())


KINDS: dict[str, Callable[[np.random.Generator], Twin]] = {
    "lcd": lcd, "dots": dots, "mirror": mirror, "side": side, "script": script, "lone": lone,
    "glare": glare, "page": page, "textures": textures, "dim": dim, "emboss": emboss,
}  # fmt: skip


def twin(kind: str, seed: int) -> Twin:
    """The picture of a kind and a seed, always the same."""
    return KINDS[kind](np.random.default_rng([seed, *kind.encode()]))


def save(folder: Path, kind: str, seed: int) -> None:
    """Write one as PNG, to look at."""
    Image.fromarray(twin(kind, seed).rgb).save(folder / f"{kind}_{seed}.png")
