"""How saved things are found: whole words, similar letters, or the picture; each says which."""

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rapidfuzz import fuzz

from assistant.memory.embeddings import embed_bytes, windows
from assistant.seeing.landmarks import LEAST_FITTING, Landmarks, fitting

FARTHEST_LETTERS = 0.58
"""Cosine distance up to which a pair of words is taken for a misread word that was asked for.

Of 20,000 pairs of unrelated English words none came nearer than 0.59; one wrong letter in a word
of seven gives 0.2 to 0.55.
"""

MOST_COMPARED = 1000
"""Pictures that one search compares; each takes about a millisecond."""

_RANK_OFFSET = 60.0  # of reciprocal rank fusion, Cormack et al. 2009
_ASKING_WORDS = """
a about all an and any are at can did do does find for from had has have i in is it keep kept
last left look me my of on our put remember remembered save saved saw see seen show tell that
the there these thing things this those time to was we were what whats when where wheres which
who with you your
"""
_ASKING = frozenset(_ASKING_WORDS.split())
"""Words of a question that say nothing about what is looked for."""


class FoundBy(enum.Enum):
    """What a hit rests on."""

    WORDS = "words"
    LETTERS = "letters"
    """Words that are spelt alike, such as misread ones."""
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Remembered:
    """One saved thing.

    saved_at: with its time zone.
    line:     the line of name or text that fits a search best; empty in a listing.
    score:    larger fits better; only comparable within one search.
    found_by: what the hit rests on; None in a listing.
    """

    id: int
    name: str
    text: str
    saved_at: datetime
    line: str = ""
    score: float = 0.0
    found_by: FoundBy | None = None

    @property
    def said(self) -> str:
        """What is said after the name: the line that fits, or all where that is the name itself."""
        return self.text if self.line in ("", self.name) else self.line


def words_asked(query: str) -> list[str]:
    """The words of a question that say what is looked for, in lower case."""
    return [word for word in re.findall(r"\w+", query.lower()) if word not in _ASKING]


LIKE_NAME = 88.0
"""Likeness of a name and what is asked for, 0 to 100, from which they are the same, misspelt."""


def is_name(asked: str, name: str) -> bool:
    """True if who asks for "my doctor's letter" means what was saved as "doctor letter"."""
    wanted, has = _name_words(asked), _name_words(name)
    return bool(wanted) and fuzz.ratio(wanted, has) >= LIKE_NAME


def _name_words(name: str) -> str:
    """The words of a name in alphabetical order, without articles and possessives."""
    bare = re.sub(r"\b(?:my|the|a)\b|['\u2019]s\b", "", name.lower())
    return " ".join(sorted(re.findall(r"[^\W_]+", bare)))


def by_words(connection: Any, asked: Sequence[str]) -> list[int]:
    """Ids of things with one of these words, best first."""
    query = " OR ".join(f'"{word}"' for word in asked)
    rows = connection.execute(
        "SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, 3.0, 1.0), rowid DESC"
        " LIMIT 50",
        (query,),
    )
    return [int(row[0]) for row in rows]


def by_letters(connection: Any, asked: str) -> dict[int, int]:
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


def fused(
    connection: Any, word_hits: Sequence[int], letter_hits: dict[int, int], most: int
) -> list[Remembered]:
    """Join the two rankings by the reciprocal ranks of each thing."""
    scores: dict[int, float] = {}
    for ranking in (word_hits, list(letter_hits)):
        for rank, thing in enumerate(ranking):
            scores[thing] = scores.get(thing, 0.0) + 1 / (_RANK_OFFSET + rank)
    best = sorted(scores, key=lambda thing: (-scores[thing], -thing))[:most]
    found = []
    for thing in best:
        row = connection.execute(
            "SELECT id, name, text, saved_at FROM things WHERE id = ?", (thing,)
        ).fetchone()
        lines = lines_of(row[1], row[2])
        line = lines[letter_hits[thing]] if thing in letter_hits else ""
        reason = FoundBy.WORDS if thing in word_hits else FoundBy.LETTERS
        found.append(thing_of(row, line=line, score=scores[thing], found_by=reason))
    return found


def by_picture(
    connection: Any, landmarks: Landmarks, embedding: bytes | None, model: str, most: int
) -> list[Remembered]:
    """Things whose picture shows the same, best first.

    embedding: of the model of this name, as sqlite-vec reads it; orders what is compared.
    """
    # The nearest vectors first, then what has none of this model, the latest first.
    rows = connection.execute(
        "SELECT id, landmarks, CASE WHEN length(picture) = length(?1) AND picture_model = ?2"
        " THEN vec_distance_cosine(picture, ?1) END AS distance"
        " FROM things WHERE landmarks IS NOT NULL ORDER BY distance NULLS LAST, id DESC LIMIT ?3",
        (embedding, model, MOST_COMPARED),
    ).fetchall()
    scores = {row[0]: fitting(landmarks, Landmarks.from_bytes(row[1])) for row in rows}
    same = [thing for thing, score in scores.items() if score >= LEAST_FITTING]
    found = []
    for thing in sorted(same, key=lambda thing: (-scores[thing], -thing))[:most]:
        row = connection.execute(
            "SELECT id, name, text, saved_at FROM things WHERE id = ?", (thing,)
        ).fetchone()
        found.append(thing_of(row, score=scores[thing], found_by=FoundBy.PICTURE))
    return found


def lines_of(name: str, text: str) -> list[str]:
    """The lines that a hit can name; the name is the first."""
    return [name, *text.splitlines()]


def thing_of(
    row: Sequence[Any], *, line: str = "", score: float = 0.0, found_by: FoundBy | None = None
) -> Remembered:
    """A row of id, name, text and time as a saved thing."""
    saved_at = datetime.fromisoformat(row[3])
    return Remembered(int(row[0]), str(row[1]), str(row[2]), saved_at, line, score, found_by)
