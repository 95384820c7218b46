"""Which writing a line is in that the installed models cannot read, as far as its ink tells.

The models know Latin letters, figures, Chinese and Japanese. Of what they were not made for they
leave letters out, in silence and with full confidence: many pieces of ink, few characters. That is
how such a line is known; what it is called depends on the characters that came out, and on whether
its letters hang together.
"""

import unicodedata

from assistant.seeing.ink import Ink

LEFT_OUT, LEAST_LEFT_OUT = 1.8, 3
"""Letters of ink for one character that was read, and how many more, from which some are missing.
Of lines in known letters 99 in 100 have 1.5 at most."""

MOST_SPECKS = 0.4
"""Low pieces for each letter: points over letters are few."""

MOST_GREEK = 0.2
"""Part of the letters of a line; formulas and doses have single Greek letters."""

LEAST_BLANK = 2
"""Letters of ink from which a line without any character is in another script."""

JOINED = 1.4
"""Pieces of ink for each height of a line that it is long, below which letters hang together:
Arabic has 0.8 to 1.2, with its points beside them, Cyrillic 1.8 to 2.3."""

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
    return not count or text.strip() != text or "  " in text or not text.strip().isdecimal()


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


def script_name(text: str, ink: Ink, length: float) -> str:
    """What a line that could not be read may be written in; "" if nothing speaks for any.

    length: of the line, in heights of it.
    """
    if is_greek(text):
        return "Greek"
    if looks_cyrillic(text):
        return "Cyrillic"
    if ink.letters < JOINED * length:
        return "Arabic" if ink.specks and not ink.wide else ""
    return "Cyrillic"
