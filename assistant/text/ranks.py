"""Words by which a question means one of several: the first, the latest, the third, the highest."""

import re

from assistant.text.meaning import number, words

FIRST = frozenset(
    ("first", "earliest", "oldest", "initial", "erste", "erster", "erstes", "premier", "première")
    + ("primero", "primera", "primo", "prima", "eerste", "primeiro", "primeira")
)
LAST = frozenset(
    ("last", "latest", "newest", "final", "letzte", "letzter", "letztes", "dernier", "dernière")
    + ("último", "última", "ultimo", "ultima", "laatste")
)
NTH = frozenset(
    ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
    + ("eleventh", "twelfth")
)
MOST = frozenset(("highest", "biggest", "largest", "greatest", "maximum", "longest", "heaviest"))
LEAST = frozenset(("lowest", "smallest", "least", "minimum", "shortest", "lightest"))
_ALL = FIRST | LAST | NTH | MOST | LEAST

_RECENT = re.compile(r"\bmost recent(?:ly)?\b")
_NAMES = re.compile(
    r"\b(?:first|last|second) names?\b|\b(?:first|second) (?:aid|class|hand|floor)\b"
)
"""What is no rank, though a word of it could be one."""


def plain_ranks(question: str) -> str:
    """A question in lower case, with one word for each rank and none that only looks so."""
    return _RECENT.sub("latest", _NAMES.sub(" ", question.lower()))


def ranks_in(question: str) -> tuple[str, ...]:
    """The words of a question that are ranks, in their order."""
    return tuple(word for word in words(plain_ranks(question)) if word in _ALL or place_of(word))


def place_of(word: str) -> int:
    """2 for "second" and for "2nd"; 0 for other words."""
    if word in NTH:
        return int(number(word) or 0)
    match = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)", word)
    return int(match[1]) if match else 0


def is_printed(rank: str, printed: list[str]) -> bool:
    """Whether some printed words say a rank themselves, in one of its words: 2nd for second."""
    same = next(
        (group for group in (FIRST, LAST, MOST, LEAST) if rank in group), frozenset((rank,))
    )
    return any(
        word in same or (place_of(rank) > 0 and number(word) == str(place_of(rank)))
        for word in printed
    )
