"""Frames that a broken camera delivers as if they were good: green, or the same one for ever."""

import enum
import re
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


MOST_PLAIN = 5
"""Frames in a row that may end plain before it is the scene that does."""

LEAST_LEVEL, MOST_LEVEL = 8, 247
"""Between these, from 0 to 255, no sensor sees the very same value all along its rows."""

DAMAGED = re.compile(
    rb"overread|error count|error y=|error while decoding|concealing|damaged|corrupt|invalid data"
    rb"|decode_slice|bytestream|end of (?:file|data)|mb_type|ac-tex|premature",
    re.IGNORECASE,
)
"""What FFmpeg's decoders say of a frame that did not come whole; other complaints are of headers
that do no harm."""

KEY = "I"
"""How FFmpeg calls a frame that needs no other one to be shown."""

MOST_DAMAGED = 60
"""Frames in a row after which a source is taken for one of which the decoder always complains."""


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

    The decoder fills what is missing with the frame before, or with one plain colour, so exactly as
    no sensor sees it. Frames are given in the order in which they come, none left out. A source
    whose frames rightly share rows or end plain, such as a shown screen, is never doubted.
    """

    def __init__(self) -> None:
        """Begin without a frame."""
        self._before: RgbPicture | None = None
        self._different = 0
        self._patterned = 0
        self._plain = 0

    def is_cut(self, rgb: RgbPicture) -> bool:
        """True for a frame (H, W, 3) that begins anew and ends as the one before it, or plain."""
        # A part of the columns is enough to tell the rows.
        seen = rgb[:, :: max(1, rgb.shape[1] // COLUMNS)].copy()
        before, self._before = self._before, seen
        if before is None or before.shape != seen.shape:
            return False
        return self._ends_after(seen) if _ends_plain(seen) else self._ends_as(seen, before)

    def _ends_as(self, seen: RgbPicture, before: RgbPicture) -> bool:
        self._patterned, self._plain = self._patterned + 1, 0
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

    def _ends_after(self, seen: RgbPicture) -> bool:
        """True for a frame that ends plain, where those before did not."""
        self._plain += 1
        is_all = bool((seen == seen[-1, 0]).all())
        # A hand before the lower half stays longer than frames are lost.
        if is_all or self._plain > MOST_PLAIN:
            self._patterned = 0
        return not is_all and self._patterned >= LEAST_DIFFERENT


class DamageFinder:
    """Finds the frames of one live source that its decoder had to mend, by what it says of them.

    Of a stream whose frames are told as changes of others, a mended frame spoils those after it
    until the next whole one.
    """

    def __init__(self) -> None:
        """Begin with a source that is sound."""
        self._in_row = 0
        self._is_spoilt = False

    def is_damaged(self, said: bytes, kind: str) -> bool:
        """True for a frame that must not be read.

        said: what the decoder wrote while it read the frame.
        kind: of frame, as FFmpeg calls it: "I" for whole ones; "" where that is not known.
        """
        complains = DAMAGED.search(said) is not None
        if complains:
            self._in_row += 1
            self._is_spoilt = True
        elif self._is_spoilt and kind in (KEY, ""):
            self._is_spoilt = False
        if not self._is_spoilt:
            self._in_row = 0
        # Some cameras leave out a few bytes of each frame, and show nothing of it.
        return self._is_spoilt and self._in_row <= MOST_DAMAGED


def _ends_plain(seen: RgbPicture) -> bool:
    end = seen[-max(1, int(LEAST_FILLED * len(seen))) :]
    # Night and blinding light are plain, too.
    is_grey = int(end[0, 0].min()) >= LEAST_LEVEL and int(end[0, 0].max()) <= MOST_LEVEL
    return is_grey and bool((end == end[0, 0]).all())


def is_green(rgb: RgbPicture) -> bool:
    """True for the one plain green that empty YUV buffers turn into (0, 135, 0 or near)."""
    small = shrunk(rgb, 32).reshape(-1, 3).astype(np.float64)
    red, green, blue = small.mean(axis=0)
    return bool(small.std(axis=0).max() < 4 and green > 80 and red < 40 and blue < 40)
