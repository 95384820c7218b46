"""Whether what is quoted can be the whole answer: else it is told as a guess.

What a place accounts for of a question says that it is about it, and not that it answers it. These
are the ways in which a quotation about the right thing was the wrong answer: it says nothing that
the question does not say, it begins in the middle of a sentence, a value is a part of a longer one,
a row of a table holds several values, a list goes on, the question means one of several by a rank
that is printed nowhere, or a column with several values without saying which, or it names an amount
where a person is asked for.
"""

import re

from assistant.answers import Found
from assistant.text.columns import column_asked_for
from assistant.text.meaning import best_match, words
from assistant.text.page import Page
from assistant.text.question import Form, asks_whether, wish
from assistant.text.ranks import is_printed, ranks_in
from assistant.text.tokens import Kind

_LIST_NUMBER = re.compile(r"^\W*\d{1,2}[.)]\s")
_BULLET = re.compile(r"^\s*(?:[-–—•*·]|\d{1,2}[.)]|\(?[a-z]\))\s*\w", re.IGNORECASE)
_GOES_ON = re.compile(
    r"\s*(?:to|or|of|bis|oder|von|à|ou|de|a|o|di|tot|van|/|-|–)\s*\d", re.IGNORECASE
)
_COMES_FROM = re.compile(r"\d\s*(?:to|or|bis|oder|à|ou|o|tot|/|-|–)\s*$", re.IGNORECASE)
_ENDS = (".", "!", "?", ":", ";")

SENTENCE_WORDS = 3
"""Words from which what is quoted may be a sentence, which has a beginning."""


def can_be_all(page: Page, found: Found, question: str) -> bool:
    """True if nothing shows that what is quoted is not the answer, or not all of it."""
    rows = [number for number, row in enumerate(page.rows) if set(row.pieces) & set(found.lines)]
    if not rows or not _says_more(found, question) or _is_one_of_several(page, rows, question):
        return False
    if wish(question).form is Form.WHO and any(
        place.token.kind is Kind.MONEY for row in rows for place in page.places_in(row)
    ):
        # "Service charge 0.00" names nobody who served.
        return False
    if found.label is None:
        is_cut = _begins_within(page, found, rows[0]) or _holds_several(page, rows)
        return not is_cut and not _list_goes_on(page, found, rows[-1])
    if asks_whether(question.lower()) and not _answers_whether(found):
        return False
    return not _is_part(page, found, rows)


def _says_more(found: Found, question: str) -> bool:
    """Whether it holds a word or a figure that the question does not."""
    said = words(question)
    value = _LIST_NUMBER.sub("", found.value)
    return any(best_match(word, said) == 0 for word in words(value))


def _is_one_of_several(page: Page, rows: list[int], question: str) -> bool:
    """Whether the question means one of several, and what is quoted does not say that it is it."""
    printed = [word for row in rows for word in words(page.rows[row].text)]
    if not all(is_printed(rank, printed) for rank in ranks_in(question)):
        return True
    return len({cell.text for cell in column_asked_for(page, question)}) > 1


def _begins_within(page: Page, found: Found, row: int) -> bool:
    """Whether it begins in the middle of a sentence, over which another row stands."""
    first = next((letter for letter in found.value if letter.isalpha()), "")
    if not first.islower() or len(words(found.value)) < SENTENCE_WORDS or row == 0:
        return False
    before = page.rows[row - 1].text.rstrip()
    return page.are_of_one_paragraph(row - 1, row) and not before.endswith(_ENDS)


def _holds_several(page: Page, rows: list[int]) -> bool:
    """Whether it is a row of cells with several values, or several such rows: one is meant."""
    if len(rows) > 1 and all(len(page.rows[row].pieces) > 1 for row in rows):
        return True
    cells = page.rows[rows[0]].pieces
    values = [place.token for place in page.places_in(rows[0])]
    return len(rows) == 1 and len(cells) > 2 and len(values) > 1


def _list_goes_on(page: Page, found: Found, row: int) -> bool:
    """Whether a heading is told with the first item alone of the list under it, or with none."""
    ends_in_list = _BULLET.match(page.rows[row].text) or found.value.rstrip().endswith(":")
    if not ends_in_list or _BULLET.match(found.value) or row + 1 == len(page.rows):
        return False  # an item by itself is whole
    return _BULLET.match(page.rows[row + 1].text) is not None


def _answers_whether(found: Found) -> bool:
    """Whether a value behind its label tells yes from no: a figure, or more than a name."""
    return any(letter.isdigit() for letter in found.value) or len(words(found.value)) > 2


def _is_part(page: Page, found: Found, rows: list[int]) -> bool:
    """Whether the value goes on: "2" of "2 to 4 tablets"; or its label is out of a sentence."""
    texts = [page.rows[row].text for row in rows]
    for text in texts:
        place = text.find(found.value)
        if place < 0:
            continue
        behind, before = text[place + len(found.value) :], text[:place]
        if _GOES_ON.match(behind) or _COMES_FROM.search(before):
            return True
    label = found.label or ""
    return label[:1].islower() and len(words(label)) >= SENTENCE_WORDS
