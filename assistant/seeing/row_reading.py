"""Reading rows of glyphs for what detection has cut: the whole of it, or nothing that is sure.

The rest of a value whose end lies outside of a box is read surely, and is another value. So a row
counts as read only if nothing of it is left out; where that fails, what its parts say is a guess.
Figures of segments are looked at twice, as print and as segments; where both looks differ, too.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from assistant.seeing.glyph_rows import (
    GlyphRow,
    goes_on_beyond,
    share,
    stands_in_dots,
)
from assistant.seeing.inventions import is_print, taken_back
from assistant.seeing.mended_boxes import mended
from assistant.seeing.page_boxes import Box
from assistant.seeing.pieces import PieceReader, Reading, is_word
from assistant.seeing.segments import figures_of
from assistant.seeing.standing import figures_over
from assistant.seeing.text import UNSURE

WORD = 3
"""Letters from which a reading is no value of a display."""

FEW = 3
"""Characters at most that come out of a few dots of a line."""

SURE = 0.93
"""Confidence of what is read in segments or dots from which it counts as read: with less, letters
that look alike there are taken for one another, an L for a G."""

OWN, AGREED = 0.5, 0.97
"""Part of a row or of a reading's place that lies in the other one, from which the row is that one;
and the confidence at least of what both looks at it say."""


class RowReader:
    """Reads the places of one upright picture; used once."""

    def __init__(
        self, pieces: PieceReader, bgr: Any, boxes: Sequence[Box], rows: Sequence[GlyphRow]
    ) -> None:
        """bgr: the picture (H, W, 3); boxes: (4, 2) each, where detection has found text; rows: its
        rows of glyphs."""
        found = mended(boxes, rows)
        self._pieces, self._bgr = pieces, bgr
        self._parts = {id(row.box): (row, parts) for row, parts in found.rows}
        self._rows: dict[int, list[GlyphRow]] = {}
        every = [*(row for row, _ in (*found.rows, *found.whole)), *found.missed]
        self._of_segments = [row for row in every if row.broken and not row.dotted]
        for row, held in found.whole:
            for box in held:
                self._rows.setdefault(id(box), []).append(row)
        self.boxes = [*found.kept, *(row.box for row, _ in found.rows)]
        self.missed = [row.box for row in found.missed if not goes_on_beyond(bgr, row)]
        self.has_dots = any(row.dotted for row in found.missed)
        self.cut: list[Reading] = []
        self._words_over = self._print_known = False
        self._told: set[int] = set()  # rows that were read whole, for one of their boxes

    def read(self, boxes: Sequence[Box]) -> list[Reading]:
        """What some of the boxes say; rows that cannot be read are kept in `cut`."""
        plain = [box for box in boxes if id(box) not in self._parts]
        read = map(self._doubted, self._pieces.read(self._bgr, plain))
        known = dict(zip(map(id, plain), read, strict=True))
        readings: list[Reading] = []
        for box in boxes:
            if id(box) in known:
                readings += self._surer(known[id(box)], self._rows.get(id(box), ()))
            else:
                readings += self._row(*self._parts[id(box)])
        return self._together(readings)

    def _together(self, readings: Sequence[Reading]) -> list[Reading]:
        """Readings of one look, each judged by what the others and those before say."""
        told = taken_back(readings, print_known=self._print_known)
        self._print_known |= any(map(is_print, told))
        self._words_over |= any(_is_over(e) and is_word(e.text, e.confidence) for e in told)
        return list(map(self._against_words, told)) if self._words_over else told

    def _doubted(self, reading: Reading) -> Reading:
        """A reading; a few characters that were made of some dots of a line are not sure."""
        if not 0 < len(reading.text) <= FEW or not stands_in_dots(self._bgr, reading.box):
            return reading
        return replace(reading, confidence=min(reading.confidence, UNSURE))

    def later(self, readings: Sequence[Reading]) -> tuple[list[Reading], list[Reading]]:
        """What a second look has read, judged as the first look is: readings, and what is none."""
        told = self._together([self.checked(self._doubted(each)) for each in readings])
        return [each for each in told if each.text], [each for each in told if not each.text]

    def _against_words(self, reading: Reading) -> Reading:
        """A reading beside words that stand on their head; figures that may do so are not sure."""
        rows = [] if _is_over(reading) else self._rows_of(reading)
        if not any(figures_over(self._bgr, row.glyphs) for row in rows):
            return reading
        return replace(reading, confidence=min(reading.confidence, UNSURE))

    def _rows_of(self, reading: Reading) -> list[GlyphRow]:
        """The rows of segments that were read as figures."""
        if not any(map(str.isdecimal, reading.text)):
            return []
        return [row for row in self._of_segments
                if max(share(row.box, reading.box), share(reading.box, row.box)) > OWN]  # fmt: skip

    def checked(self, reading: Reading) -> Reading:
        """A reading of figures; as sure as it says only if their segments do not differ from it."""
        rows = self._rows_of(reading)
        if len(rows) != 1:
            return reading
        said = figures_of(self._bgr, rows[0].glyphs)
        if not said:
            over = figures_over(self._bgr, rows[0].glyphs)
            return replace(reading, confidence=min(reading.confidence, UNSURE)) if over else reading
        figures = figures_in(reading.text)
        if said == figures:
            return replace(reading, confidence=max(reading.confidence, AGREED))
        if figures.startswith(said) or figures.endswith(said):
            return reading  # of its figures some were too faint to be a glyph of the row
        return replace(reading, confidence=min(reading.confidence, UNSURE))

    def _surer(self, reading: Reading, rows: Sequence[GlyphRow]) -> list[Reading]:
        """A reading that is not sure, of glyphs that were cut out loosely: cut out closely."""
        reading = self.checked(reading)
        if not rows or (reading.text and reading.confidence >= SURE):
            return [reading]
        whole = list(map(self.checked, self._pieces.read(self._bgr, [row.box for row in rows])))
        if reading.foreign and any(map(str.isalpha, "".join(each.text for each in whole))):
            return [reading]  # figures look like letters of other scripts; letters are those
        if all(map(self._is_whole, whole, rows)):
            new = [each for each, row in zip(whole, rows, strict=True) if id(row) not in self._told]
            self._told |= set(map(id, rows))
            return new
        return [_as_guess(reading, any(row.dotted for row in rows))]

    def _row(self, row: GlyphRow, parts: Sequence[Box]) -> list[Reading]:
        """A row that is read whole; else its parts, which are not sure then."""
        whole = self.checked(self._pieces.read(self._bgr, [row.box])[0])
        if self._is_whole(whole, row):
            return [whole]
        read = self._pieces.read(self._bgr, parts)
        parted = [_as_guess(each, row.dotted) for each in read]
        if any(each is not other for each, other in zip(parted, read, strict=True)) or not read:
            self.cut.append(replace(whole, text="", letters=len(row.glyphs)))
        return parted

    def _is_whole(self, whole: Reading, row: GlyphRow) -> bool:
        """True if a row is read surely, with a character for each glyph, and nothing beside it."""
        count = sum(map(str.isalnum, whole.text))
        if whole.confidence < SURE or count < len(row.glyphs):
            return False
        return not goes_on_beyond(self._bgr, row)


def _is_over(reading: Reading) -> bool:
    """True if a reading stands on its head in the picture."""
    return bool(reading.box[0, 1] > reading.box[3, 1])


def figures_in(text: str) -> str:
    """The figures of a text in their order, a "." for a mark between two; units are left out."""
    numbers = re.findall(r"\d+(?:[^\w\s]\d+)*", text)
    return re.sub(r"\D+", ".", "".join(numbers))


def unblocked(boxes: Sequence[Box], rows: Sequence[GlyphRow]) -> list[Box]:
    """Boxes of text, (4, 2) each, rows of glyphs in the place of what holds several of them."""
    found = mended(boxes, rows)
    return [*found.kept, *(row.box for row, _ in found.rows)]


def _as_guess(reading: Reading, dotted: bool) -> Reading:
    """What a part of a row says, as not sure; words of print beside it stay as they are."""
    is_word = sum(map(str.isalpha, reading.text)) >= WORD and reading.confidence >= SURE
    if is_word and not dotted:
        return reading
    return replace(reading, confidence=min(reading.confidence, UNSURE))
