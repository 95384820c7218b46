"""What the product's own reader reads on each picture, kept, so that no picture is read twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from assistant.errors import OcrError
from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.text import TextLine
from models.pictures import load_picture

SAVE_EVERY = 5
"""Pictures; reading takes seconds, and whoever stops it keeps what was read."""

PATIENCE_S = 600.0
"""Seconds for a look at one picture. The product stops after fewer; here a busy machine would cut
pages short, and what was cut would be kept and judged as if it were the reader's doing."""


def digest_of(picture: Path) -> str:
    """What tells one picture from another, wherever it lies."""
    return hashlib.sha256(picture.read_bytes()).hexdigest()


class KeptLines:
    """Recognized lines by picture, in a JSON file; a picture that changes is read anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self._reader: RapidOcrReader | None = None

    def read_all(self, pictures: Sequence[Path]) -> Iterator[tuple[Path, tuple[TextLine, ...]]]:
        """Each picture with its lines, read now where they are not kept.

        Raises:
            OcrError: text recognition cannot start, failed, or was too slow for one picture.
        """
        new = 0
        for picture in pictures:
            key = digest_of(picture)
            if key not in self._kept:
                self._kept[key] = {"picture": picture.name, "lines": self._read(picture)}
                new += 1
                if new % SAVE_EVERY == 0:
                    self._save()
            yield picture, self.lines(picture)
        if new:
            self._save()

    def lines(self, picture: Path) -> tuple[TextLine, ...]:
        """The kept lines of a picture.

        Raises:
            KeyError: it was not read.
        """
        return tuple(
            TextLine(
                line["text"],
                tuple((x, y) for x, y in line["box"]),  # type: ignore[arg-type]
                line["confidence"],
            )
            for line in self._kept[digest_of(picture)]["lines"]
        )

    def _read(self, picture: Path) -> list[dict[str, Any]]:
        if self._reader is None:
            self._reader = RapidOcrReader(second_look_s=PATIENCE_S)
        found = []
        for part in self._reader.parts(load_picture(picture), limit_s=PATIENCE_S):
            if part.late:
                raise OcrError(f"{picture} took too long to read", "try when less is running")
            found += part.lines
        return [
            {
                "text": line.text,
                "box": [[round(x, 2), round(y, 2)] for x, y in line.box],
                "confidence": round(line.confidence, 4),
            }
            for line in found
        ]

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".part")
        unfinished.write_text(json.dumps(self._kept, ensure_ascii=False), encoding="utf-8")
        unfinished.replace(self._path)
