"""The language of a printed passage, told offline from its letters and from the page around it.

A line of a receipt holds three words, and three words look alike in many languages. So a page as a
whole is judged first; a line of it is of another language only where the line alone shows that, as
on a label in five languages. Where neither shows anything, nothing is said.

The thresholds were chosen on one half of the pages of scripts/bench_languages.py; that script
reports the other half.
"""

import functools
import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from babel import Locale

from assistant.answers import Said

WRITTEN = ("en", "de", "fr", "es", "it", "nl", "pt")
"""Languages whose printed forms are known here; single lines are told apart among these alone."""

OTHERS = ("da", "sv", "no", "fi", "pl", "cs", "sk", "ro", "hu", "tr", "id")
"""Further languages in Latin letters, which a whole page may be in."""

LEAST_LETTERS = 12
"""Shorter passages show nothing by themselves."""

LEAST_OF_PAGE = 0.7
"""Probability from which a page is of a language."""

LEAST_OF_LINE = 0.8
"""Probability from which a line is of another language than its page."""

LEAST_OF_OTHERS = 0.97
"""Probability from which a page is of one of `OTHERS`: to hear English in such a voice is worse
than to hear Danish in an English one."""

LONGEST = 4000
"""Characters that are looked at; more show no more."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def page_language(lines: Iterable[str]) -> str | None:
    """The language of a page: two letters, or None where its lines do not show it."""
    return _judged(" ".join(lines), LEAST_OF_PAGE, LEAST_OF_OTHERS)


def passage_language(passage: str, page: str | None = None) -> str | None:
    """The language of a passage: its own where it shows one, else that of its page.

    page: the language of the page that it stands on; None where that is not known.
    """
    # Two sisters such as Danish and Norwegian, or Russian and Bulgarian, cannot be told apart in a
    # line: there the page decides, if it can.
    own = _judged(passage, LEAST_OF_LINE, None)
    latin = WRITTEN + OTHERS
    if own is None or (own not in latin and page is not None and page not in latin):
        return page
    return own


def quoted_lines(text: str, page: str | None = None) -> tuple[Said, ...]:
    """A text that is all printed, line by line, each in its language; page: as above."""
    lines = re.findall(r"[^\n]+|\n+", text)
    return tuple(
        Said(line, page if line.isspace() else passage_language(line, page), quoted=True)
        for line in lines
    )


def code_of(name: str) -> str | None:
    """The code of a language by its English name or its code, as "German" or "de"; None if none."""
    wanted = name.strip().lower()
    codes = {called.lower(): code for code, called in Locale("en").languages.items()}
    known = {code for code in codes.values() if 2 <= len(code) <= 3}
    code = codes.get(wanted, wanted)
    return code if code in known else None


def name_of(code: str) -> str:
    """The English name of a language by its code, as "Korean" for "ko"; else the code."""
    return str(Locale("en").languages.get(code, code))


def load() -> None:
    """Load the model now, which takes half a second, rather than at the first passage."""
    _model()


def _judged(text: str, least: float, least_of_others: float | None) -> str | None:
    words = _words(text[:LONGEST])
    letters = [letter for word in words for letter in word]
    foreign = [each for each in letters if "LATIN" not in unicodedata.name(each, "LATIN")]
    if 2 * len(foreign) > len(letters):
        # Most scripts are those of one or a few languages: two letters show it.
        return _best("".join(foreign), None)[0] if len(foreign) > 1 else None
    # Initials and single letters of codes are no words.
    words = [word for word in words if len(word) > 1]
    if sum(map(len, words)) < LEAST_LETTERS:
        return None
    language, share = _best(" ".join(words), WRITTEN + OTHERS)
    needed = least if language in WRITTEN else least_of_others
    return language if needed is not None and share >= needed else None


def _words(text: str) -> list[str]:
    """The words of a text; what is printed in capitals in small letters."""
    found = _WORD.findall(text)
    return [word.lower() if word.isupper() and len(word) > 1 else word for word in found]


def _best(text: str, among: tuple[str, ...] | None) -> tuple[str, float]:
    """The likeliest language of some text that holds letters, and its probability among others.

    among: the languages that are compared; None for all that the model knows.
    """
    ranked = [
        (language, score)
        for language, score in _model().rank(text)
        if among is None or language in among
    ]
    # As the model's makers do: the root of the length keeps long texts from being too sure.
    scale = math.sqrt(len(text.encode()))
    highest = max(score for _, score in ranked)
    weights = {language: math.exp((score - highest) / scale) for language, score in ranked}
    best = max(weights, key=lambda language: weights[language])
    return best, weights[best] / sum(weights.values())


@functools.cache
def _model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
