"""Real titles, authors and categories for book covers, from the listing of Book30.

Source: B. K. Iwana et al., "Judging a Book by its Cover", arXiv:1610.09204; book30-listing-test.csv
of https://github.com/uchidalab/book-dataset. The file is data: it is read, never shipped.
"""

from __future__ import annotations

import csv
import functools
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from models.errors import ListingError
from models.pocket.questions import CHARACTERS, Split, in_split

LISTING = Path("vision/bookcover30/book30-listing-test.csv")
MARKS = " &.,-':/!?%"  # what answers may hold besides CHARACTERS
LINE = 16  # characters at most
_COLUMNS = 7  # id, file, url, title, author, class, category
_LEAST_TITLES = 100  # of a split; fewer and the file is cut short


@dataclass(frozen=True, slots=True)
class Book:
    """A title as printed, without its subtitle, and its category: 29 of the 30 fit two lines."""

    title: str
    category: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What covers of a split print; titles and authors of the splits have none in common."""

    books: tuple[Book, ...]
    authors: tuple[str, ...]


def listing_path() -> Path:
    """Return where the listing is: under SIGHTLINE_TEST_DATA, or ../shared/data."""
    given = os.environ.get("SIGHTLINE_TEST_DATA")
    project = Path(__file__).resolve().parents[3]
    return (Path(given) if given else project.parent / "shared" / "data") / LISTING


def listing(split: Split) -> Listing:
    """Read the books whose title fits two lines, and the authors that fit, of a split.

    Raises:
        ListingError: the file is absent or is not the listing.
    """
    return _read(listing_path(), split)


@functools.lru_cache(maxsize=4)
def _read(path: Path, split: Split) -> Listing:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == _COLUMNS]
    except OSError as error:
        raise ListingError(
            f"no book listing at {path} ({error.strerror}): set SIGHTLINE_TEST_DATA to the folder "
            f"that holds {LISTING}"
        ) from None
    books: dict[str, Book] = {}
    authors: dict[str, None] = {}
    for row in rows:
        title = _fold(re.split(r"[:(]", row[3])[0])
        author, category = _fold(row[4]), _fold(row[6])
        if _printable(title) and _printable(category) and in_split(title.upper(), split):
            books.setdefault(title.upper(), Book(title, category))
        if _printable(author) and in_split(author.upper(), split):
            authors[author] = None
    if len(books) < _LEAST_TITLES:
        raise ListingError(f"{path} holds {len(books)} usable titles: it is not the book listing")
    return Listing(tuple(books.values()), tuple(authors))


def _fold(text: str) -> str:
    """Drop accents and needless space."""
    parts = unicodedata.normalize("NFKD", text)
    return " ".join("".join(c for c in parts if not unicodedata.combining(c)).split())


def _printable(text: str) -> bool:
    known = all(c in CHARACTERS or c in MARKS for c in text.upper())
    return len(text) >= 2 and text[0].isalnum() and known and bool(wrappings(text))


@functools.lru_cache(maxsize=8192)
def wrappings(text: str) -> tuple[tuple[str, ...], ...]:
    """Every way to print text on one or two lines of at most LINE characters."""
    found: list[tuple[str, ...]] = [(text,)] if len(text) <= LINE else []
    words = text.split()
    for cut in range(1, len(words)):
        lines = " ".join(words[:cut]), " ".join(words[cut:])
        if max(map(len, lines)) <= LINE:
            found.append(lines)
    return tuple(found)
