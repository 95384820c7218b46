"""Headings of a page and what stands under them."""

import re

from assistant.text.meaning import words
from assistant.text.page import Page, Passage
from assistant.text.tokens import tokens

LONGEST_HEADING = 6
"""Words."""

MOST_ROWS = 12
"""Rows under one heading that are looked at."""

LARGER = 1.1
"""Times the height of the row below, from which a row is a heading by its letters alone."""

NUMBERED = re.compile(r"^\s*(?:\d{1,2}|[a-hA-H])[.)]\s+(?=\S)")
BULLET = re.compile(r"^\s*[-–•*·>»□☐✓]\s*(?=\S)")
"""What stands before an entry of a list."""


def bare(text: str) -> str:
    """A row without the number or the mark of an entry."""
    return BULLET.sub("", NUMBERED.sub("", text)).strip()


def is_heading(page: Page, row: int) -> bool:
    """A short row without values that stands over others: larger, numbered, or before a list."""
    if row + 1 >= len(page.rows):
        return False
    text = page.rows[row].text
    named = words(bare(text))
    if not 0 < len(named) <= LONGEST_HEADING or re.search(r"[.,;]$", text.strip()):
        return False
    if len(page.rows[row].pieces) > 1 or tokens(bare(text)):
        return False
    below = page.rows[row + 1].text
    if _FIELD.match(text) and _FIELD.match(below):
        return False
    if text.strip().endswith(":") or _height(page, row) > LARGER * _height(page, row + 1):
        return True
    if NUMBERED.match(text):
        return not NUMBERED.match(below)
    above = page.rows[row - 1].text.strip() if row else "."
    if re.search(r"[.!?]$", above) and len(named) <= 4 <= len(words(below)):
        # Between a sentence that has ended and the next.
        return True
    is_list = page.has_values(row + 1) or BULLET.match(below) is not None
    return is_list or len(words(below)) > LONGEST_HEADING


_FIELD = re.compile(r"[^:]*[^\W\d_]: ?\S")
"""A label with its value: where the next row has one as well, neither is a heading."""


def heading_over(page: Page, row: int) -> int | None:
    """The nearest row above that may name what a row is about: it is short and has no value."""
    for above in range(row - 1, max(-1, row - 8), -1):
        text = bare(page.rows[above].text)
        if len(words(text)) <= LONGEST_HEADING and not tokens(text):
            return above
    return None


def behind_heading(page: Page, place: Passage) -> str:
    """A place as a model is shown it: behind the heading that it stands under, in one line."""
    heading = heading_over(page, place.rows[0])
    over = "" if heading is None else f"{page.rows[heading].text}: "
    return over + " ".join(place.text.split())


def under(page: Page, heading: int) -> list[int]:
    """The rows under a heading, up to the next one of its kind."""
    numbered = NUMBERED.match(page.rows[heading].text) is not None
    height = _height(page, heading)
    found: list[int] = []
    for row in range(heading + 1, min(len(page.rows), heading + 1 + MOST_ROWS)):
        if is_heading(page, row):
            alike = NUMBERED.match(page.rows[row].text) is not None
            if alike if numbered else _height(page, row) >= 0.8 * height:
                break
        found.append(row)
    return found


def _height(page: Page, row: int) -> float:
    return max(piece.height for piece in page.rows[row].pieces)
