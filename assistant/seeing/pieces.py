"""Reading cut-out places of a picture: whichever way they lie, whatever their ink is made of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.seeing.ink import Ink, closed, ink_of
from assistant.seeing.page_boxes import Box
from assistant.seeing.script_shapes import script_shares
from assistant.seeing.scripts import (
    is_chinese,
    is_foreign,
    is_mixed,
    is_surely_foreign,
    script_name,
    unmistakable,
)
from assistant.seeing.text import LEAST_SURE, UNSURE
from assistant.seeing.wording import plain_width

LEAST_CONFIDENCE = 0.5
"""What the models read with less is mostly no text; their authors' own limit."""

TALL, SINGLE = 1.5, 3.0
"""Height in parts of the width from which a place is cut out turned; and up to which it may be a
single upright letter."""

DOUBTFUL, CLEARLY = 0.85, 0.15
TURNED, LEAST_TURNED = 0.9, 4
"""Below the first confidence a place is read the other way round, too. It lies so if that is so
much better, so sure, and has so many characters: few are alike both ways."""

BROKEN, BROKEN_SPECKS = 2.2, 1.0
BROKEN_LETTERS = 1.6
"""Pieces of ink for each character: of dots and segments there are many, of letters 1 to 1.5."""

GAPS = (0.04, 0.07, 0.1, 0.14)
"""Parts of a line's height: the gaps between dots and segments that are closed, one at a time."""

LEAST_VOTES, SURE_VOTE, MOST_RIVAL = 3, 0.9, 0.5
"""So many readings of one place must agree, so surely, against so much of their weight."""

LEAST_MEAN = 0.95
"""Mean confidence of the readings that agree, from which they are sure: of dots and segments those
that were cut out well have 0.97 and more, those that agree in a wrong letter 0.92 at most."""

NEARLY_ALL, SUREST, NEARLY_MEAN = 4, 0.99, 0.93
"""So many that agree, one of them so surely, are sure with this mean, too: what is more than the
0.92 at which a wrong letter was agreed on."""

LEAST_SEEN = 2
"""So many readings must have the marks between letters that are told."""

MARGIN, GROUND = 0.5, 127
"""Parts of a line's height that are added behind its last letter, and their level: where a line
fills all that the model sees, its last letter is lost; more than that adds time and errors."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one place says.

    box:     its corners, in reading direction.
    text:    "" where nothing could be read.
    foreign: True if it is in a script that the models cannot read, or partly so.
    script:  the name of that script, or "".
    letters: pieces of ink that are as high as letters; 0 where they are not cut out as print is.
    alien:   True if it was hardly read and its shapes are of no script that can be.
    settled: True if a second reader has seen it, too, so that no second look is needed.
    """

    box: Box
    text: str
    confidence: float
    foreign: bool = False
    script: str = ""
    letters: int = 0
    alien: bool = False
    settled: bool = False

    @property
    def is_weak(self) -> bool:
        """True for what may be a part of something larger, or several lines: what is not sure,
        marks, and a few letters that are nearly so."""
        if self.settled:
            return False
        if not any(map(str.isalnum, self.text)):
            return bool(self.text)
        few = len(self.text) <= WEAK_LENGTH and self.confidence < WEAK
        return few or self.confidence < LEAST_SURE


WEAK_LENGTH, WEAK = 3, 0.95


class PieceReader:
    """Recognition as RapidOCR's engine does it, on places of a picture."""

    def __init__(self, engine: Any) -> None:
        """engine: a `rapidocr.RapidOCR`, or whatever cuts out and recognizes like it."""
        self._engine = engine

    def crops(self, bgr: Any, boxes: Sequence[Box]) -> list[Any]:
        """Places cut out of a picture (H, W, 3), tall ones turned counter-clockwise."""
        return list(self._engine.crop_text_regions(bgr, [box.astype(np.float32) for box in boxes]))

    def recognize(self, crops: Sequence[Any]) -> list[tuple[str, float]]:
        """What stands in each cut-out line, and how sure that is, 0 to 1."""
        if not crops:
            return []
        found = self._engine.recognize_txt([_with_margin(crop) for crop in crops])
        return [
            (str(text), float(score)) for text, score in zip(found.txts, found.scores, strict=True)
        ]

    def read(self, bgr: Any, boxes: Sequence[Box]) -> list[Reading]:
        """What the places of a picture (H, W, 3) say, in the order of the boxes."""
        crops = self.crops(bgr, boxes)
        return [
            self._judged(box, crop, text, score)
            for box, crop, (text, score) in zip(boxes, crops, self.recognize(crops), strict=True)
        ]

    def flipped(
        self, bgr: Any, boxes: Sequence[Box], *, over: bool = False
    ) -> list[tuple[str, float]]:
        """What places say if the picture is seen in a mirror, and how surely.

        over: the mirror lies over or under them, not beside them.
        """
        views = (crop[::-1] if over else crop[:, ::-1] for crop in self.crops(bgr, boxes))
        return self.recognize([np.ascontiguousarray(view) for view in views])

    def voted(
        self, crop: Any, ink: Ink, given: Sequence[tuple[str, float]] = ()
    ) -> tuple[str, float]:
        """A line of dots or segments, read with its gaps closed more and more; what most say.

        given: readings that count, too. The confidence is low where they differ.
        """
        readings = list(given)
        for gaps in (GAPS[1::2], GAPS[::2]):
            readings += self.recognize([closed(crop, gap, dark=ink.dark) for gap in gaps])
            if not any(text.strip() and score >= LEAST_CONFIDENCE for text, score in readings):
                break  # no gap makes letters of a texture
        return vote(readings)

    def _judged(self, box: Box, crop: Any, text: str, score: float) -> Reading:
        tall = _is_tall(box)
        given, turns = (crop, text, score), 0
        if tall or (score < DOUBTFUL and not _is_chinese_line(text, score)):
            crop, text, score, turns = self._best_way(box, crop, text, score, tall=tall)
        if turns and not tall and not is_word(text, score) and (name := _shape_name(*given)):
            return Reading(box, "", 0.0, True, name, letters_of(ink_of(given[0])))
        ink = ink_of(crop)
        box = _named(box, 1 + turns if tall else turns)
        if is_foreign(text, ink):
            name = script_name(text, crop)
            return Reading(box, "", 0.0, True, name, letters_of(ink))
        if name := _shape_name(crop, text, score):
            return Reading(box, "", 0.0, True, name, letters_of(ink))
        if is_broken(text, ink) and not is_word(text, score):
            if not is_chinese(text):
                text, score = self.voted(crop, ink, [(text, score)])
            elif LEAST_CONFIDENCE <= score < MIXED:
                score = min(score, UNSURE)
        text = plain_width(text)
        if not text.strip() or score < LEAST_CONFIDENCE:
            return Reading(box, "", score, letters=letters_of(ink))
        if score < MIXED and is_mixed(text):
            return Reading(box, "", 0.0, True, "", letters_of(ink))
        alien = _is_gibberish(crop, text, score, ink)
        return Reading(box, text, score, letters=letters_of(ink), alien=alien)

    def _best_way(
        self, box: Box, crop: Any, text: str, score: float, *, tall: bool
    ) -> tuple[Any, str, float, int]:
        """The crop turned as it is read best, its text, and half turns (2) or minus one quarter."""
        ways = [(2, np.rot90(crop, 2))]
        if tall and _elongation(box) < SINGLE:
            ways.append((-1, np.rot90(crop, -1)))
        found = self.recognize([np.ascontiguousarray(each) for _, each in ways])
        best = (crop, text, score, 0)
        for (turns, view), (other, sure) in zip(ways, found, strict=True):
            least = best[2] if tall else max(best[2] + CLEARLY, TURNED)
            if len(other.strip()) >= (1 if tall else LEAST_TURNED) and sure > least:
                best = (np.ascontiguousarray(view), other, sure, turns)
        return best


def _shape_name(crop: Any, text: str, score: float) -> str:
    """The script of a line that its shapes leave no doubt of, whatever Latin letters it was read
    as; "" for none. Upside down, its letters make others, read more surely, but no words."""
    if score >= LEAST_LATIN or is_chinese(text) or _NUMBER.search(text):
        return ""
    ink = ink_of(crop)
    if letters_of(ink) < 2 or is_broken(text, ink):
        return ""
    shares = script_shares(crop)
    name = unmistakable(shares)
    return name if name and shares[name] >= (LEAST_SHARE if score >= LEAST_SURE else 0) else ""


def _is_gibberish(crop: Any, text: str, score: float, ink: Ink) -> bool:
    """True if letters that were hardly read have shapes of none that can be."""
    if not LEAST_CONFIDENCE <= score < GIBBERISH or letters_of(ink) < 2 or is_broken(text, ink):
        return False
    if is_chinese(text) and sum(map(str.isalnum, text)) >= CHINESE_LINE:
        return False
    return is_surely_foreign(script_shares(crop))


_NUMBER = re.compile(r"\d[.,:/]\d")
"""An amount, a date or a time, whose figures have the shapes of anything."""

_ENDS = re.compile(r"^[\W_]+|[\W_]+$")


WORD, SURE_WORD = 4, 0.97
"""Letters without figures that are a word if they are read so surely: where its gaps are closed,
its letters run together. Figures of dots and segments are read wrongly with more than that."""

GIBBERISH = 0.65
"""Confidence below which letters are none if their shapes are surely of another script."""

LEAST_SHARE = 0.7
"""Share of a script from which its shapes count against letters that would be told as read."""

LEAST_LATIN = 0.93
"""Below this confidence the shapes of letters are looked at: they may be of another script. Hebrew
and Thai are read as Latin letters with 0.84 at most on the lines to choose with; "TOTAL TTC", read
with 0.97, has the shapes of Hebrew for the network."""

CHINESE_LINE = 3
"""Characters that are Chinese in earnest: what lies upside down is read as single ones."""

MOST_CUT = 0.3
MIXED = 0.85
"""Below this confidence, Chinese among Latin letters is neither."""


def is_word(text: str, score: float) -> bool:
    """True if a line is a word, in whatever pieces its ink lies."""
    letters = sum(map(str.isalpha, text))
    has_figures = any(map(str.isdigit, text))
    return letters >= WORD and score >= SURE_WORD and not has_figures and not is_chinese(text)


def _is_chinese_line(text: str, score: float) -> bool:
    return len(text) >= CHINESE_LINE and score >= LEAST_CONFIDENCE and is_chinese(text)


def letters_of(ink: Ink) -> int:
    """Pieces of ink as high as letters; 0 if many are cut, as those of a fence are."""
    return ink.letters if ink.cut <= MOST_CUT * ink.letters else 0


def is_broken(text: str, ink: Ink) -> bool:
    """True if a line's ink lies in many more pieces than it was read as characters."""
    characters = sum(not character.isspace() for character in text)
    if not characters:
        return ink.specks >= 2 * max(ink.letters, 2)
    pieces = ink.letters + ink.specks
    many = pieces >= BROKEN * characters
    return many and (
        ink.specks >= BROKEN_SPECKS * characters or ink.letters >= BROKEN_LETTERS * characters
    )


def vote(readings: Sequence[tuple[str, float]]) -> tuple[str, float]:
    """What most readings of one place say; less than sure where they differ.

    Letters and figures are compared. Of readings with the same ones that with most marks between
    them counts, since points are lost where gaps are closed. ("", 0) where none says anything.
    """
    groups: dict[str, list[tuple[str, float]]] = {}
    for text, score in readings:
        key = "".join(filter(str.isalnum, text))
        if key and score >= LEAST_CONFIDENCE:
            groups.setdefault(key, []).append((plain_width(text).strip(), score))
    if not groups:
        return "", 0.0
    weights = {key: sum(score for _, score in group) for key, group in groups.items()}
    ranked = sorted(weights, key=lambda key: -weights[key])
    best = groups[ranked[0]]
    mean = sum(score for _, score in best) / len(best)
    # What is read with less was spoilt by the closing of gaps that are none.
    rivals = (sum(score for _, score in groups[key] if score >= SURE_VOTE) for key in ranked[1:])
    rival = max(rivals, default=0.0)
    nearly_all = len(best) >= NEARLY_ALL and max(score for _, score in best) >= SUREST
    least = NEARLY_MEAN if nearly_all else LEAST_MEAN
    sure = len(best) >= LEAST_VOTES and mean >= least
    # Of several such the first, with the least of its gaps closed.
    text = max(best, key=lambda each: len(_between(each[0])))[0]
    marks = {_between(each) for each, _ in best if len(_between(each)) == len(_between(text))}
    # A mark that a single look has seen may be a gap of the ground.
    seen = sum(_between(each) in marks for each, _ in best)
    is_sure = sure and rival <= MOST_RIVAL * weights[ranked[0]] and len(marks) == 1
    is_sure = is_sure and seen >= LEAST_SEEN
    return _without_ends(text), mean if is_sure else min(mean, UNSURE)


def _with_margin(crop: Any) -> Any:
    """A line (H, W, 3) with a bare margin behind it."""
    height, width = crop.shape[:2]
    wider = np.full((height, width + round(MARGIN * height), 3), GROUND, np.uint8)
    wider[:, :width] = crop
    return wider


def _between(text: str) -> str:
    """A text without spaces, and without the marks at its ends."""
    return _ENDS.sub("", "".join(text.split()))


def _without_ends(text: str) -> str:
    """A text without dashes and strokes at its ends: where gaps are closed, ground becomes ink."""
    return text.strip(" -_~|—–")


def _is_tall(box: Box) -> bool:
    return _elongation(box) >= TALL


def _elongation(box: Box) -> float:
    """Height in parts of the width, as the engine measures them when it cuts out."""
    width = max(np.linalg.norm(box[0] - box[1]), np.linalg.norm(box[2] - box[3]))
    height = max(np.linalg.norm(box[0] - box[3]), np.linalg.norm(box[1] - box[2]))
    return float(height / max(float(width), 1.0))


def _named(box: Box, quarters: int) -> Box:
    """The corners named for text that was turned counter-clockwise by so many quarters."""
    return np.roll(box, -quarters, axis=0)
