"""Whether a place names enough of a question to be called its answer, and not only likely.

A word that a question and a row share says that the row is about the same thing. "What's the job"
shares one with "Confirm by email to jobs@larkhill.example", "have I a window" with "Companion seat
41, window". Of the rows of the pages of scripts/relevance that shared one telling word with a
question, the wrong ones were one in five; of those that shared two, or whose short label was that
word with a value of the wanted kind behind it, one in sixteen. The rule was chosen on every second
of the pages to train on and is as good on the others.
"""

from assistant.answers import Found
from assistant.text.fitting import looks_right
from assistant.text.meaning import best_match, is_telling, words
from assistant.text.page import Page
from assistant.text.question import language_of, wish

MOST_ROWS = 2
"""Rows of a quotation; of more, the answer is still to be found."""

LONGEST_LABEL = 3
"""Words of a label that names a value by one word of the question."""


def names_enough(page: Page, found: Found, question: str) -> bool:
    """True if two telling words of a question stand there, or one is the label of such a value."""
    rows = [number for number, row in enumerate(page.rows) if set(row.pieces) & set(found.lines)]
    wanted, language = wish(question), language_of(question)
    text = f"{found.label or ''} {found.value}"
    told = words(text)
    telling = [word for word in wanted.asked if is_telling(word)]
    held = [word for word in telling if best_match(word, told, language) > 0]
    if len(rows) > MOST_ROWS:
        return False
    if len(held) > 1:
        return True
    label = found.label or found.value.partition(": ")[0]
    if len(rows) != 1 or label == found.value or len(words(label)) > LONGEST_LABEL:
        return False
    return looks_right(text, page.places_in(rows[0]), wanted) is True
