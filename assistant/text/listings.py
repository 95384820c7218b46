"""Lists as they stand on paper: the row that opens one, and all of its entries.

A list is known by its layout alone. Its entries carry bullets or numbers, or they are short rows of
one form below a heading or a colon; a row that begins anew at another edge, behind a gap, in other
letters, or as a sentence, ends it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.seeing.text import TextLine
from assistant.text.calendar_names import weekdays
from assistant.text.meaning import words
from assistant.text.page import Page, Passage
from assistant.text.sections import BULLET, NUMBERED, is_heading

MOST_ENTRIES = 14
"""Entries of one list that are told."""

LONGEST_ENTRY = 9
"""Words of an entry without a mark; a longer row is running text."""

LONGEST_LEAD = 8
"""Words of a row that opens a list without a colon."""

ASIDE = 1.5
"""Heights of a row, by which the edges of unmarked entries may differ."""

GAP = 1.7
"""Times the first step from entry to entry, from which a step parts a list from what follows."""

ALIKE = 1.3
"""Times the height of letters, up to which rows are printed alike."""

FULL = 36
"""Letters of a row that may have gone on for want of room."""

ALIKE_SHARE = 0.7
"""Part of the entries below a heading that must be of one sort."""

_QUANTITY = re.compile(r"\s*[\d½¼¾⅓⅔]")
_LABELLED = re.compile(r"\d:\d|\b[A-Z][a-z]+: (?=[A-Z])")
"""Colons that make no field of an entry: of an hour, of a title."""

MOST_CONTINUED = 4
"""Rows that one entry may go on for."""

_NUMBER = re.compile(r"^\s*(\d{1,2})[.)]\s")


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of a page.

    lead:     number of the row that opens it.
    entries:  what is listed, in reading order, each with all of its rows.
    has_gap:  True if numbers of its entries are missing, so that some were not read.
    is_last:  True if nothing stands below it: it may go on outside the picture.
    """

    lead: int
    entries: tuple[Passage, ...]
    has_gap: bool
    is_last: bool

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows of all entries."""
        return tuple(row for entry in self.entries for row in entry.rows)


def listing_under(page: Page, lead: int) -> Listing | None:
    """The list that a row opens; None where it opens none, or one of fewer than two entries."""
    first = lead + 1
    if first >= len(page.rows) or _is_marked(page, lead) and not _is_heading_of_bullets(page, lead):
        return None
    if _is_within(page, lead):
        return None
    groups = _marked(page, first) if _is_marked(page, first) else _unmarked(page, lead)
    if len(groups) < 2:
        return None
    entries = tuple(page.passage(*group) for group in groups[:MOST_ENTRIES])
    last = groups[-1][-1]
    return Listing(lead, entries, _lacks_numbers(page, groups), _is_lowest(page, last))


def bare_entry(text: str) -> str:
    """An entry without its bullet, its rows run together; a number stays."""
    return BULLET.sub("", " ".join(text.split()))


def _is_marked(page: Page, row: int) -> bool:
    text = page.rows[row].text
    return BULLET.match(text) is not None or NUMBERED.match(text) is not None


def _is_heading_of_bullets(page: Page, row: int) -> bool:
    """True for "2. You need" over bullets."""
    numbered = NUMBERED.match(page.rows[row].text) is not None
    return numbered and row + 1 < len(page.rows) and bool(BULLET.match(page.rows[row + 1].text))


def _is_within(page: Page, lead: int) -> bool:
    """True for the end of an entry, under which the list goes on with its next number."""
    number = _NUMBER.match(page.rows[lead + 1].text)
    above = range(max(0, lead - MOST_CONTINUED), lead)
    return (
        number is not None
        and int(number[1]) > 1
        and any(NUMBERED.match(page.rows[row].text) for row in above)
    )


def _marked(page: Page, first: int) -> list[list[int]]:
    """The rows of each entry of a list with bullets or numbers, from the first entry on."""
    mark = BULLET if BULLET.match(page.rows[first].text) else NUMBERED
    groups: list[list[int]] = []
    for row in range(first, len(page.rows)):
        if mark.match(page.rows[row].text):
            if groups and _begins_again(page, row):
                break
            groups.append([row])
        elif _continues(page, groups[-1][0], row):
            groups[-1].append(row)
        else:
            break
    return groups


def _begins_again(page: Page, row: int) -> bool:
    """True for the number one: another list begins."""
    number = _NUMBER.match(page.rows[row].text)
    return number is not None and int(number[1]) == 1


def _continues(page: Page, begun: int, row: int) -> bool:
    """True for a row without a mark that goes on with the entry which began at another row.

    It goes on in small letters, or behind a row that has not ended; or it hangs under the text
    of the entry, and not under its mark.
    """
    if row > begun + 1 and _step(page, row) > GAP * max(_step(page, begun + 1), _height(page, row)):
        return False
    if _step(page, row) > 2 * GAP * _height(page, row):
        return False
    text, before = page.rows[row].text.strip(), page.rows[row - 1].text.rstrip()
    if text[:1].islower() or before.endswith((",", "-", ";")):
        return True
    hangs = _left(page, row) > _left(page, begun) + 0.5 * _height(page, begun)
    return hangs and not before.endswith((".", "!", "?")) and not is_heading(page, row)


def _unmarked(page: Page, lead: int) -> list[list[int]]:
    """The rows of each entry of a list whose entries are short rows of one form."""
    first = lead + 1
    if first + 1 >= len(page.rows) or not _opens(page, lead) or not _is_entry(page, first):
        return []
    groups = [[first]]
    step = 0.0
    of_pieces = all(len(page.rows[row].pieces) > 1 for row in range(first, first + 2))
    for row in range(first + 1, len(page.rows)):
        here = _step(page, row)
        step = step or here
        if here > GAP * max(step, _height(page, first)) or not _is_printed_alike(page, first, row):
            break
        if _is_rest(page, groups[-1], row):
            groups[-1].append(row)
            continue
        if not _is_entry(page, row) or not _is_below(page, first, row):
            break
        if len(page.rows[row].pieces) == 1 and _parts(page, row, of_pieces=of_pieces):
            break
        groups.append([row])
    if page.rows[lead].text.strip().endswith(":"):
        return groups
    return groups if _are_alike(page, [group[0] for group in groups]) else []


def _are_alike(page: Page, rows: Sequence[int]) -> bool:
    """True for rows that list things of one sort: hours, prices, quantities, pairs of words.

    Below a heading also stand the fields of a form, each of which is a thing of its own.
    """
    if not rows or any(":" in _LABELLED.sub("", page.rows[row].text) for row in rows):
        return False
    kinds = [frozenset(place.token.kind for place in page.places_in(row)) for row in rows]
    counted = [bool(_QUANTITY.match(page.rows[row].text)) for row in rows]
    of_days = [bool(weekdays(page.rows[row].text)) for row in rows]
    shares = [counted, of_days, [not each for each in kinds]]
    shares += [[kind in each for each in kinds] for kind in set().union(*kinds)]
    return max(sum(share) for share in shares) >= ALIKE_SHARE * len(rows)


def _opens(page: Page, row: int) -> bool:
    """True for a row that ends with a colon, a heading, or a short row over rows of pieces.

    The first row of a page is the title of all of it.
    """
    text = page.rows[row].text.strip()
    if text.endswith(":"):
        return not _is_empty_field(page, row)
    if row == 0 or len(page.rows[row].pieces) > 1 or not 0 < len(words(text)) <= LONGEST_LEAD:
        return False
    if re.search(r"[.,;!?]$|[,:]", text) or page.has_values(row):
        return False
    following = range(row + 1, min(row + 3, len(page.rows)))
    of_pieces = len(following) == 2 and all(len(page.rows[each].pieces) > 1 for each in following)
    return of_pieces or is_heading(page, row)


def _is_empty_field(page: Page, row: int) -> bool:
    """True for a label whose value is missing, among labels that have one: it opens nothing."""
    around = [each for each in (row - 1, row + 1) if 0 <= each < len(page.rows)]
    fields = [page.rows[each].pieces for each in around]
    return len(fields) == 2 and all(
        len(pieces) > 1 and pieces[0].text.rstrip().endswith(":") for pieces in fields
    )


def _is_rest(page: Page, group: Sequence[int], row: int) -> bool:
    """True for a row in small letters behind one that breaks off, or is full: no new entry."""
    text, before = page.rows[row].text.strip(), page.rows[group[-1]].text.rstrip()
    if (
        not text[:1].islower()
        or len(page.rows[row].pieces) > 1
        or len(page.rows[row - 1].pieces) > 1
    ):
        return False
    return before.endswith((",", "-", "(")) or len(before) >= FULL


def _parts(page: Page, row: int, *, of_pieces: bool) -> bool:
    """True for a row of one piece that parts a list from the next.

    Among rows of several pieces it is a heading, if it is no small word between them.
    """
    if of_pieces:
        return not page.rows[row].text[:1].islower()
    following = range(row + 1, min(row + 3, len(page.rows)))
    return len(following) == 2 and all(len(page.rows[each].pieces) > 1 for each in following)


def _is_entry(page: Page, row: int) -> bool:
    """True for a short row that is no sentence; one of several pieces may be longer."""
    text = page.rows[row].text.strip()
    if text.endswith(":"):
        return False
    is_sentence = re.search(r"[^\W\d_]{2}[.!?]$", text) is not None and len(words(text)) > 3
    return not is_sentence and (_is_short(page, row) or len(page.rows[row].pieces) > 1)


def _is_short(page: Page, row: int) -> bool:
    return len(words(page.rows[row].text)) <= LONGEST_ENTRY


def _is_printed_alike(page: Page, one: int, other: int) -> bool:
    heights = _height(page, one), _height(page, other)
    return max(heights) <= ALIKE * min(heights)


def _is_below(page: Page, one: int, other: int) -> bool:
    """True if two rows begin at the same edge, or have the same middle."""
    aside = ASIDE * _height(page, one)
    left = abs(_left(page, one) - _left(page, other))
    middle = abs(_middle(page, one) - _middle(page, other))
    return min(left, middle) <= aside


def _lacks_numbers(page: Page, groups: Sequence[Sequence[int]]) -> bool:
    """True if entries are numbered, and not one after the other from 1 on."""
    found = [_NUMBER.match(page.rows[group[0]].text) for group in groups]
    numbers = [int(each[1]) for each in found if each is not None]
    return bool(numbers) and numbers != list(range(1, len(groups) + 1))


def _is_lowest(page: Page, row: int) -> bool:
    """True if no other row of the page stands below a row."""
    bottom = _bottom(page, row)
    return not any(_top(page, other) >= bottom for other in range(len(page.rows)) if other != row)


def _corners(page: Page, row: int) -> tuple[list[float], list[float]]:
    lines: Sequence[TextLine] = page.rows[row].pieces
    points = [point for line in lines for point in line.box]
    return [x for x, _ in points], [y for _, y in points]


def _left(page: Page, row: int) -> float:
    return min(_corners(page, row)[0])


def _middle(page: Page, row: int) -> float:
    across = _corners(page, row)[0]
    return (min(across) + max(across)) / 2


def _top(page: Page, row: int) -> float:
    return min(_corners(page, row)[1])


def _bottom(page: Page, row: int) -> float:
    return max(_corners(page, row)[1])


def _height(page: Page, row: int) -> float:
    return max(piece.height for piece in page.rows[row].pieces)


def _step(page: Page, row: int) -> float:
    """From the top of the row above to that of a row, in pixels; 0 where another column begins."""
    return max(0.0, _top(page, row) - _top(page, row - 1))
