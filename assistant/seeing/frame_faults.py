"""Frames that a broken camera delivers as if they were good: green, or the same one for ever."""

import enum
import zlib

import numpy as np

from assistant.seeing.pixels import shrunk
from models.pictures import RgbPicture

MOST_REPEATS = 25
"""Equal frames in a row; a sensor's noise makes no two equal, a dead driver repeats the last."""


COLUMNS = 160
LEAST_FILLED = 1 / 24
"""Part of the rows that must be those of the frame before."""

LEAST_DIFFERENT = 3
"""Frames that shared no row with the one before, which tells a sensor."""


class Fault(enum.Enum):
    """What is wrong with the frames; the value holds the cause and the way out."""

    NONE_COMES = ("no picture comes from it", "plug it in again, or start the stream")
    GREEN = ("it gives only a plain green picture", "plug it in again, or use another port")
    REPEATED = ("it repeats one picture for ever", "plug it in again")


class FaultFinder:
    """Judges the frames of one source, in the order in which they come."""

    def __init__(self, *, still: bool = False) -> None:
        """still: whether the source may rightly give the same frame again, as files do."""
        self._still = still
        self._last = -1
        self._repeats = 0

    def judge(self, rgb: RgbPicture) -> Fault | None:
        """Return what is wrong with a frame (H, W, 3), or None. Black is dark, not wrong."""
        if is_green(rgb):
            return Fault.GREEN
        check = zlib.crc32(rgb[::4, ::4].tobytes())
        self._repeats = self._repeats + 1 if check == self._last else 0
        self._last = check
        if self._repeats >= MOST_REPEATS and not self._still:
            return Fault.REPEATED
        return None


class CutFinder:
    """Finds the frames of one live source whose end got lost on the way.

    The decoder fills what is missing with the frame before, so exactly as no sensor sees it again.
    Frames are given in the order in which they come, none left out. A source whose frames rightly
    share rows, such as a shown screen, is never doubted.
    """

    def __init__(self) -> None:
        """Begin without a frame."""
        self._before: RgbPicture | None = None
        self._different = 0

    def is_cut(self, rgb: RgbPicture) -> bool:
        """True for a frame (H, W, 3) that begins anew and ends as the one before it."""
        # A part of the columns is enough to tell the rows.
        seen = rgb[:, :: max(1, rgb.shape[1] // COLUMNS)].copy()
        before, self._before = self._before, seen
        if before is None or before.shape != seen.shape:
            return False
        same = (seen == before).all(axis=(1, 2))
        filled = len(same) if same.all() else int(np.argmin(same[::-1]))
        if not same.any():
            self._different += 1
            return False
        is_cut = LEAST_FILLED * len(same) <= filled < len(same) and not same[:-filled].any()
        is_cut = is_cut and self._different >= LEAST_DIFFERENT
        if not is_cut:
            self._different = 0
        return is_cut


def is_green(rgb: RgbPicture) -> bool:
    """True for the one plain green that empty YUV buffers turn into (0, 135, 0 or near)."""
    small = shrunk(rgb, 32).reshape(-1, 3).astype(np.float64)
    red, green, blue = small.mean(axis=0)
    return bool(small.std(axis=0).max() < 4 and green > 80 and red < 40 and blue < 40)
