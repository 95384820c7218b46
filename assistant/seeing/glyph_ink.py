"""Pieces of ink in a small copy of a picture, in which the gaps of one figure have grown together.

They are looked for once, and serve both ways in which a picture may lie: what stands on its side
has the same pieces, turned.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.evening import dim_range, spread
from assistant.seeing.pixels import gaps_closed, inked, luminance, pieces, scaled

Places = NDArray[np.int32]

COPY = 480
"""Pixels of the longer side of the copy that is looked at."""

GAPS = (3, 5, 9)
"""Pixels between segments or dots of one figure, which are closed, one at a time."""

DARKER, AROUND = 0.75, 81
"""Ink is darker than this part of the light around it, so many pixels wide."""

LEFT, TOP, WIDE, TALL, AREA = range(5)
"""Columns of `Places`."""


@dataclass(frozen=True, slots=True)
class GlyphInk:
    """What is ink in a picture.

    found:  its pieces, (N, 5) each, in pixels of the copy, for each gap that is closed in dark ink
            and in light ink.
    copied: height and width of the copy; size: those of the picture.
    """

    found: tuple[Places, ...]
    copied: tuple[int, int]
    size: tuple[int, int]

    def beside(self) -> "GlyphInk":
        """That of the picture turned counter-clockwise by a quarter, as `numpy.rot90` turns it."""
        width = self.copied[1]
        return GlyphInk(
            tuple(
                np.stack(
                    [each[:, TOP], width - each[:, LEFT] - each[:, WIDE], each[:, TALL],
                     each[:, WIDE], each[:, AREA]], axis=1,
                )
                for each in self.found
            ),
            self.copied[::-1], self.size[::-1],
        )  # fmt: skip


def glyph_ink(bgr: NDArray[np.uint8]) -> GlyphInk:
    """The pieces of ink in a picture (H, W, 3)."""
    height, width = bgr.shape[:2]
    scale = min(1.0, COPY / max(height, width))
    small = scaled(bgr, max(8, round(width * scale)), max(8, round(height * scale)))
    grey = _stretched(luminance(np.ascontiguousarray(small[:, :, ::-1])))
    found = []
    for gap in GAPS:
        for dark in (True, False):
            levels = gaps_closed(grey, gap, dark=dark)
            ink = inked(levels if dark else 255 - levels, DARKER, AROUND)
            found.append(pieces(ink.astype(bool)))
    return GlyphInk(tuple(found), (grey.shape[0], grey.shape[1]), (height, width))


def _stretched(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A dim picture (H, W) over all levels: of light figures in the dark, no part is dark."""
    found = dim_range(levels)
    return levels if found is None else spread(levels, *found)
