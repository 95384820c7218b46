"""The value of a column that a question asks for by rank: the last balance, the highest debit.

Under one head stand as many values as the table has rows. A question that names the head and no
row means one of them only if it says which: by its place, by its day, or by its size.
"""

import re
from collections.abc import Sequence

from assistant.text.dates import find_dates
from assistant.text.matching import named_by
from assistant.text.meaning import content_words, is_telling
from assistant.text.page import Page
from assistant.text.question import is_everyday
from assistant.text.ranks import LAST, LEAST, MOST, place_of, plain_ranks, ranks_in
from assistant.text.tables import Cell, Tables
from assistant.text.worth import worth

LEAST_VALUES = 2
"""Of a column; where there is one only, no rank is needed."""


def column_asked_for(page: Page, question: str) -> tuple[Cell, ...]:
    """The values below the one head that a question names without a row, from above to below.

    Empty where it names a row as well, no head or several, or where a head has one value only.
    """
    ranks = ranks_in(question)
    wanted = [
        word
        for word in content_words(plain_ranks(question))
        if word not in ranks and is_telling(word) and not is_everyday(word)
    ]
    if not wanted:
        return ()
    fits = [
        (min(scores), sum(scores), column)
        for column in _columns(page)
        for scores in [[named_by(word, column[0].head) for word in wanted]]
    ]
    best = max((fit[:2] for fit in fits if fit[0] > 0), default=None)
    held = [_without_sum(column) for *fit, column in fits if tuple(fit) == best]
    return tuple(held[0]) if len(held) == 1 and len(held[0]) >= LEAST_VALUES else ()


def ranked_value(page: Page, question: str) -> Cell | None:
    """The one value of such a column that the question means; None where it does not say."""
    ranks = ranks_in(question)
    column = column_asked_for(page, question) if len(ranks) == 1 else ()
    if not column:
        return None
    (rank,) = ranks
    if rank in MOST or rank in LEAST:
        return _extreme(column, most=rank in MOST)
    if place_of(rank):
        return column[place_of(rank) - 1] if place_of(rank) <= len(column) else None
    return column[-1 if (rank in LAST) != _is_newest_first(page, column) else 0]


def _columns(page: Page) -> list[list[Cell]]:
    """Cells with a figure below each other under the same head, but for the first column."""
    tables = Tables(page)
    found: dict[tuple[str, int], list[Cell]] = {}
    part = 0
    for row in range(len(page.rows)):
        cells = tables.cells(row)
        part += not cells  # another table may have the same heads
        for cell in cells:
            if cell.head and cell.name and re.search(r"\d", cell.text):
                found.setdefault((cell.head, part), []).append(cell)
    return list(found.values())


def _without_sum(column: Sequence[Cell]) -> list[Cell]:
    """A column but for a last value that is the sum of the others."""
    *others, last = (worth(cell.text) for cell in column)
    known = [value for value in others if value is not None]
    is_sum = len(known) > 1 and len(known) == len(others) and sum(known) == last
    return list(column[:-1] if is_sum else column)


def _extreme(column: Sequence[Cell], *, most: bool) -> Cell | None:
    """The largest or the smallest; None where two are, or one cannot be told."""
    values = [worth(cell.text) for cell in column]
    known = [abs(value) for value in values if value is not None]
    if len(known) < len(column):
        return None
    best = max(known) if most else min(known)
    return column[known.index(best)] if known.count(best) == 1 else None


def _is_newest_first(page: Page, column: Sequence[Cell]) -> bool:
    """Whether the rows' days run backwards, as on some statements."""
    days = [
        date.days[0][0]
        for cell in (column[0], column[-1])
        for date in find_dates(page.rows[cell.row].text)[:1]
        if date.days and not date.needs_label
    ]
    return len(days) == 2 and days[0] > days[1]
