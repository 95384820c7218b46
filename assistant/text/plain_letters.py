"""Words without accents and marks, as they are compared."""

import functools
import unicodedata


@functools.lru_cache(maxsize=20_000)
def unaccented(word: str) -> str:
    """A word in lower case without accents, letters that are two in one apart: œufs as oeufs."""
    letters = unicodedata.normalize("NFKD", word.lower().translate(_TWO_IN_ONE))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


_TWO_IN_ONE = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ł": "l", "đ": "d"})


@functools.lru_cache(maxsize=8192)
def stem_free(word: str) -> str:
    """A word in lower case, without accents and marks."""
    letters = unicodedata.normalize("NFKD", word.lower())
    return "".join(letter for letter in letters if letter.isalpha())
