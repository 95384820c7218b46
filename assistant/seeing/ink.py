"""The ink of one cut-out line: in how many pieces it lies, and how its gaps are closed.

Printed letters are one piece each. Needle printers leave dots, displays leave segments; what a
recognizer makes of either at first sight is often another figure, said with full confidence.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT = 48
"""Pixels to which a line is scaled before its pieces are counted; what recognizers use, too."""

LEAST_AREA = 5
"""Pixels of a piece at that height; less is noise."""

LETTER, SPECK = 0.35, 0.3
"""Heights in parts of the line's ink: what is higher is a letter, what is lower a speck."""

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
    count, _, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    pieces = facts[1:count]
    pieces = pieces[pieces[:, cv2.CC_STAT_AREA] >= LEAST_AREA]
    if not len(pieces):
        return Ink(0, 0, 0, dark)
    tops = pieces[:, cv2.CC_STAT_TOP]
    lows = tops + pieces[:, cv2.CC_STAT_HEIGHT]
    extent = max(float(np.quantile(lows, 0.9) - np.quantile(tops, 0.1)), 0.3 * HEIGHT)
    share = pieces[:, cv2.CC_STAT_HEIGHT] / extent
    is_letter = share >= LETTER
    wide = is_letter & (
        pieces[:, cv2.CC_STAT_WIDTH] > 3 * np.maximum(pieces[:, cv2.CC_STAT_HEIGHT], 1)
    )
    cut = is_letter & ((tops == 0) | (lows == HEIGHT))
    return Ink(
        int(is_letter.sum()), int((share < SPECK).sum()), int(wide.sum()), dark, int(cut.sum())
    )


def closed(crop: Crop, share: float, *, dark: bool) -> Crop:
    """A line, (H, W, 3), whose gaps of this share of its height are closed.

    dark: whether its ink is darker than the ground.
    """
    width = max(2, round(share * crop.shape[0]))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    how = cv2.MORPH_OPEN if dark else cv2.MORPH_CLOSE
    return np.asarray(cv2.morphologyEx(crop, how, kernel), np.uint8)


def _mask(crop: Crop) -> tuple[NDArray[np.bool_] | None, bool]:
    height, width = crop.shape[:2]
    grey = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_BGR2GRAY)
    size = (max(1, round(width * HEIGHT / max(height, 1))), HEIGHT)
    grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    if int(np.ptp(grey)) < 16:
        return None, True
    level, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    darker = grey <= level
    dark = bool(darker.mean() < 0.5)
    return np.asarray(darker if dark else ~darker, np.bool_), dark
