"""Is an answer right? By the strings that must stand in it, and those that must not."""

from __future__ import annotations

import enum
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_WORDS = 25
"""An answer that recites everything answers nothing; a case may allow more."""

NOT_FOUND = (
    *("do not find", "don't find", "did not find", "cannot find", "can't find", "not found"),
    *("found no", "nothing about", "does not say", "doesn't say", "no text about", "not mentioned"),
    *("i see no", "i find no", "is not printed", "no text", "not in the", "there is no"),
)
"""How an honest "it is not there" sounds, whatever basis it is given."""

SHORT = 3
"""Letters of a word that is too likely to be a part of another one."""

UNSURE = {"unknown", "error"}
SURE = {"read", "seen"}


class Verdict(enum.Enum):
    """What becomes of a case."""

    RIGHT = "right"
    DECLINED = "declined"
    WRONG = "wrong"


@dataclass(slots=True)
class Given:
    """All that was said to one question: its sentences, their bases, and how long it took."""

    text: str = ""
    basis: list[str] = field(default_factory=list)
    seconds: float | None = None

    @property
    def is_sure(self) -> bool:
        """Whether it is called read or seen: the worst way to be wrong."""
        return bool(SURE & set(self.basis))


def flat(text: str) -> str:
    """Small letters without accents, single spaces, straight quotes: what recognizers mix up."""
    bare = "".join(
        letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter)
    )
    for curly, straight in (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("–", "-"), ("—", "-")):
        bare = bare.replace(curly, straight)
    return re.sub(r"\s+", " ", bare).strip().lower()


def stands_in(wanted: str, text: str, *, whole: bool = False) -> bool:
    """Whether a string stands in a text; case, accents and white space are ignored.

    Figures count as whole ones only: 4.48 does not stand in 14.48, nor 1,234 in 1,234.56. Up to
    three letters, or any with whole, must be words of their own.
    """
    plain = flat(wanted)
    pattern = r"\s*".join(re.escape(word) for word in plain.split(" "))
    if plain[:1].isdigit():
        pattern = r"(?<!\d)(?<!\d[.,'])" + pattern
    if plain[-1:].isdigit():
        pattern += r"(?!\d)(?![.,']\d)"
    if plain.isalpha() and (whole or len(plain) <= SHORT):
        pattern = rf"\b{pattern}\b"
    return re.search(pattern, flat(text)) is not None


def alternatives(wanted: Sequence[Any]) -> list[list[str]]:
    """Each thing that is wanted as a list of equally good strings."""
    return [list(one) if isinstance(one, list) else [one] for one in wanted]


def amounts_in(text: str) -> set[str]:
    """The different amounts of money that a text names: figures with two decimals."""
    return set(re.findall(r"(?<![\d.,])\d[\d.,']*[.,]\d\d(?![\d%]|[.,:/]\d)", text))


def judge(case: Mapping[str, Any], given: Given) -> Verdict:
    """The verdict on an answer; what is forbidden and what is too long is wrong in any case."""
    if any(stands_in(bad, given.text, whole=True) for bad in case.get("never", ())):
        return Verdict.WRONG
    if len(given.text.split()) > case.get("words", MOST_WORDS):
        return Verdict.WRONG
    if len(amounts_in(given.text)) > case.get("amounts", math.inf):
        return Verdict.WRONG
    wanted = alternatives([*case.get("must", ()), *case.get("says", ())])
    if wanted and all(any(stands_in(one, given.text) for one in many) for many in wanted):
        return Verdict.RIGHT
    declined = set(given.basis) <= UNSURE
    if not case.get("decline"):
        return Verdict.DECLINED if declined else Verdict.WRONG
    if any(words in flat(given.text) for words in NOT_FOUND):
        return Verdict.RIGHT
    if declined:
        # Silence is no answer: whoever cannot see the screen does not know that it is over.
        return Verdict.RIGHT if given.basis else Verdict.DECLINED
    return Verdict.WRONG
