"""Asking again in another way, and saying whether the answers agree."""

import difflib
import re

from assistant.seeing.pixels import resized
from assistant.skills.grounding import Basis
from assistant.skills.text_answers import Answer
from models.pictures import RgbPicture

ALIKE = 0.85
"""Similarity of two long answers, 0 to 1, from which they say the same."""

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def other_view(rgb: RgbPicture, *, margin: float = 0.03, longest: int = 1600) -> RgbPicture:
    """A picture (H, W, 3) cut a little at its edges and in another size.

    Recognition of another raster errs elsewhere. Drawings of a small model stay within the size
    that it knows.
    """
    height, width = rgb.shape[:2]
    top, left = int(height * margin), int(width * margin)
    cut = rgb[top : height - top, left : width - left] if min(height, width) > 40 else rgb
    rows, columns = cut.shape[:2]
    scale = 1.0 if max(height, width) <= 256 else 1.3 if max(rows, columns) * 1.3 < longest else 0.8
    return resized(cut, round(columns * scale), round(rows * scale))


def compared(first: Answer, second: Answer) -> Answer:
    """One answer that says whether two agree."""
    if Basis.UNKNOWN in (first.basis, second.basis):
        if first.basis is second.basis:
            return Answer(f"I checked again, with the same result. {second.text}", Basis.UNKNOWN)
        known = second if first.basis is Basis.UNKNOWN else first
        text = f"Only one of two looks gave an answer: {known.text}"
        return Answer(text, Basis.GUESS, known.evidence, known.model)
    if agree(first.text, second.text):
        text = f"I checked again and both answers agree: {first.text}"
        basis = first.basis if first.basis is second.basis else Basis.GUESS
        return Answer(text, basis, first.evidence, first.model)
    return Answer(
        f"The answers differ. First: {first.text} Now: {second.text} "
        "Trust neither; try another view.",
        Basis.GUESS,
        first.evidence + second.evidence,
        second.model,
    )


def agree(one: str, other: str) -> bool:
    """True if two answers say the same: equal figures, and nearly equal words."""
    first, second = _words(one), _words(other)
    if [word for word in first if word.isdigit()] != [word for word in second if word.isdigit()]:
        return False
    if len(first) <= 4 or len(second) <= 4:
        return first == second
    return difflib.SequenceMatcher(None, first, second).ratio() >= ALIKE


def _words(text: str) -> list[str]:
    words = re.findall(r"\w+", text.lower())
    return [str(_NUMBERS.index(word)) if word in _NUMBERS else word for word in words]
