"""E-mail and web addresses, years, titles and authors in recognized text, each with its line."""

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assistant.seeing.layout import Paragraph, Row

LONGEST_LABEL = 40
"""Characters; what is longer is a sentence with a value in it."""


@dataclass(frozen=True, slots=True)
class Value:
    """Something read from a line.

    text: as it stands in the line.
    row:  the line; the evidence.
    """

    text: str
    row: Row

    @property
    def label(self) -> str | None:
        """What stands before the value on its line, as printed, without colons; or None.

        Of a line with several values, what stands behind the one before.
        """
        start = self.row.text.find(self.text)
        before = re.split(r"\d", self.row.text[: max(start, 0)])[-1].strip(" \t.:;,=-")
        return before if before and len(before) <= LONGEST_LABEL else None


_EMAIL = r"[\w.+-]+ ?@ ?[\w-]+(?:\.[\w-]+)+"
_TOP = r"com|org|net|info|edu|gov|io|eu|uk|de|fr|es|it|nl|at|ch|us|ca|au|in|my|sg|jp|cn|co"
_WEB = rf"(?:https?://|www\.)[\w./~%?=&#-]*[\w/]|(?<![@\w.-])(?:[\w-]+\.)+(?:{_TOP})(?:/[\w./-]*)?(?![\w@])"
_YEAR = r"(?<![\d.,/-])(?<!\d )(?:1[5-9]|20)\d\d(?![\d.,]\d|\d|[/-]\d| \d)"
_BY = (
    r"^(?:written |edited |translated )?by[: ]+(?P<name>[^\d]{3,})$|^authors?[: ]+(?P<named>.{3,})$"
)

_BY_NAME = (
    r"\b(?:[Bb]y|BY|[Vv]on|[Pp]ar|[Pp]or|[Dd]i|[Dd]oor) "
    r"(?P<name>[A-ZÀ-Þ][\w.'’-]+(?: (?:[A-ZÀ-Þ]\.|[A-ZÀ-Þ][\w'’-]+|de|van|von|da|del)){1,3})$"
)
""" "A novel by Jane Doe": a name in capitals at the end of a row."""

TITLE_SIZE = 0.85
"""A title goes on in lines at least this part as high as its highest one."""

LEAST_TITLE = 1.2
"""A title is this many times as high as the usual line."""


def find_emails(rows: Iterable[Row]) -> list[Value]:
    """E-mail addresses, as they stand."""
    return _matches(_EMAIL, rows)


def find_web(rows: Iterable[Row]) -> list[Value]:
    """Web addresses, as they stand; what follows an @ is none."""
    found = []
    for row in rows:
        text = re.sub(_EMAIL, lambda match: " " * len(match[0]), row.text)
        found += [Value(match[0], row) for match in re.finditer(_WEB, text, re.IGNORECASE)]
    return found


def find_years(rows: Iterable[Row]) -> list[Value]:
    """Years from 1500 on that are no part of a date or an amount."""
    return _matches(_YEAR, rows)


def find_author(rows: Iterable[Row]) -> list[Value]:
    """Names behind "by" or "author"; nothing else tells a name from a title."""
    found = []
    for row in rows:
        text = row.text.strip()
        match = re.search(_BY, text, re.IGNORECASE)
        if match:
            found.append(Value((match["name"] or match["named"]).strip(), row))
            continue
        inside = re.search(_BY_NAME, text)
        if inside:
            found.append(Value(inside["name"], row))
    return found


def largest_text(paragraphs: Sequence[Paragraph]) -> Value | None:
    """The text in the largest letters, most often a title, or None if none stands out."""
    rows = [row for paragraph in paragraphs for row in paragraph.rows if _letters(row) >= 2]
    if len(rows) < 2:
        return None
    heights = [_height(row) for row in rows]
    highest = max(heights)
    if highest < LEAST_TITLE * statistics.median_low(heights):
        return None
    start = heights.index(highest)
    end = start + 1
    while start > 0 and heights[start - 1] >= TITLE_SIZE * highest:
        start -= 1
    while end < len(rows) and heights[end] >= TITLE_SIZE * highest:
        end += 1
    pieces = tuple(piece for row in rows[start:end] for piece in row.pieces)
    whole = Row(pieces)
    return Value(whole.text, whole)


def _matches(pattern: str, rows: Iterable[Row]) -> list[Value]:
    return [
        Value(match[0], row)
        for row in rows
        for match in re.finditer(pattern, row.text, re.IGNORECASE)
    ]


def _height(row: Row) -> float:
    return max(piece.height for piece in row.pieces)


def _letters(row: Row) -> int:
    return sum(character.isalpha() for character in row.text)
