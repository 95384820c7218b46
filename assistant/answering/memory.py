"""What the user saves: named texts of pictures, found again by word, by letters and by picture.

Off until it is switched on. One SQLCipher file (AES-256, every page authenticated) holds SQLite's
FTS5 index of the words and the vectors that sqlite-vec compares; no temporary file is written.
"""

import itertools
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.answering.embeddings import embed_bytes, windows
from assistant.answering.memory_file import SCHEMA_VERSION, EncryptedFile, unwritable
from assistant.answering.memory_keys import KeySource
from assistant.errors import MemoryStoreError
from assistant.paths import FILE_MODE

FARTHEST_LETTERS = 0.58
"""Cosine distance up to which a pair of words is taken for a misread word that was asked for.

Of 20,000 pairs of unrelated English words none came nearer than 0.59; one wrong letter in a word
of seven gives 0.2 to 0.55.
"""

FARTHEST_PICTURE = 0.15
"""Cosine distance up to which two pictures of one model count as the same scene."""

MOST_CHARACTERS = 1_000_000
MOST_WINDOWS = 4_000
"""Pairs of words that are found by their letters; words after them are found as whole words."""

_RANK_OFFSET = 60.0  # of reciprocal rank fusion, Cormack et al. 2009
_ASKING_WORDS = """
a about all an and any are at can did do does find for from had has have i in is it keep kept
last left look me my of on our put remember remembered save saved saw see seen show tell that
the there these thing things this those time to was we were what whats when where wheres which
who with you your
"""
_ASKING = frozenset(_ASKING_WORDS.split())
"""Words of a question that say nothing about what is looked for."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One saved thing.

    saved_at: with its time zone.
    line:     the line of name or text that fits a search best; empty in a listing.
    score:    larger fits better; only comparable within one search.
    """

    id: int
    name: str
    text: str
    saved_at: datetime
    line: str = ""
    score: float = 0.0


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
    ) -> int:
        """Save a thing and return its id.

        picture_embedding: (D,) of the model that `picture_model` names; never the picture itself.

        Raises:
            MemoryStoreError: saving is off, there is nothing to save, or the store fails.
            MemoryKeyError: there is no key.
        """
        self._check_enabled()
        name, text = " ".join(name.split()), text.strip()
        if not name and not text:
            raise MemoryStoreError("there is nothing to save; say a name for it")
        if len(name) + len(text) > MOST_CHARACTERS:
            raise MemoryStoreError(
                f"this text has {len(text)} characters, more than {MOST_CHARACTERS}; save a part"
            )
        picture = None if picture_embedding is None else _picture_bytes(picture_embedding)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._file.open() as connection, connection:
            thing = connection.execute(
                "INSERT INTO things(name, text, saved_at, picture, picture_model)"
                " VALUES (?, ?, ?, ?, ?)",
                (name, text, now, picture, picture_model),
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
        asked = [word for word in re.findall(r"\w+", query.lower()) if word not in _ASKING]
        if not asked:
            return self.latest(most)
        if not self._file.exists:
            return []
        with self._file.open() as connection:
            by_word = _by_words(connection, asked)
            by_letter = _by_letters(connection, " ".join(asked))
            return _fused(connection, by_word, by_letter, most)

    def search_picture(
        self, embedding: NDArray[np.float32], *, picture_model: str = "", most: int = 5
    ) -> list[Remembered]:
        """Return saved things whose picture looks alike, best first; the score is the cosine.

        Raises:
            MemoryStoreError: saving is off, or the store fails.
            MemoryKeyError: there is no key, or the wrong one.
        """
        self._check_enabled()
        wanted = _picture_bytes(embedding)
        if not self._file.exists:
            return []
        with self._file.open() as connection:
            rows = connection.execute(
                "SELECT id, name, text, saved_at, vec_distance_cosine(picture, ?1) AS distance"
                " FROM things WHERE length(picture) = length(?1) AND picture_model = ?2"
                " ORDER BY distance, id DESC LIMIT ?3",
                (wanted, picture_model, most),
            ).fetchall()
        return [_thing(row[:4], score=1 - row[4]) for row in rows if row[4] <= FARTHEST_PICTURE]

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
        return [_thing(row) for row in rows]

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
                    "SELECT id, name, text, saved_at, picture, picture_model FROM things"
                    " ORDER BY id"
                ).fetchall()
        lines = [json.dumps(_exported(row), ensure_ascii=False) + "\n" for row in rows]
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        except FileExistsError as error:
            raise MemoryStoreError(f"{path}: exists already; give another name") from error
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
            raise MemoryStoreError(f"nothing is saved under the number {thing}; list what is")

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
                "saving is switched off, so nothing is remembered; switch history on first"
            )


def _by_words(connection: Any, asked: Sequence[str]) -> list[int]:
    query = " OR ".join(f'"{word}"' for word in asked)
    rows = connection.execute(
        "SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, 3.0, 1.0), rowid DESC"
        " LIMIT 50",
        (query,),
    )
    return [int(row[0]) for row in rows]


def _by_letters(connection: Any, asked: str) -> dict[int, int]:
    """Things with words of similar letters, best first, and the number of the best line."""
    nearest: dict[int, tuple[float, int]] = {}
    for window in windows(asked):
        rows = connection.execute(
            "SELECT thing, line, min(vec_distance_cosine(vec_int8(vector), vec_int8(?)))"
            " AS distance FROM windows GROUP BY thing HAVING distance <= ?",
            (embed_bytes(window), FARTHEST_LETTERS),
        )
        for thing, line, distance in rows:
            nearest[thing] = min(nearest.get(thing, (distance, line)), (distance, line))
    return {thing: nearest[thing][1] for thing in sorted(nearest, key=lambda t: (nearest[t], -t))}


def _fused(
    connection: Any, by_word: Sequence[int], by_letter: dict[int, int], most: int
) -> list[Remembered]:
    """Join two rankings by the reciprocal ranks of each thing."""
    scores: dict[int, float] = {}
    for ranking in (by_word, list(by_letter)):
        for rank, thing in enumerate(ranking):
            scores[thing] = scores.get(thing, 0.0) + 1 / (_RANK_OFFSET + rank)
    best = sorted(scores, key=lambda thing: (-scores[thing], -thing))[:most]
    found = []
    for thing in best:
        row = connection.execute(
            "SELECT id, name, text, saved_at FROM things WHERE id = ?", (thing,)
        ).fetchone()
        lines = _lines(row[1], row[2])
        line = lines[by_letter[thing]] if thing in by_letter else ""
        found.append(_thing(row, line=line, score=scores[thing]))
    return found


def _lines(name: str, text: str) -> list[str]:
    return [name, *text.splitlines()]


def _vectors(name: str, text: str) -> list[tuple[int, bytes]]:
    """The numbered lines of a thing and the vectors of their pairs of words."""
    pairs = ((n, pair) for n, line in enumerate(_lines(name, text)) for pair in windows(line))
    return [(n, embed_bytes(pair)) for n, pair in itertools.islice(pairs, MOST_WINDOWS)]


def _thing(row: Sequence[Any], *, line: str = "", score: float = 0.0) -> Remembered:
    return Remembered(
        int(row[0]), str(row[1]), str(row[2]), datetime.fromisoformat(row[3]), line, score
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
    }


def _picture_bytes(embedding: NDArray[np.float32]) -> bytes:
    flat = np.asarray(embedding, dtype="<f4").ravel()
    if not flat.size or not np.isfinite(flat).all() or not flat.any():
        raise MemoryStoreError("the picture has no usable embedding; take it again")
    return flat.tobytes()
