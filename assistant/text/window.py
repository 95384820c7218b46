"""The part of a long page that a question may be about: the rows that come closest to it.

A model reads a whole page at once only if that is short. Of a longer one it gets the best rows by
retrieval, each with what stands around it, in the order of the page.
"""

from collections.abc import Iterable, Sequence

from assistant.seeing.layout import Paragraph
from assistant.text.matching import Matching
from assistant.text.page import Page
from assistant.text.question import language_of, wish
from assistant.text.scoring import Scoring

AROUND = 2
"""Rows before and behind a good one: what it belongs to."""


def window(page: Page, question: str, most: int) -> tuple[Paragraph, ...]:
    """The paragraphs of a page as far as a question may be about them, in its order.

    most: characters, at least 0; a row that does not fit any more is left out.
    """
    if _length(row.text for row in page.rows) <= most:
        return page.paragraphs
    kept: set[int] = set()
    room = most
    for row in _by_closeness(page, question):
        for near in _around(row, len(page.rows)):
            length = len(page.rows[near].text) + 1
            if near not in kept and length <= room:
                kept.add(near)
                room -= length
    return _paragraphs(page, sorted(kept))


def _by_closeness(page: Page, question: str) -> Sequence[int]:
    """The numbers of all rows, the closest first; those that are as close in their order."""
    scoring = Scoring(Matching(page, wish(question), language_of(question)))
    scores = [scoring.score(page.passage(row)) for row in range(len(page.rows))]
    return sorted(range(len(page.rows)), key=lambda row: -scores[row])


def _around(row: int, count: int) -> Iterable[int]:
    """A row, then its neighbours, the nearest first."""
    yield row
    for apart in range(1, AROUND + 1):
        yield from (near for near in (row - apart, row + apart) if 0 <= near < count)


def _paragraphs(page: Page, rows: Sequence[int]) -> tuple[Paragraph, ...]:
    """Some rows in their paragraphs; rows between which others stand are in two of them."""
    places = [number for number, each in enumerate(page.paragraphs) for _ in each.rows]
    groups: list[list[int]] = []
    for row in rows:
        before = groups[-1][-1] if groups else None
        if before == row - 1 and places[row] == places[row - 1]:
            groups[-1].append(row)
        else:
            groups.append([row])
    return tuple(Paragraph(tuple(page.rows[row] for row in group)) for group in groups)


def _length(texts: Iterable[str]) -> int:
    return sum(len(text) + 1 for text in texts)
