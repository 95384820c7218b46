"""Drawn lines in many scripts: names of countries and languages, in the fonts that lie here.

Words and fonts fall into two halves, so that what was chosen or trained with one is reported on
words and fonts that it has not seen. Babel carries the words, Debian's packages the fonts.
"""

import functools
import subprocess
import unicodedata
import zlib
from typing import Any

import numpy as np
from babel import Locale
from PIL import Image, ImageDraw, ImageFilter, ImageFont

LANGUAGES = {
    "Latin": ("en", "de", "fr", "es", "pl", "cs", "tr", "pt", "sv", "hu", "ro", "vi"),
    "Chinese": ("zh", "ja", "zh_Hant"),
    "Cyrillic": ("ru", "uk", "bg", "sr", "mn", "kk"),
    "Greek": ("el",),
    "Hebrew": ("he",),
    "Arabic": ("ar", "fa", "ur"),
    "Devanagari": ("hi", "mr", "ne"),
    "Bengali": ("bn", "as"),
    "Gurmukhi": ("pa",),
    "Gujarati": ("gu",),
    "Tamil": ("ta",),
    "Telugu": ("te",),
    "Kannada": ("kn",),
    "Malayalam": ("ml",),
    "Sinhala": ("si",),
    "Thai": ("th",),
    "Lao": ("lo",),
    "Khmer": ("km",),
    "Burmese": ("my",),
    "Georgian": ("ka",),
    "Armenian": ("hy",),
    "Ethiopic": ("am", "ti"),
    "Korean": ("ko",),
}
"""For each script languages that are written in it, as Babel names them. The models were made for
the first two."""

KNOWN = ("Latin", "Chinese")

RARE = {
    "Tibetan": (0x0F40, 0x0F69), "Thaana": (0x0780, 0x07A6), "Cherokee": (0x13A0, 0x13F5),
    "Tifinagh": (0x2D30, 0x2D66), "NKo": (0x07CA, 0x07E8), "Javanese": (0xA984, 0xA9B2),
    "Balinese": (0x1B05, 0x1B33), "Syriac": (0x0712, 0x072F), "Vai": (0xA500, 0xA60B),
    "Ol Chiki": (0x1C50, 0x1C7D), "Runic": (0x16A0, 0x16EA), "Oriya": (0x0B05, 0x0B39),
    "Canadian Aboriginal": (0x1401, 0x166C), "Yi": (0xA000, 0xA48C), "Osmanya": (0x10480, 0x1049D),
    "Tai Le": (0x1950, 0x1974),
}  # fmt: skip
"""Scripts that are not named, and the first and last of their letters: nothing may be taken for
another one's name. Even ones, in this order, are there to train with, odd ones to report."""

_RARE_FONTS = "/usr/share/fonts/truetype/noto/Noto{}{}-Regular.ttf"
_SCRIPT_CODES = {"Chinese": "zh-cn", "Burmese": "my", "Korean": "ko"}
_UNUSED = (
    "mono keyboard", "quran colored", "initials", "stam", "rashi", "keter", "symbols",
    "clm: bold-oblique", "mry_", "extrathin", "hairline",
)  # fmt: skip


def half_of(text: str) -> int:
    """0 for what is there to choose with, 1 for what is reported."""
    return zlib.crc32(text.encode()) % 2


@functools.cache
def words_of(script: str, half: int) -> tuple[str, ...]:
    """Names in a script, one to four words each, that belong to a half."""
    found: dict[str, None] = {}
    for language in LANGUAGES[script]:
        locale = Locale.parse(language)
        names = [*locale.territories.values(), *locale.languages.values()]
        names += locale.months["format"]["wide"].values()
        names += locale.days["format"]["wide"].values()
        for name in names:
            # Countries without a name of their own are called by their English one.
            if script == "Latin" or _script_share(name, script) > 0.8:
                found.setdefault(str(name))
    return tuple(name for name in found if half_of(name) == half and len(name) < 40)


def _script_share(name: str, script: str) -> float:
    wanted = {
        "Chinese": ("CJK", "KATAKANA", "HIRAGANA"), "Korean": ("HANGUL",), "Burmese": ("MYANMAR",),
    }.get(script, (script.upper(),))  # fmt: skip
    letters = [each for each in name if each.isalpha()]
    ours = sum(unicodedata.name(each, "").startswith(wanted) for each in letters)
    return ours / max(len(letters), 1)


def rare_word(script: str, rng: np.random.Generator) -> str:
    """Letters of a rare script one after the other; of words nothing is known."""
    first, last = RARE[script]
    letters = [chr(code) for code in range(first, last) if chr(code).isalpha()]
    counts = rng.integers(3, 9, int(rng.integers(1, 4)))
    return " ".join("".join(map(str, rng.choice(letters, count))) for count in counts)


@functools.cache
def fonts_of(script: str, half: int) -> tuple[str, ...]:
    """Font files that draw a script; families with an even number are there to choose with."""
    if script in RARE:
        return (
            _RARE_FONTS.format("Serif" if script == "Tibetan" else "Sans", script.replace(" ", "")),
        )
    code = _SCRIPT_CODES.get(script, LANGUAGES[script][0])
    listed = subprocess.run(
        ["fc-list", f":lang={code}", "family", "file"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    families: dict[str, list[str]] = {}
    for line in sorted(listed):
        path, _, family = line.partition(":")
        family = family.strip().split(",")[0].split(" Condensed")[0]
        usable = path.endswith((".ttf", ".otf", ".ttc"))
        usable = usable and not any(each in (family + path).lower() for each in _UNUSED)
        if usable and _draws(path, words_of(script, 0)[0]):
            families.setdefault(family, []).append(path)
    chosen = [paths for number, paths in enumerate(families.values()) if number % 2 == half]
    return tuple(path for paths in chosen for path in paths[:4])


def _draws(path: str, word: str) -> bool:
    """True if a font has the letters of a word: none of them is drawn as the missing one."""
    return all(_has(path, each) for each in word if each.isalpha())


@functools.lru_cache(20_000)
def _has(path: str, letter: str) -> bool:
    shown, missing = (_font(path, 24).getmask(each) for each in (letter, "\U0010ffff"))
    alike = shown.size == missing.size and bytes(shown) == bytes(missing)
    return shown.getbbox() is not None and not alike


@functools.lru_cache(256)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def some_writing(script: str, half: int, rng: np.random.Generator) -> tuple[str, str]:
    """A line, and a font that has all its letters."""
    fonts = fonts_of(script, half)
    while True:
        line, font = some_line(script, half, rng), fonts[int(rng.integers(len(fonts)))]
        if _draws(font, line):
            return line, font


def some_line(script: str, half: int, rng: np.random.Generator, most: int = 26) -> str:
    """One to three names, or letters of a rare script; of letters that have two sizes, at times
    capitals alone."""
    if script in RARE:
        return rare_word(script, rng)
    words = words_of(script, half)
    line = str(words[int(rng.integers(len(words)))])
    while rng.random() < 0.4:
        more = f"{line} {words[int(rng.integers(len(words)))]}"
        if len(more) > most:
            break
        line = more
    if script != "Georgian" and rng.random() < 0.2:
        line = line.upper()
    return line


def drawn_line(line: str, path: str, size: int) -> tuple[Any, tuple[int, int, int, int]]:
    """A line as ink (H, W; 0 to 1) with a margin of one size around, and the box of its ink."""
    font = _font(path, size)
    left, top, right, bottom = (round(each) for each in font.getbbox(line))
    image = Image.new("L", (right - left + 2 * size, bottom - top + 2 * size))
    ImageDraw.Draw(image).text((size - left, size - top), line, font=font, fill=255)
    ink = np.asarray(image, np.float32) / 255
    return ink, image.getbbox() or (0, 0, *image.size)


def seen_line(script: str, half: int, rng: np.random.Generator) -> Any:
    """A line as it is cut out of a photograph, (H, W, 3)."""
    while True:
        ink, box = drawn_line(*some_writing(script, half, rng), int(rng.integers(22, 64)))
        if box[2] - box[0] > 8 and box[3] - box[1] > 8:
            break
    image = Image.fromarray((255 * ink).astype(np.uint8))
    high = box[3] - box[1]
    if rng.random() < 0.25 and high > 30:
        image = image.filter(ImageFilter.MaxFilter(3))
    elif rng.random() < 0.15 and high > 44:
        image = image.filter(ImageFilter.MinFilter(3))
    slant, up = rng.normal(0, 0.08), rng.normal(0, 0.02)
    image = image.transform(
        image.size, Image.Transform.AFFINE,
        (1, slant, -slant * image.size[1] / 2, up, 1, -up * image.size[0] / 2),
        Image.Resampling.BILINEAR,
    )  # fmt: skip
    left, top, right, low = image.getbbox() or box
    off = np.round(rng.uniform(-0.04, 0.22, 4) * high).astype(int)
    image = image.crop((left - off[0], top - off[1], right + off[2], low + off[3]))
    width = max(8, round(image.size[0] * rng.uniform(0.8, 1.25)))
    image = image.resize((width, image.size[1]), Image.Resampling.BILINEAR)
    image = image.filter(ImageFilter.GaussianBlur(abs(rng.normal(0, 0.025)) * high))
    mask = np.asarray(image, np.float32)[..., None] / 255
    ground, full = rng.uniform(120, 245, 3), rng.uniform(0, 70, 3)
    if rng.random() < 0.3:
        ground, full = full, ground
    slope = np.linspace(1, rng.uniform(0.75, 1.0), mask.shape[1])[None, :, None]
    rgb = (ground * (1 - mask) + full * mask) * slope
    rgb = rgb + rng.normal(0, rng.uniform(0, 9), rgb.shape)
    return np.clip(rgb, 0, 255).astype(np.uint8)
