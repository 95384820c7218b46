"""Which runs of words of a text may be copied as an answer, token by token.

A model that only copies cannot misspell a value, translate it, or make one up: whatever it wants,
it can only go on along a run of words that is printed. A run begins and ends at a word, and lies in
one row of the page or goes on in the next row of its paragraph.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from assistant.seeing.layout import Paragraph, Row
from assistant.seeing.text import TextLine

LONGEST = 160
"""Characters of a run; more is no answer to a short question, but a reading."""

MOST_TOKENS = 40
"""Tokens of a run; scripts whose letters are several tokens each get shorter ones."""

Encode = Callable[[Sequence[str]], Sequence[Sequence[tuple[int, int]]]]
"""Gives the tokens of each of some texts: (number, where in the text it ends, in characters)."""

_WORD = re.compile(r"\S+")
_OPENING = frozenset('(:=€$£#"“„«/>|')
"""Marks behind which a word begins although no space is printed, as in "Tel:555"."""

_BETWEEN_FIGURES = frozenset(":/")
"""Those of them that hold figures together: "9:30", "3/11"."""

_CLOSING = re.compile(r"[.,;:!?)\]\"”“»'…]+")


@dataclass(frozen=True, slots=True)
class Run:
    """An answer may begin here.

    text:   from its first word on, as far as an answer may go.
    pieces: the recognized lines that it goes through: (line, where its part of the text begins,
            where it ends); the first may begin before the text does.
    """

    text: str
    pieces: tuple[tuple[TextLine, int, int], ...]

    def lines(self, length: int) -> tuple[TextLine, ...]:
        """The recognized lines that the first characters of the text stand in."""
        return tuple(line for line, start, end in self.pieces if start < length and end > 0)


def runs_of(paragraphs: Sequence[Paragraph]) -> tuple[Run, ...]:
    """Every run of some paragraphs that an answer may begin, in reading order."""
    return tuple(
        run
        for paragraph in paragraphs
        for number, row in enumerate(paragraph.rows)
        for run in _runs_from(row, paragraph.rows[number + 1 : number + 2])
    )


def _runs_from(row: Row, after: Sequence[Row]) -> list[Run]:
    """The runs that begin in a row; after: the row in which they may go on."""
    pieces: list[tuple[TextLine, int, int]] = []
    at = 0
    for piece in (each for one in (row, *after) for each in one.pieces):
        pieces.append((piece, at, at + len(piece.text)))
        at += len(piece.text) + 1
    text = " ".join(piece.text for piece, _, _ in pieces)
    found = []
    for start in _starts(row.text):
        part = _cut(text[start:])
        own = ((line, first - start, last - start) for line, first, last in pieces)
        inside = tuple(each for each in own if each[1] < len(part) and each[2] > 0)
        if part:
            found.append(Run(part, inside))
    return found


def _cut(text: str) -> str:
    """A text without what is too long for an answer, and without a part of a word at its end."""
    if len(text) <= LONGEST:
        return text
    kept = text[: LONGEST + 1]
    last = max((at for at, mark in enumerate(kept) if mark.isspace()), default=0)
    return kept[:last].rstrip()


def _starts(text: str) -> list[int]:
    """Where words begin, also behind a mark that touches them."""
    found = []
    for match in _WORD.finditer(text):
        word, first = match[0], match.start()
        found.append(first)
        for at in range(1, len(word)):
            mark = word[at - 1]
            if mark in _OPENING and word[at].isalnum():
                joins = mark in _BETWEEN_FIGURES and at > 1 and word[at - 2].isdigit()
                if not joins:
                    found.append(first + at)
    return found


def may_end(text: str, at: int) -> bool:
    """True if an answer may end before the character at a place: words are never cut.

    Marks that close a word may be left off.
    """
    if at <= 0 or at > len(text):
        return False
    if at == len(text) or text[at].isspace():
        return not text[at - 1].isspace()
    rest = _WORD.match(text, at)
    return rest is not None and _CLOSING.fullmatch(rest[0]) is not None and text[at - 1].isalnum()


@dataclass(frozen=True, slots=True)
class Written:
    """What was copied so far.

    length: tokens.
    runs:   numbers of the runs that begin with just these tokens.
    """

    length: int
    runs: tuple[int, ...]


class Copies:
    """The runs of a text as a model writes them, and the one sentence of its own it may say."""

    def __init__(self, runs: Sequence[Run], encode: Encode, refusal: str) -> None:
        """refusal: what it may write instead, to say that the text does not tell."""
        texts = [run.text for run in runs]
        self._runs = tuple(runs)
        self._tokens: list[tuple[int, ...]] = []
        self._ends: list[tuple[int, ...]] = []
        for text, encoded in zip(texts, encode(texts), strict=True):
            kept = encoded[:MOST_TOKENS]
            self._tokens.append(tuple(number for number, _ in kept))
            # 0 where no answer may end. A character of several tokens ends with the last of them.
            follow = [end for _, end in kept[1:]] + [len(text) + 1]
            self._ends.append(
                tuple(
                    end if may_end(text, end) and after > end else 0
                    for (_, end), after in zip(kept, follow, strict=True)
                )
            )
        (refused,) = encode([refusal])
        self._tokens.append(tuple(number for number, _ in refused))
        self._ends.append((*(0 for _ in refused[1:]), len(refusal)))

    @property
    def longest(self) -> int:
        """Tokens of the longest of them."""
        return max(map(len, self._tokens))

    def begin(self) -> Written:
        """Nothing is written yet."""
        return Written(0, tuple(range(len(self._tokens))))

    def following(self, written: Written) -> Mapping[int, Written]:
        """What may be written next: the number of each token -> what is written then."""
        found: dict[int, list[int]] = {}
        for run in written.runs:
            tokens = self._tokens[run]
            if written.length < len(tokens):
                found.setdefault(tokens[written.length], []).append(run)
        return {token: Written(written.length + 1, tuple(runs)) for token, runs in found.items()}

    def is_whole(self, written: Written) -> bool:
        """True if what is written may be all."""
        return written.length > 0 and any(self._end(run, written) for run in written.runs)

    def is_refusal(self, written: Written) -> bool:
        """True if what is written is that the text does not tell, and stands nowhere in it."""
        return [run for run in written.runs if self._end(run, written)] == [len(self._runs)]

    def copied(self, written: Written) -> tuple[tuple[str, tuple[TextLine, ...]], ...]:
        """Each place where what is written stands, as printed, with its lines; in reading order."""
        places = []
        for run in written.runs:
            end = self._end(run, written)
            if run < len(self._runs) and end:
                places.append((self._runs[run].text[:end], self._runs[run].lines(end)))
        return tuple(places)

    def _end(self, run: int, written: Written) -> int:
        """Characters of a run that are written, if an answer may end there; else 0."""
        return self._ends[run][written.length - 1] if written.length else 0
