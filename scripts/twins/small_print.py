"""Drawn pages of small print whose words are known: leaflets, contracts, terms in many lines.

Every page comes from a size of letters, a language and a seed. Even seeds are there to choose
thresholds with, odd ones to report.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter, ImageFont
from twins.hard_text import Twin, inked, paper, text_mask

FONTS = tuple(
    f"/usr/share/fonts/truetype/{name}.ttf"
    for name in (
        "dejavu/DejaVuSans",
        "dejavu/DejaVuSerif",
        "liberation/LiberationSans-Regular",
        "liberation/LiberationSerif-Regular",
        "freefont/FreeSans",
        "freefont/FreeSerif",
        "lato/Lato-Regular",
        "crosextra/Carlito-Regular",
    )
)

FIRST_WORDS = {
    "en": ("the", "of", "and"), "de": ("der", "und", "das"), "fr": ("les", "des", "est"),
    "es": ("los", "que", "una"), "it": ("di", "che", "il"),
}  # fmt: skip
"""Words that a passage of a language holds."""

LEAST_PASSAGE = 300
"""Characters of a passage that is drawn from."""

WIDTH = 62
"""Width of a line in heights of its letters' size, about ninety letters."""

VALUES = ("{:.2f} EUR", "{:.1f} mg", "§ {:.0f}", "{:.0f} %", "({:.0f})", "No. {:.0f}")
"""How figures stand in small print: amounts, doses, clauses."""


def passages(texts: Path) -> dict[str, tuple[str, ...]]:
    """Passages of the shared texts by language; texts: the folder that holds them."""
    whole = (texts / "exllamav2_cal_multilingual.utf8").read_text("utf-8")
    found: dict[str, list[str]] = {language: [] for language in FIRST_WORDS}
    for each in whole.splitlines():
        # What the fonts have no letters for would be drawn as boxes.
        passage = re.sub(r"\s+", " ", re.sub(r"[^\x20-\x7e\xa1-\xff–—‘’“”„]", " ", each)).strip()
        words = passage.lower().split()
        shares = {language: sum(words.count(word) for word in own)
                  for language, own in FIRST_WORDS.items()}  # fmt: skip
        best = max(shares, key=lambda language: shares[language])
        if len(passage) >= LEAST_PASSAGE and shares[best] >= 0.04 * len(words):
            found[best].append(passage)
    return {language: tuple(each) for language, each in found.items()}


def small_print(given: Sequence[str], size: int, seed: int, *, rows: int = 30) -> Twin:
    """A page of rows in letters of a size in pixels, drawn from passages of one language."""
    rng = np.random.default_rng([seed, size, *map(ord, given[0][:20])])
    font = ImageFont.truetype(str(rng.choice(FONTS)), size)
    lines = _lines(given, rng, font, WIDTH * size, rows)
    gap = rng.uniform(1.2, 1.5)
    page = (round(WIDTH * size) + 6 * size, round(rows * gap * size) + 6 * size)
    ink, boxes = text_mask(page, lines, (3 * size, 3 * size), font, gap)
    level = rng.uniform(20, 80)
    drawn = inked(paper(rng, *page, level=rng.uniform(215, 245)), ink, (level, level, level + 6))
    return Twin(_copied(drawn, rng), lines, tuple(boxes))


def _lines(
    given: Sequence[str], rng: np.random.Generator, font: Any, width: float, rows: int
) -> tuple[str, ...]:
    found: list[str] = []
    line = ""
    while len(found) < rows:
        for word in str(rng.choice(given)).split():
            value = str(rng.choice(VALUES)).format(float(rng.uniform(1, 900)))
            more = f"{word} {value}" if rng.random() < 0.06 else word
            if font.getlength(f"{line} {more}") > width:
                found.append(line)
                line = more
            else:
                line = f"{line} {more}".strip()
        found.append(line)  # a paragraph ends within its line
        line = ""
    return tuple(each for each in found[:rows])


def _copied(rgb: Any, rng: np.random.Generator) -> Any:
    """As a scanner or a camera that is held still gives it: ink that ran, soft, noisy, JPEG."""
    rough = rgb + rng.normal(0, rng.uniform(2, 7), rgb.shape[:2])[..., None]
    soft = Image.fromarray(np.clip(rough, 0, 255).astype(np.uint8))
    soft = soft.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8)))
    kept = io.BytesIO()
    soft.save(kept, "JPEG", quality=int(rng.integers(70, 93)))
    return np.asarray(Image.open(kept).convert("RGB"))
