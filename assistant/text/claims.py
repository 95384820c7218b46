"""Whether a sentence about a text stands in it: what a model wrote is believed of nothing.

A language model answers in words of its own, and small ones add what was never written: a name, a
date, a promise. So every word of a sentence that claims something must be found in the text, and
all of them in one place of it: a figure of one line says nothing about the subject of another. What
passes is still the model's choice, and may leave out what matters; what fails is not spoken.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from assistant.text.calendar_names import weekday
from assistant.text.meaning import number, stem, words
from assistant.text.page import Page, Passage
from assistant.text.plain_letters import unaccented

_FREE_WORDS = """
a an the this that these those it its they them their there here he she him his her we us our you
your i me my who which what whom whose where when while as such so then than also too very and or
but if is are was were be been being am do does did has have had having will would shall of in on at
by for from with about into onto to up down out off per it's that's there's you'll you're you've
says said say states stated state mentions mentioned mention tells told tell reads read shows shown
show gives given lists listed contains asks according text document page
der die das den dem des ein eine einen einem einer und oder ist sind war wird werden hat haben in im
an am auf zu zum zur von vom mit bei es sie er dass
le la les l un une des du de d au aux et ou est sont a ont dans par avec pour il elle ce
el los las una uno unos y o es son en por con para
lo gli i e sono ha nel nella per
het een en of zijn heeft op te van met bij voor
os as um uma ao no na em com
"""
"""Words that claim nothing: they join others, or say only that the text says something."""

_FREE = frozenset(unaccented(word) for word in _FREE_WORDS.split())

_DENIAL = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|without|neither|nor|cannot|nicht|kein\w*|nie|ohne|pas|"
    r"jamais|sans|aucune?|nunca|sin|senza|mai|niet|geen|nooit|zonder|nao|sem)\b|n['’]t\b",
    re.IGNORECASE,
)
"""A sentence with one of these says the opposite of the same sentence without it."""

_FIGURES = re.compile(r"\d+(?:[.,:/\-'’]\d+)*")
_CODE = re.compile(r"(?=\w*\d)(?=\w*[^\W\d_])[^\W_]+")
"""Letters and figures in one, such as GL5 or 40mg."""

_SIGNS = re.compile(r"[€$£¥₹%]")
_OPEN = re.compile(
    r"\b(?:does|did|is|are)(?: not|n['’]t) (?:say|state|mention|specif|provid|contain)"
)

MOST_APART = 1
"""Rows from a heading to what stands under it, on which a sentence may rest together."""

LONGEST_HEADING = 5
"""Words. Two sentences never prove a third: each says something of its own."""

MOST_REPEATED = 3
"""Times that a sentence says one word; small models get caught in one, and then say nothing."""

LONGEST_STATEMENT = 60
"""Words of one place; in more than that, words stand together that have nothing to do with each
other."""


def rests_on(sentence: str, page: Page) -> tuple[Passage, ...]:
    """The place of a text, with the heading over it if need be, that holds all of a sentence.

    Empty where it claims something that does not stand there, where it denies what the place says
    or the other way round, and where it claims nothing.
    """
    claims = claimed(sentence)
    if not any(any(map(str.isalpha, word)) for word in claims):
        return ()
    counts = Counter(words(sentence))
    denies = denial(sentence)
    for places in _places(page):
        text = "\n".join(place.text for place in places)
        if denial(text) != denies or missing(claims, text):
            continue
        printed = Counter(words(text))
        if all(count <= max(MOST_REPEATED, printed[word]) for word, count in counts.items()):
            return places
    return ()


def claimed(sentence: str) -> tuple[str, ...]:
    """The words and figures of a sentence that must stand in the text, in order, each once."""
    plain = unicodedata.normalize("NFKC", sentence)
    figures = _FIGURES.findall(plain)
    codes = [code.lower() for code in _CODE.findall(plain)]
    spoken = words(_FIGURES.sub(" ", _CODE.sub(" ", plain)))
    bare = (re.sub(r"['’](?:s|re|ll|ve|d|m)$", "", word) for word in spoken)
    own = (word for word in bare if unaccented(word) not in _FREE and not _DENIAL.fullmatch(word))
    return tuple(dict.fromkeys((*own, *codes, *figures, *_SIGNS.findall(plain))))


def missing(claims: Sequence[str], text: str) -> tuple[str, ...]:
    """Those of some claimed words and figures that a text does not hold.

    A word stands there by its stem, in any case, a number also in words; a figure only as a whole:
    12 does not stand in 4123, nor 5 in 1.5.
    """
    plain = unicodedata.normalize("NFKC", text)
    figures = set(_FIGURES.findall(plain))
    known = words(plain)
    stems = {stem(word) for word in known} | {unaccented(word) for word in known}
    counted = figures | {number(word) for word in known if not word[0].isdigit()}
    days = {weekday(word) for word in known} - {None}
    return tuple(
        word
        for word in claims
        if not (
            word in figures
            or (_SIGNS.fullmatch(word) and word in plain)
            or (_CODE.fullmatch(word) and _holds_code(word, figures, known))
            or (not word[0].isdigit() and (stem(word) in stems or unaccented(word) in stems))
            or (number(word) is not None and number(word) in counted)
            or (weekday(word) is not None and weekday(word) in days)
        )
    )


def _holds_code(code: str, figures: Collection[str], known: Collection[str]) -> bool:
    """True for GL5 where it stands as it is, and for 40mg where 40 mg does."""
    parts = re.findall(r"\d+|[^\W\d_]+", code)
    return code in known or all(part in figures or part in known for part in parts)


def denial(text: str) -> bool:
    """True if a text says that something is not so."""
    return _DENIAL.search(unaccented(text)) is not None


def says_nothing(sentence: str) -> bool:
    """True for a sentence that only says that the text does not tell."""
    return _OPEN.search(sentence.lower()) is not None


def _places(page: Page) -> Iterator[tuple[Passage, ...]]:
    """Each statement alone, then each with the heading over it."""
    whole = [each for each in page.statements if len(words(each.text)) <= LONGEST_STATEMENT]
    yield from ((each,) for each in whole)
    for one, other in zip(whole, whole[1:], strict=False):
        if other.rows[0] - one.rows[-1] <= MOST_APART and _is_heading(one.text):
            yield (one, other)


def _is_heading(text: str) -> bool:
    """True for a few words that are no sentence and hold no figure."""
    short = len(words(text)) <= LONGEST_HEADING
    return short and not text.rstrip().endswith((".", "!", "?")) and not _FIGURES.search(text)
