"""What an answer rests on, decided from its values and the recognized lines alone."""

import re
from collections.abc import Iterable, Sequence

from assistant.answers import Basis, Found
from assistant.inference.vision_model import declines
from assistant.seeing.text import TextLine

LEAST_PROBABILITY = 0.6
"""A model's answer is `seen` if it gave every token at least this probability."""

LEAST_ACCURACY = 0.7
"""A skill that was measured to be right less often than this gives guesses only."""


def ground_read(found: Iterable[Found]) -> Basis:
    """READ if every value stands in its own lines, else GUESS.

    It must stand there as it is; only spaces, and a colon taken for a decimal point, may differ.
    It may touch other characters there, as in "9/3/201820:54" without its space.
    """
    stands = all(
        _squeezed(each.value) in _squeezed("".join(line.text for line in each.lines))
        for each in found
    )
    return Basis.READ if stands else Basis.GUESS


def _squeezed(text: str) -> str:
    return re.sub(r"\s", "", text).replace(":", ".")


def ground_model(
    answer: str,
    probabilities: Sequence[float],
    lines: Sequence[TextLine],
    accuracy: float | None,
    *,
    quotes: bool = False,
    counts: bool = False,
) -> Basis:
    """Decide what a vision-language model's answer rests on.

    Probability and measured accuracy decide between SEEN and GUESS. What claims to be text of
    the picture (an answer to a question about text, or digits that count nothing) is a GUESS
    unless recognized lines hold it.

    lines:    what was recognized.
    accuracy: share of right answers, 0 to 1, of a small model; None for a general one.
    quotes:   the question was about text. counts: it was about how many things there are.
    """
    if declines(answer):
        return Basis.UNKNOWN
    # Asked this way round, NaN gives a guess.
    if not probabilities or not all(share >= LEAST_PROBABILITY for share in probabilities):
        return Basis.GUESS
    if accuracy is not None and not accuracy >= LEAST_ACCURACY:
        return Basis.GUESS
    if quotes and not words_are_read(answer, lines):
        return Basis.GUESS
    if not counts and not digits_are_read(answer, lines):
        return Basis.GUESS
    return Basis.SEEN


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
