"""Live text: what came into view, without what was read before."""

import collections
import re
from collections.abc import Sequence

from rapidfuzz import fuzz

from assistant.seeing.layout import Row, reading_order, rows_of
from assistant.seeing.text import TextLine

SURE = 0.85
"""A line that was recognized with this confidence is read at once; a less sure one only if the
next frame holds it too, as blurred frames give other letters each time."""

SAME = 80.0
"""Similarity, 0 to 100, from which two lines are the same text in two frames."""

MOST_KEPT = 300
"""Lines that are remembered; a walk through a street shows no more in the time that matters."""


class LiveText:
    """Tells new lines from those of the frames before."""

    def __init__(self) -> None:
        self._said: collections.deque[str] = collections.deque(maxlen=MOST_KEPT)
        self._unsure: list[str] = []

    def see(self, lines: Sequence[TextLine]) -> tuple[Row, ...]:
        """Return the rows of a frame that are new, in reading order."""
        new: list[Row] = []
        unsure: list[str] = []
        for row in rows_of(reading_order(lines)):
            text = " ".join(row.text.split())
            if sum(character.isalnum() for character in text) < 2 or self._is_said(text):
                continue
            sure = min(piece.confidence for piece in row.pieces) >= SURE
            if sure or any(_same(text, before) for before in self._unsure):
                self._said.append(text)
                new.append(row)
            else:
                unsure.append(text)
        self._unsure = unsure
        return tuple(new)

    def _is_said(self, text: str) -> bool:
        return any(_same(text, said) or _part_of(text, said) for said in self._said)


def _same(one: str, other: str) -> bool:
    """True if two lines differ by recognition only; figures must be the same."""
    return _figures(one) == _figures(other) and fuzz.ratio(one.lower(), other.lower()) >= SAME


def _part_of(text: str, said: str) -> bool:
    """True for the part of a line that is still in view when the camera has moved on."""
    if len(text) < 4 or len(text) > len(said) or not _figures(text) <= _figures(said):
        return False
    return fuzz.partial_ratio(text.lower(), said.lower()) >= 90.0


def _figures(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))
