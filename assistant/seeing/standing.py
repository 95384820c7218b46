"""Which way rows of segments and of dots stand in a picture.

A detector of text tells lines that run up by their shape. Of a display or a date in dots that lies
on its side it finds scraps, and a recognizer makes other figures of them, or Chinese characters.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.glyph_ink import GlyphInk
from assistant.seeing.glyph_rows import GlyphRow, glyph_rows
from assistant.seeing.page_boxes import Box, turned
from assistant.seeing.segments import figures_of

LEAST_DOTTED = 4
"""Glyphs of a row of dots from which it stands: what lies on its side makes short rows, too."""

CLEARLY = 2
"""Times the glyphs that stand in a picture as it is, from which one that is turned is right."""


def runs_up(bgr: NDArray[np.uint8], rows: Sequence[GlyphRow], ink: GlyphInk) -> bool:
    """True if the segments or dots of a picture (H, W, 3) stand only if it is turned by a quarter.

    rows: those of the picture as it is; ink: its own, which is only turned: to look for it again
    would take as long as all else that is done to a picture without text.
    """
    beside = np.rot90(bgr)
    return _standing(beside, glyph_rows(beside, ink.beside())) > CLEARLY * _standing(bgr, rows)


def over_rows(bgr: NDArray[np.uint8], rows: Sequence[GlyphRow]) -> list[tuple[GlyphRow, str]]:
    """Rows of segments that are figures only if they stand on their head, and these figures.

    None where any row is figures as it stands.
    """
    found = []
    for row in rows:
        if row.broken and not row.dotted:
            if figures_of(bgr, row.glyphs):
                return []
            if said := figures_over(bgr, row.glyphs):
                found.append((row, said))
    return found


def figures_over(bgr: NDArray[np.uint8], glyphs: Sequence[Box]) -> str:
    """The figures of a row if it stands on its head; "" if they are none."""
    height, width = bgr.shape[:2]
    return figures_of(bgr[::-1, ::-1], [turned(glyph, 2, width, height) for glyph in glyphs])


def _standing(bgr: NDArray[np.uint8], rows: Sequence[GlyphRow]) -> int:
    """Glyphs of the rows that are figures of segments, or enough of dots."""
    count = 0
    for row in rows:
        if row.dotted:
            count += len(row.glyphs) if len(row.glyphs) >= LEAST_DOTTED else 0
        elif row.broken and set(figures_of(bgr, row.glyphs)) - {"1", "."}:
            count += len(row.glyphs)  # a "1" is any two bars
    return count
