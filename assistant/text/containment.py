"""Whether something is in a text: what is told is the sentence that holds it, never yes or no.

"Contains nuts", "nut free" and "may contain traces of nuts" all hold the word, and somebody's
health hangs on the rest of the sentence. What is asked by the name of a class is found by its
members, too: a package that prints almonds contains nuts.
"""

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.text.meaning import LEAST_FUZZY, best_match, stem, words
from assistant.text.page import Page, Passage
from assistant.text.word_lists import word_list

LONGEST_QUOTE = 30
"""Words of a sentence up to which it is told whole; of a longer one the row with its neighbours."""


SHORT_MEMBER = 4
"""A member of so few letters must be a whole word: "ei" is egg, "nut" begins nutshell."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of things that are asked for by one name."""

    name: str
    asked: tuple[str, ...]
    printed: tuple[str, ...]
    excepted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mention:
    """A sentence that holds what was asked for.

    words: the words of it that were found, as printed.
    """

    passage: Passage
    words: tuple[str, ...]


@functools.cache
def kinds() -> tuple[Kind, ...]:
    """The classes of the data file."""
    return tuple(
        Kind(name, tuple(each["asked"]), tuple(each["printed"]), tuple(each["except"]))
        for name, each in word_list("allergens.toml").items()
    )


def kind_of(subject: str) -> Kind | None:
    """The class that a subject names, or None."""
    wanted = [stem(word) for word in words(subject)]
    for kind in kinds():
        if any([stem(word) for word in words(name)] == wanted for name in kind.asked):
            return kind
    return None


@functools.cache
def names_of_kinds() -> tuple[str, ...]:
    """The names by which classes are asked for, the longest first, each with its plural."""
    names = {name for kind in kinds() for name in kind.asked}
    plurals = {f"{name}s" for name in names if not name.endswith("s")}
    return tuple(sorted(names | plurals, key=lambda name: (-len(name), name)))


def mentions(page: Page, subject: str, language: str = "en") -> list[Mention]:
    """The sentences of a page that hold a subject, then those that hold a member of its class."""
    kind = kind_of(subject)
    found = []
    for sentence in page.sentences:
        if kind is not None:
            hits = _members(kind, sentence.text)
        else:
            hits = _phrase(subject, sentence.text, language)
        if hits:
            found.append(Mention(_short(page, sentence, hits), hits))
    # Who asks about lactose hears of "lactose free" before the butter of the next line.
    return sorted(found, key=lambda each: not _phrase(subject, each.passage.text, language))


def _members(kind: Kind, text: str) -> tuple[str, ...]:
    """The words of a text that begin with, or end in, a member of a class."""
    plain = _plain(text)
    # The longest first: wine vinegar, before vinegar leaves wine behind.
    for excepted in sorted(kind.excepted, key=len, reverse=True):
        plain = re.sub(rf"\b{re.escape(_plain(excepted))}\b", lambda m: " " * len(m[0]), plain)
    spans: list[tuple[int, int]] = []
    for member in kind.printed:
        wanted = re.escape(_plain(member))
        whole = len(member) <= SHORT_MEMBER
        ends = r"(?:s|es|n|en)?\b" if whole else r"\w*"
        begins = r"(?<!\w)" if whole or len(member) < LEAST_FUZZY else r"(?<!\w)\w*?"
        spans += [match.span() for match in re.finditer(rf"{begins}{wanted}{ends}", plain)]
    return tuple(dict.fromkeys(text[start:end] for start, end in sorted(spans)))


def _phrase(subject: str, text: str, language: str) -> tuple[str, ...]:
    """The words of a text that match every word of a subject; nothing if one is missing."""
    wanted = words(subject)
    printed = words(text)
    if not wanted or not all(best_match(word, printed, language) > 0 for word in wanted):
        return ()
    return tuple(
        word for word in printed if any(best_match(each, [word], language) > 0 for each in wanted)
    )


def _short(page: Page, sentence: Passage, hits: Sequence[str]) -> Passage:
    """A sentence; of a long one the rows that hold what was found, and the one before each."""
    if len(words(sentence.text)) <= LONGEST_QUOTE:
        return sentence
    holding = [
        row
        for row in sentence.rows
        if any(_plain(hit) in _plain(page.rows[row].text) for hit in hits)
    ]
    kept = sorted({*holding, *(row - 1 for row in holding if row - 1 in sentence.rows)})
    return page.passage(*kept) if kept else sentence


def _plain(text: str) -> str:
    """Lower case without accents, letter for letter as long as the text."""
    return "".join(
        next(iter(unicodedata.normalize("NFD", letter.lower())), letter) for letter in text
    )
