"""PNG files without the text in them, which no pixel depends on.

A text chunk of a few kilobytes unfolds into gigabytes. What is not read cannot.
"""

import io
import struct
from pathlib import Path

from models.errors import PictureError

MAGIC = b"\x89PNG\r\n\x1a\n"
TEXT = (b"tEXt", b"zTXt", b"iTXt")

MOST_CHUNKS = 200_000
"""More are damage or malice: 64 megapixels in the usual 8 kilobytes a chunk are 25,000."""


class WithoutText(io.RawIOBase):
    """A PNG file to read from, in which the text chunks are left out.

    Chunks are found by their lengths; what lies behind a length that leads out of the file is left
    as it is, for the decoder to judge.
    """

    def __init__(self, path: Path) -> None:
        """Open a file and look for its chunks.

        Raises:
            PictureError: it has far too many of them.
            OSError: it cannot be read.
        """
        super().__init__()
        self._file = path.open("rb")
        try:
            self._parts = _parts(self._file, path)
        except BaseException:
            self._file.close()
            raise
        self._length = sum(end - start for start, end in self._parts)
        self._at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The place from which the next bytes come."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place among the bytes that are left."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        """Fill a buffer with what comes next, up to the end of a part; 0 at the end."""
        before = 0
        for start, end in self._parts:
            inside = self._at - before
            if inside < end - start:
                self._file.seek(start + inside)
                data = self._file.read(min(len(buffer), end - start - inside))
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
            before += end - start
        return 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _parts(file: io.BufferedReader, path: Path) -> list[tuple[int, int]]:
    """The stretches of a file, as (start, end), that hold no text."""
    size = file.seek(0, io.SEEK_END)
    parts: list[tuple[int, int]] = []
    start = at = len(MAGIC)
    for _ in range(MOST_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        end = at + 12 + length
        if end > size:
            break
        if kind in TEXT:
            parts.append((start, at))
            start = end
        at = end
    else:
        raise PictureError(f"{path}: has too many parts to be a picture; save it anew")
    return [(0, len(MAGIC)), *(part for part in [*parts, (start, size)] if part[0] < part[1])]
