"""What an answer rests on, decided from its words and the recognized lines alone."""

import enum
import re
from collections.abc import Iterable, Sequence

from assistant.seeing.text import TextLine
from assistant.skills.intents import TEXT_INTENTS, Intent

LEAST_PROBABILITY = 0.6
"""A model's answer is `seen` if it gave every token at least this probability."""

LEAST_ACCURACY = 0.7
"""A skill that was measured to be right less often than this gives guesses only."""


class Basis(enum.Enum):
    """What an answer rests on."""

    READ = "read"
    SEEN = "seen"
    GUESS = "guess"
    UNKNOWN = "unknown"


def ground_read(stated: str, quoted: Iterable[tuple[str, str]]) -> Basis:
    """READ if an answer says no digit but those of its quotations, else GUESS.

    quoted: pairs of a quotation and the recognized text it was taken from. The quotation must
        stand in that text as it is; only spaces, and a colon taken for a decimal point, may
        differ. It may touch other digits there, as in "9/3/201820:54" without its space.
    """
    groups: set[str] = set()
    for quotation, source in quoted:
        if _squeezed(quotation) not in _squeezed(source):
            return Basis.GUESS
        groups.update(re.findall(r"\d+", quotation))
    return Basis.READ if groups.issuperset(re.findall(r"\d+", stated)) else Basis.GUESS


def _squeezed(text: str) -> str:
    return re.sub(r"\s", "", text).replace(":", ".")


def ground_model(
    answer: str,
    probabilities: Sequence[float],
    intent: Intent,
    lines: Sequence[TextLine],
    accuracy: float | None,
) -> Basis:
    """Decide what a vision-language model's answer rests on.

    Probability and measured accuracy decide between SEEN and GUESS. What claims to be text of
    the picture (an answer to a question about text, or digits that count nothing) is a GUESS
    unless recognized lines hold it.
    """
    if is_decline(answer):
        return Basis.UNKNOWN
    # Asked this way round, NaN gives a guess.
    if not probabilities or not all(share >= LEAST_PROBABILITY for share in probabilities):
        return Basis.GUESS
    if accuracy is not None and not accuracy >= LEAST_ACCURACY:
        return Basis.GUESS
    if intent in TEXT_INTENTS and not words_are_read(answer, lines):
        return Basis.GUESS
    if intent is not Intent.COUNT and not digits_are_read(answer, lines):
        return Basis.GUESS
    return Basis.SEEN


def is_decline(answer: str) -> bool:
    """True for an empty answer and for one that says it cannot tell."""
    words = re.sub(r"[^a-z0-9 ]", "", answer.lower().replace("\u2019", "")).strip()
    return (
        words == ""
        or re.match(r"(?:sorry )?i (?:cant|cannot|can not|do not|dont) ", words) is not None
    )


def digits_are_read(stated: str, lines: Iterable[TextLine]) -> bool:
    """True if each group of digits in an answer is a whole group of digits of some line.

    Whole: "12" is not read from a line that holds "4123".
    """
    known = {group for line in lines for group in re.findall(r"\d+", line.text)}
    return all(group in known for group in re.findall(r"\d+", stated))


def words_are_read(stated: str, lines: Iterable[TextLine]) -> bool:
    """True if every word of an answer, in any case, is a word of some line."""
    known = {word for line in lines for word in re.findall(r"\w+", line.text.lower())}
    return all(word in known for word in re.findall(r"\w+", stated.lower()))
