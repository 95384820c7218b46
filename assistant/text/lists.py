"""The entries of a page's lists: goods with their prices, steps, ingredients, articles."""

import re
from collections.abc import Sequence

from assistant.text.goods import goods
from assistant.text.meaning import best_match, content_words, words
from assistant.text.page import Page, Passage
from assistant.text.sections import BULLET, NUMBERED, is_heading, under

STEPS = frozenset(
    ["step", "steps", "instruction", "instructions", "direction", "directions", "stage"]
)
INGREDIENTS = frozenset(["ingredient", "ingredients"])
ARTICLES = frozenset(["article", "articles", "story", "stories", "section", "sections"])
SENTENCES = frozenset(["sentence", "sentences"])
PARAGRAPHS = frozenset(["paragraph", "paragraphs"])

MOST_WORDS = 60
"""Words of one entry."""


def entries(page: Page, noun: str, place: str, end: int) -> list[Passage]:
    """The entries that a noun names, in reading order; nothing where the page has no such list.

    noun:   what is counted, such as "step", "item", "drink".
    place:  the words of a heading that they stand under; "" for all of the page.
    end:    the row of the first total, tax or the like: what stands from there on is no goods.
    """
    if noun in SENTENCES:
        return list(page.statements)
    if noun in PARAGRAPHS:
        return _paragraphs(page)
    heading = _named_heading(page, place) if place else None
    if heading is None and noun not in (*STEPS, "thing", "item", "one", "entry", "line"):
        heading = _named_heading(page, noun)
    if noun in ARTICLES:
        return _articles(page)
    if noun in INGREDIENTS:
        listed = _after_colon(page, noun)
        if listed:
            return listed
    if heading is not None:
        return _joined(page, under(page, heading))
    if place and content_words(place) and heading is None and noun not in STEPS:
        return []
    bought = [] if noun in STEPS else goods(page, end)
    if bought and end < len(page.rows):
        # A receipt: "B. Bean soup" is no numbered step.
        return bought
    numbered = [row for row in range(len(page.rows)) if NUMBERED.match(page.rows[row].text)]
    if numbered and (noun in STEPS or len(numbered) > 1):
        return _joined(page, range(numbered[0], len(page.rows)))
    if noun in STEPS:
        return []
    if bought:
        return bought
    bullets = [row for row in range(len(page.rows)) if BULLET.match(page.rows[row].text)]
    return [page.passage(row) for row in bullets] if len(bullets) > 1 else []


def _named_heading(page: Page, name: str) -> int | None:
    """The heading that holds every word of a name."""
    asked = content_words(name)
    for row in range(len(page.rows)):
        printed = words(page.rows[row].text)
        is_head = is_heading(page, row) or len(printed) <= 3 and not page.has_values(row)
        if asked and is_head and all(best_match(word, printed) > 0 for word in asked):
            return row
    return None


def _joined(page: Page, rows: Sequence[int]) -> list[Passage]:
    """Rows as entries: a numbered one goes on to the next number, others are an entry each."""
    numbered = any(NUMBERED.match(page.rows[row].text) for row in rows)
    groups: list[list[int]] = []
    for row in rows:
        text = page.rows[row].text
        begins = NUMBERED.match(text) if numbered else True
        if begins:
            groups.append([row])
        elif groups and not is_heading(page, row):
            groups[-1].append(row)
        elif groups:
            break
    return [
        page.passage(*group)
        for group in groups
        if sum(len(words(page.rows[row].text)) for row in group) <= MOST_WORDS
    ]


def _after_colon(page: Page, noun: str) -> list[Passage]:
    """ "Ingredients: water, onion, cream (MILK) 11%" as its parts."""
    for sentence in page.sentences:
        label, colon, rest = sentence.text.partition(":")
        if colon and len(words(label)) <= 3 and best_match(noun, words(label)) > 0:
            parts = [part.strip(" .\n") for part in re.split(r",(?![^(]*\))", rest)]
            return [Passage(part, sentence.rows, sentence.lines) for part in parts if part]
    return []


def _articles(page: Page) -> list[Passage]:
    """Headings with what stands under them; the title of the page is none."""
    found = []
    for row in range(len(page.rows)):
        below = under(page, row) if is_heading(page, row) else []
        prose = any(len(words(page.rows[each].text)) > 3 for each in below)
        if prose and not any(is_heading(page, each) for each in below):
            found.append(page.passage(row, *below))
    return found


def _paragraphs(page: Page) -> list[Passage]:
    found, at = [], 0
    for paragraph in page.paragraphs:
        rows = range(at, at + len(paragraph.rows))
        at += len(paragraph.rows)
        found.append(page.passage(*rows))
    return found
