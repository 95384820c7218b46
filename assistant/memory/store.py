"""What the user saves: named texts of pictures, found again by word, by letters and by picture.

Off until it is switched on. One SQLCipher file (AES-256, every page authenticated) holds SQLite's
FTS5 index of the words, the vectors that sqlite-vec compares, and the corners of pictures; no
temporary file is written.
"""

import itertools
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.errors import MemoryStoreError
from assistant.memory.embeddings import embed_bytes, windows
from assistant.memory.file import SCHEMA_VERSION, EncryptedFile, unwritable
from assistant.memory.keys import KeySource
from assistant.memory.search import (
    Remembered,
    by_letters,
    by_picture,
    by_words,
    fused,
    lines_of,
    thing_of,
    words_asked,
)
from assistant.seeing.landmarks import Landmarks
from assistant.settings.paths import FILE_MODE

MOST_CHARACTERS = 1_000_000
MOST_WINDOWS = 4_000
"""Pairs of words that are found by their letters; words after them are found as whole words."""


class Memory:
    """The user's saved things. Methods may be called from any thread, one at a time runs."""

    def __init__(self, folder: Path, keys: KeySource, *, enabled: bool = False) -> None:
        """Name the folder and the source of the key; nothing is opened or written yet.

        enabled: while False nothing is saved and nothing searched, but all can be deleted.
        """
        self.enabled = enabled
        self._file = EncryptedFile(folder, keys)

    def remember(
        self,
        name: str,
        text: str,
        picture_embedding: NDArray[np.float32] | None = None,
        *,
        picture_model: str = "",
        landmarks: Landmarks | None = None,
    ) -> int:
        """Save a thing and return its id.

        picture_embedding: (D,) of the model that `picture_model` names; never the picture itself.
        landmarks:         its corners, by which the picture is known again.

        Raises:
            MemoryStoreError: saving is off, there is nothing to save, or the store fails.
            MemoryKeyError: there is no key.
        """
        self._check_enabled()
        name, text = " ".join(name.split()), text.strip()
        if not name and not text:
            raise MemoryStoreError("there is nothing to save", "say a name for it")
        if len(name) + len(text) > MOST_CHARACTERS:
            raise MemoryStoreError(
                f"this text has {len(text)} characters, more than {MOST_CHARACTERS}", "save a part"
            )
        picture = None if picture_embedding is None else _picture_bytes(picture_embedding)
        corners = None if landmarks is None or not landmarks.are_enough else landmarks.to_bytes()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._file.open() as connection, connection:
            thing = connection.execute(
                "INSERT INTO things(name, text, saved_at, picture, picture_model, landmarks)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (name, text, now, picture, picture_model, corners),
            ).lastrowid
            connection.executemany(
                "INSERT INTO windows(thing, line, vector) VALUES (?, ?, ?)",
                [(thing, line, vector) for line, vector in _vectors(name, text)],
            )
        return int(thing)

    def search(self, query: str, most: int = 5) -> list[Remembered]:
        """Return saved things that a question is about, best first; the latest for "what did I
        save", which names nothing.

        Raises:
            MemoryStoreError: saving is off, or the store fails.
            MemoryKeyError: there is no key, or the wrong one.
        """
        self._check_enabled()
        asked = words_asked(query)
        if not asked:
            return self.latest(most)
        if not self._file.exists:
            return []
        with self._file.open() as connection:
            word_hits = by_words(connection, asked)
            letter_hits = by_letters(connection, " ".join(asked))
            return fused(connection, word_hits, letter_hits, most)

    def search_picture(
        self,
        landmarks: Landmarks,
        embedding: NDArray[np.float32] | None = None,
        *,
        picture_model: str = "",
        most: int = 5,
    ) -> list[Remembered]:
        """Return saved things whose picture is this one, best first; the score counts corners.

        embedding: (D,) of the model that `picture_model` names; chooses what is compared first
                   where more is saved than can be compared. It never decides.

        Raises:
            MemoryStoreError: saving is off, or the store fails.
            MemoryKeyError: there is no key, or the wrong one.
        """
        self._check_enabled()
        wanted = None if embedding is None else _picture_bytes(embedding)
        if not self._file.exists:
            return []
        with self._file.open() as connection:
            return by_picture(connection, landmarks, wanted, picture_model, most)

    def latest(self, most: int = 20) -> list[Remembered]:
        """Return what was saved, latest first.

        Raises:
            MemoryStoreError: saving is off, or the store fails.
            MemoryKeyError: there is no key, or the wrong one.
        """
        self._check_enabled()
        if not self._file.exists:
            return []
        with self._file.open() as connection:
            rows = connection.execute(
                "SELECT id, name, text, saved_at FROM things ORDER BY id DESC LIMIT ?", (most,)
            ).fetchall()
        return [thing_of(row) for row in rows]

    def export(self, path: Path) -> int:
        """Write all that was saved to a new file, one JSON object a line; return their number.

        The file is not encrypted; its mode is 0600.

        Raises:
            MemoryStoreError: the file exists or cannot be written, or the store fails.
            MemoryKeyError: there is no key, or the wrong one.
        """
        rows = []
        if self._file.exists:
            with self._file.open() as connection:
                rows = connection.execute(
                    "SELECT id, name, text, saved_at, picture, picture_model, landmarks"
                    " FROM things ORDER BY id"
                ).fetchall()
        lines = [json.dumps(_exported(row), ensure_ascii=False) + "\n" for row in rows]
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        except FileExistsError as error:
            raise MemoryStoreError(f"{path}: exists already", "give another name") from error
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.writelines(lines)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise unwritable(path, error) from error
        return len(rows)

    def forget(self, thing: int) -> None:
        """Delete one thing.

        Raises:
            MemoryStoreError: there is none of this id, or the store fails.
            MemoryKeyError: there is no key, or the wrong one.
        """
        removed = 0
        if self._file.exists:
            with self._file.open() as connection, connection:
                removed = connection.execute("DELETE FROM things WHERE id = ?", (thing,)).rowcount
        if not removed:
            raise MemoryStoreError(f"nothing is saved under the number {thing}", "list what is")

    def forget_all(self) -> None:
        """Delete everything, also the key; works without the key and on a damaged file.

        Raises:
            MemoryStoreError: a file cannot be removed.
            MemoryKeyError: the key cannot be removed from the keyring; the file is gone then.
        """
        self._file.delete()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    def _check_enabled(self) -> None:
        if not self.enabled:
            raise MemoryStoreError(
                "saving is switched off, so nothing is remembered", "switch history on first"
            )


def _exported(row: Sequence[Any]) -> dict[str, object]:
    picture = None if row[4] is None else np.frombuffer(row[4], dtype="<f4").tolist()
    return {
        "schema_version": SCHEMA_VERSION,
        "id": row[0],
        "name": row[1],
        "text": row[2],
        "saved_at": row[3],
        "picture_embedding": picture,
        "picture_model": row[5],
        "picture_corners": None if row[6] is None else row[6].hex(),
    }


def _picture_bytes(embedding: NDArray[np.float32]) -> bytes:
    flat = np.asarray(embedding, dtype="<f4").ravel()
    if not flat.size or not np.isfinite(flat).all() or not flat.any():
        raise MemoryStoreError("the picture has no usable embedding", "take it again")
    return flat.tobytes()


def _vectors(name: str, text: str) -> list[tuple[int, bytes]]:
    """The numbered lines of a thing and the vectors of their pairs of words."""
    pairs = ((n, pair) for n, line in enumerate(lines_of(name, text)) for pair in windows(line))
    return [(n, embed_bytes(pair)) for n, pair in itertools.islice(pairs, MOST_WINDOWS)]
