"""Questions that one line alone does not answer: the third of a list, the longest, which of two,
how many entries there are.

Entries are what a page lists: rows numbered one after the other, the parts behind a colon, dates
below each other, rows with a value of one kind each. What is given back are places of the page, as
printed; only the count is made here.
"""

import re
from dataclasses import replace
from decimal import Decimal

from assistant.text.meaning import best_match, content_words, is_telling, number, words
from assistant.text.page import Page, Passage, Place
from assistant.text.question import is_everyday
from assistant.text.ranks import LEAST, MOST
from assistant.text.tokens import Kind
from assistant.text.worth import worth

LEAST_ENTRIES = 3
"""Rows from which values below each other are a list."""

_NUMBER = re.compile(r"\W*(\d{1,2})[.):]?\s+(?=[^\W\d_])")
_NTH = (
    r"first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth"
    r"|\d{1,2}(?:st|nd|rd|th)"
)
_ORDINAL = re.compile(
    rf"\b(?P<nth>{_NTH}) (?P<noun>(?!one\b|name|class\b|floor|aid|time\b|thing\b|things\b)[a-z]+)"
    rf"|\b(?P<before>[a-z]+) (?:is |comes |in )*(?P<behind>{_NTH})$"
)
_DATED = frozenset(("date", "dates", "appointment", "appointments", "visit", "session", "lesson"))

_LEAST = r"cheaper|cheapest|less|lower|lowest|smaller|smallest|shorter|shortest|lighter|lightest"
_LEAST += r"|earlier|earliest|fewer|fewest|least|quicker|quickest|faster|fastest|coldest|colder"
_MOST = r"dearer|dearest|more|most|higher|highest|bigger|biggest|larger|largest|longer|longest"
_MOST += r"|heavier|heaviest|later|latest|greater|greatest|slower|slowest|hottest|hotter|stronger"
_MOST += r"|strongest"
_EXTREMES = {**dict.fromkeys(MOST | {"strongest"}, True), **dict.fromkeys(LEAST, False)}
"""Whether such a word asks for the most."""

_KINDS = (Kind.TIME, Kind.MEASURE, Kind.MONEY, Kind.PERCENT, Kind.NUMBER)
_OR = re.compile(
    rf"(?:\bthe |\bmore |\ba |\ban |\b)(?P<one>[\w' ]+?)"
    rf" or (?:the |more |a |an )?(?P<other>[\w' ]+?)"
    rf"(?= (?:in|on|of|for|is|was|were|are|cost|costs)\b| (?:{_LEAST}|{_MOST})\b|$)"
)
_THAN = re.compile(
    rf"\b(?:is|are|was|were|does|do|did|has|have) (?:the )?(?P<one>[\w' ]+?) (?:\w+ ){{0,2}}?"
    rf"(?:{_LEAST}|{_MOST})(?: \w+)? than (?:the )?(?P<other>[\w' ]+?)$"
)


def ranked(page: Page, question: str) -> tuple[Passage, ...]:
    """The entry, or the two, that a question in bare words asks for by rank; empty for others."""
    two = _compared(page, question)
    if two:
        return two
    one = _nth(page, question) or _extreme(page, question)
    return () if one is None else (one,)


def counted(page: Page, noun: str, *, is_held: bool) -> tuple[Passage, ...]:
    """The entries of the only numbered list of a page, or those that are marked by a noun.

    noun:    what is counted, in bare words: "direct debits" is printed as DD, too.
    is_held: whether the page names the noun itself: then a numbered list is one of other things.
    """
    initials = "".join(word[0] for word in words(noun)).upper()
    marked = re.compile(rf"(?<!\w){initials}(?!\w)") if len(initials) > 1 else None
    if marked is not None:
        rows = [
            row
            for row in range(len(page.rows))
            if marked.search(page.rows[row].text) and page.has_values(row)
        ]
        if len(rows) > 1:
            return tuple(page.passage(row) for row in rows)
    entries = () if is_held else tuple(_numbered(page))
    told = sum(each.text.rstrip().endswith((".", "!", "?")) for each in entries)
    is_of_sentences = 2 * told > len(entries)
    # Six sentences may be six steps or rules, and never six eggs.
    return () if is_of_sentences and not _SENTENCES & set(words(noun)) else entries


_SENTENCES = frozenset(
    (
        *("steps", "stages", "rules", "instructions", "directions", "points", "things", "items"),
        *("tips", "questions", "sentences", "ways", "reasons", "warnings", "conditions"),
        *("entries", "parts", "paragraphs", "lines", "clauses", "terms", "numbers"),
    )
)
"""What a numbered list of sentences is called."""


def _numbered(page: Page) -> list[Passage]:
    """Rows that are numbered 1, 2, 3 and so on; fewer than three are no list."""
    found: list[Passage] = []
    for row, each in enumerate(page.rows):
        match = _NUMBER.match(each.text)
        if match is not None and int(match[1]) == len(found) + 1:
            found.append(page.passage(row))
    return found if len(found) >= LEAST_ENTRIES else []


def _nth(page: Page, question: str) -> Passage | None:
    """The third track, the second date, the hymn that comes third."""
    asked = _ORDINAL.search(question)
    if asked is None:
        return None
    nth, noun = asked["nth"] or asked["behind"], asked["noun"] or asked["before"]
    parts = _behind_colon(page, noun)
    if not parts and noun in _DATED:
        parts = _dates(page)
    if not parts and not _prints(page, nth):
        parts = _numbered(page)
    at = int(number(nth) or 1) - 1
    return parts[at] if at < len(parts) else None


def _prints(page: Page, nth: str) -> bool:
    """True where the paper itself says which is the third."""
    said = [w for row in range(len(page.rows)) for w in page.words(row) if not w.isdigit()]
    return nth in said or any(number(word) == number(nth) for word in said if number(word))


def _behind_colon(page: Page, noun: str) -> list[Passage]:
    """ "Hymns today: 25, 31, 42 and 28" as its parts, if the words before the colon hold a noun."""
    for statement in page.statements:
        label, colon, rest = statement.text.partition(":")
        if not colon or len(words(label)) > 4 or best_match(noun, words(label)) == 0:
            continue
        parts = [part.strip(" .") for part in re.split(r", | and | und | et | y | e | en ", rest)]
        if len(parts) > 1 and all(0 < len(part.split()) <= 4 for part in parts):
            return [replace(statement, text=part) for part in parts]
    return []


def _dates(page: Page) -> list[Passage]:
    """The rows with a date that stand next to each other; a letter's own date is none of them."""
    rows = list(dict.fromkeys(place.row for place in page.places_of(Kind.DATE)))
    runs: list[list[int]] = []
    for row in rows:
        if runs and row - runs[-1][-1] == 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    longest = max(runs, key=len, default=[])
    return [page.passage(row) for row in longest] if len(longest) > 1 else []


def _extreme(page: Page, question: str) -> Passage | None:
    """The row with the largest, or the smallest, of values of one kind below each other."""
    said = question.split()
    word = next((each for each in said if each in _EXTREMES), None)
    if word is None:
        return None
    # Among amounts stand their sums; of those the skill for prices knows.
    lists = [_named_values(page, kind) for kind in _KINDS if kind is not Kind.MONEY]
    listed = max(lists, key=len)
    if len(listed) < LEAST_ENTRIES:
        return None
    values = [value for _, value in listed]
    best = max(values) if _EXTREMES[word] else min(values)
    if values.count(best) > 1:
        return None
    return page.passage(listed[values.index(best)][0])


def _named_values(page: Page, kind: Kind) -> list[tuple[int, Decimal]]:
    """(row, value) of the rows that hold a name and one value of a kind."""
    found = []
    for row in range(len(page.rows)):
        here = [each for each in page.places_in(row) if each.token.kind is kind]
        value = worth(here[0].token.text) if len(here) == 1 else None
        if value is not None and re.search(r"[^\W\d_]{3}", here[0].left):
            found.append((row, value))
    return found


def _compared(page: Page, question: str) -> tuple[Passage, ...]:
    """The rows of two things that are compared, the one that is asked for first."""
    if re.search(rf"\b(?:{_LEAST}|{_MOST})\b", question) is None:
        return ()
    asked = _THAN.search(question) or _OR.search(question)
    if asked is None:
        return ()
    one, other = (_row_of(page, asked[name]) for name in ("one", "other"))
    if one is None or other is None or one[0] == other[0]:
        return ()
    pair = [one, other]
    if one[1].token.kind is other[1].token.kind:
        values = [worth(place.token.text) for _, place in pair]
        if None not in values:
            is_least = re.search(rf"\b(?:{_LEAST})\b", question) is not None
            pair.sort(key=lambda each: worth(each[1].token.text) or 0, reverse=not is_least)
    return tuple(page.passage(row) for row, _ in pair)


def _row_of(page: Page, thing: str) -> tuple[int, Place] | None:
    """The row whose name holds all that a thing is called by, and its last value; None if none."""
    named = [w for w in content_words(thing) if is_telling(w) and not is_everyday(w)]
    rows = []
    for row in range(len(page.rows)):
        values = [each for each in page.places_in(row) if each.token.kind in _KINDS]
        matches = [best_match(word, page.words(row)) for word in named]
        if values and matches and all(matches):
            rows.append((sum(matches), -row, values[-1]))
    if not rows:
        return None
    _, row, place = max(rows, key=lambda each: each[:2])
    return -row, place
