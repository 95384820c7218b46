"""The ink of one cut-out line: in how many pieces it lies, and how its gaps are closed.

Printed letters are one piece each. Needle printers leave dots, displays leave segments; what a
recognizer makes of either at first sight is often another figure, said with full confidence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.pixels import gaps_closed, luminance, parted, pieces, scaled

HEIGHT = 48
"""Pixels to which a line is scaled before its pieces are counted; what recognizers use, too."""

MOST_CLOSED = 96
"""Pixels of height at most at which gaps are closed; the time it takes grows with the fourth power,
and recognizers see half of it."""

LEAST_CONTRAST = 16
"""Levels between ink and ground."""

LEAST_AREA = 5
"""Pixels of a piece at that height; less is noise."""

LETTER, SPECK = 0.35, 0.3
"""Heights in parts of the line's ink: what is higher is a letter, what is lower a speck."""

TOP, WIDE, TALL, AREA = 1, 2, 3, 4
"""Columns of `pixels.pieces`."""

Crop = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Ink:
    """Pieces of ink in a line, by their height.

    letters: as high as letters are; specks: lower, as dots and strokes that lie.
    wide:    of the letters, those wider than three times their height: joined writing, rules.
    cut:     of the letters, those that go on over the upper or lower edge; print does not.
    dark:    whether the ink is darker than its ground.
    """

    letters: int
    specks: int
    wide: int
    dark: bool
    cut: int = 0


def ink_of(crop: Crop) -> Ink:
    """Count the pieces of ink of a line, (H, W, 3)."""
    mask, dark = _mask(crop)
    if mask is None:
        return Ink(0, 0, 0, dark)
    found = pieces(mask)
    found = found[found[:, AREA] >= LEAST_AREA]
    if not len(found):
        return Ink(0, 0, 0, dark)
    tops = found[:, TOP]
    lows = tops + found[:, TALL]
    extent = max(float(np.quantile(lows, 0.9) - np.quantile(tops, 0.1)), 0.3 * HEIGHT)
    share = found[:, TALL] / extent
    is_letter = share >= LETTER
    wide = is_letter & (found[:, WIDE] > 3 * np.maximum(found[:, TALL], 1))
    cut = is_letter & ((tops == 0) | (lows == HEIGHT))
    return Ink(
        int(is_letter.sum()), int((share < SPECK).sum()), int(wide.sum()), dark, int(cut.sum())
    )


def closed(crop: Crop, share: float, *, dark: bool) -> Crop:
    """A line, (H, W, 3), whose gaps of this share of its height are closed.

    dark: whether its ink is darker than the ground.
    """
    if crop.shape[0] > MOST_CLOSED:
        width = round(crop.shape[1] * MOST_CLOSED / crop.shape[0])
        crop = scaled(crop, width, MOST_CLOSED)
    return gaps_closed(crop, max(2, round(share * crop.shape[0])), dark=dark)


def _mask(crop: Crop) -> tuple[NDArray[np.bool_] | None, bool]:
    height, width = crop.shape[:2]
    grey = luminance(np.ascontiguousarray(crop[:, :, ::-1]))
    grey = scaled(grey, round(width * HEIGHT / max(height, 1)), HEIGHT)
    if int(np.ptp(grey)) < LEAST_CONTRAST:
        return None, True
    level = parted(grey)
    darker = grey <= level
    dark = bool(darker.mean() < 0.5)
    return np.asarray(darker if dark else ~darker, np.bool_), dark
