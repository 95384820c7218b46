"""Which writing a line is in that the installed models cannot read, as far as its ink tells.

The models know Latin letters, figures, Chinese and Japanese. Of what they were not made for they
leave letters out, in silence and with full confidence: many pieces of ink, few characters. That is
how such a line is known; what it is called depends on the characters that came out, and on the
shapes of its letters.
"""

import unicodedata
from collections.abc import Mapping

from assistant.seeing.ink import Ink
from assistant.seeing.script_shapes import OTHER, READ, Crop, script_shares

LEFT_OUT, LEAST_LEFT_OUT = 1.8, 3
"""Letters of ink for one character that was read, and how many more, from which some are missing.
Of lines in known letters 99 in 100 have 1.5 at most."""

MOST_SPECKS = 0.4
"""Low pieces for each letter: points over letters are few."""

MOST_GREEK = 0.2
"""Part of the letters of a line; formulas and doses have single Greek letters."""

LEAST_BLANK = 2
"""Letters of ink from which a line without any character is in another script."""

LEAST_NAMED = 0.6
"""Share of the likeliest script among those that the models cannot read, from which
it is named: of the lines to choose with, 93 in 100 names are then right."""

UNMISTAKABLE, MOST_READ = ("Hebrew", "Thai"), 0.1
"""Scripts whose letters come out as Latin ones, none left out, and are told by their shapes: where
the shapes say so by LEAST_NAMED, and READ ones share no more than this. Of 256 lines of receipts,
letters and packages none is, with these two; Arabic, Bengali and Burmese are seen in many."""

MOST_ALIKE = 0.06
"""Shares of Latin and its like in a line that has none of their letters. Of the lines of shared
receipts, letters and signs that are read with less than `pieces.GIBBERISH` one in fifty has less;
it was misread."""

CAPITALS = frozenset(
    (
        "PECTOPAH", "KACCA", "METPO", "TEATP", "MOCKBA", "CAXAP", "MACTEP", "MOPE", "OKHO",
        "BAHHA", "MOCT", "MECTO", "KAPTA", "HOMEP", "KPACKA", "COBET", "CEBEP", "BOCTOK",
    )
)  # fmt: skip
"""Words of Russian signs whose capitals all look like Latin ones, as they are then read."""


def is_foreign(text: str, ink: Ink) -> bool:
    """True if a line is in a script that the models cannot read, or partly so.

    text: as the recognizer gave it, with its spaces.
    """
    if not text.strip():
        # Of letters that they know the models read at least some.
        return ink.letters >= LEAST_BLANK and ink.specks <= MOST_SPECKS * ink.letters
    return leaves_out(text, ink) or is_greek(text) or looks_cyrillic(text)


def leaves_out(text: str, ink: Ink) -> bool:
    """True if a line has many more letters of ink than characters that were read."""
    count = sum(not character.isspace() for character in text)
    if ink.letters - count < LEAST_LEFT_OUT or ink.letters < LEFT_OUT * count:
        return False
    if ink.specks > MOST_SPECKS * ink.letters:
        return False  # dots and segments
    # Words that are left out leave their spaces; a display's figures leave none.
    figures = "".join(filter(str.isalnum, text))
    return not count or any(map(str.isspace, text)) or not figures.isdecimal()


def is_greek(text: str) -> bool:
    """True if more than single letters of a text are Greek."""
    letters = [each for each in text if each.isalpha()]
    greek = sum(unicodedata.name(each, "").startswith("GREEK") for each in letters)
    return greek >= 2 and greek > MOST_GREEK * len(letters)


def is_mixed(text: str) -> bool:
    """True if Latin letters or figures stand among Chinese or Japanese characters."""
    kinds = {unicodedata.name(each, "").split(" ")[0] for each in text if each.isalnum()}
    return bool(kinds & {"CJK", "HIRAGANA", "KATAKANA"}) and bool(kinds & {"LATIN", "DIGIT"})


def is_chinese(text: str) -> bool:
    """True if most characters of a text are Chinese or Japanese: each lies in many pieces."""
    letters = [unicodedata.name(each, "").split(" ")[0] for each in text if each.isalnum()]
    chinese = sum(name in ("CJK", "HIRAGANA", "KATAKANA") for name in letters)
    return 2 * chinese > len(letters)


def looks_cyrillic(text: str) -> bool:
    """True for words in capitals that stand on Russian signs and on no others."""
    found = text.split()
    return bool(found) and all(word in CAPITALS for word in found)


def script_name(text: str, crop: Crop) -> str:
    """What a line that could not be read may be written in; "" where its letters do not show it.

    text: as the recognizer gave it; crop: the line, BGR (H, W, 3).

    Raises:
        OcrError: the file with what the shapes are known by is missing or damaged.
    """
    if is_greek(text):
        return "Greek"
    if looks_cyrillic(text):
        return "Cyrillic"
    return likeliest(script_shares(crop))


def unmistakable(shares: Mapping[str, float]) -> str:
    """The script of a line that shares of its shapes leave no doubt of; "" for none."""
    name = max(UNMISTAKABLE, key=lambda each: shares.get(each, 0.0))
    if shares.get(name, 0.0) < LEAST_NAMED or sum(shares.get(n, 0.0) for n in READ) > MOST_READ:
        return ""
    return name


def is_surely_foreign(shares: Mapping[str, float]) -> bool:
    """True for shapes that are next to nothing of what can be read or has letters like that."""
    alike = (*READ, "Cyrillic", "Greek", OTHER)
    return bool(shares) and sum(shares.get(name, 0.0) for name in alike) <= MOST_ALIKE


def likeliest(shares: Mapping[str, float]) -> str:
    """The script that shares speak for, of a line in none that the models can read; "" for none."""
    foreign = {name: share for name, share in shares.items() if name not in READ}
    if "Cyrillic" in foreign:
        # What looks Latin and is not: half of the capitals of the one are the other's.
        foreign["Cyrillic"] += shares.get("Latin", 0.0)
    best = max(foreign, key=lambda name: foreign[name], default=OTHER)
    if best == OTHER or foreign[best] < LEAST_NAMED * sum(foreign.values()):
        return ""
    return best
