"""Frames that a broken camera delivers as if they were good: green, or the same one for ever."""

import enum
import zlib

import numpy as np

from assistant.seeing.pixels import shrunk
from models.pictures import RgbPicture

MOST_REPEATS = 25
"""Equal frames in a row; a sensor's noise makes no two equal, a dead driver repeats the last."""


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


def is_green(rgb: RgbPicture) -> bool:
    """True for the one plain green that empty YUV buffers turn into (0, 135, 0 or near)."""
    small = shrunk(rgb, 32).reshape(-1, 3).astype(np.float64)
    red, green, blue = small.mean(axis=0)
    return bool(small.std(axis=0).max() < 4 and green > 80 and red < 40 and blue < 40)
