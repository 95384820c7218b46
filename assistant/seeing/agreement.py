"""Two readings of one line of small print, made one: what both say is so, what they differ in is
a guess.

On drawn pages in letters of 9 to 18 pixels, words in which both readers agree are right in 99.5 of
100 cases. Where they differ the second one is mostly wrong, unless it is very sure; of figures in
which they differ half are wrong in either. The thresholds were chosen on even seeds of
`scripts/bench_small_print.py`.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from assistant.seeing.text import LEAST_SURE, UNSURE

Word = tuple[str, float]
"""What the second reader says, and how sure it is of it, 0 to 1."""

AGREED = 0.95
"""Confidence at least of a line in which both say the same."""

LEAST_SECOND, SURE_SECOND, QUITE_SURE_SECOND = 0.2, 0.9, 0.8
"""How sure the second reader must be of its words to be taken at the first one's word: where that
is hardly sure itself, and where it is not quite; and from which a difference counts against a line
that was read rather surely."""

NOT_QUITE = 0.95
"""Confidence of the first reader below which any difference counts."""

LEAST_LINE = 0.5
"""Mean sureness of the second reader, from which a line that only it can read is told."""

_ENDS = re.compile(r"^\W+|\W+$")
_ENDS_OF_FIGURES = re.compile(r"^[.,;:!?()\[\]\"'„“”‘’]+|[.,;:!?()\[\]\"'„“”‘’]+$")


def agreed(text: str, confidence: float, second: Sequence[Word]) -> tuple[str, float]:
    """What a line says by both readers, and how sure that is, 0 to 1.

    text, confidence: of the first reader; second: the words of the other one, in their order.
    Words are compared without case and without the marks at their ends. No word of the first
    reader is lost but for one that takes its place, and no figure is ever changed.
    """
    theirs = [(word, sure) for word, sure in second if _core(word)]
    if not theirs:
        return text, confidence
    ours = _with_marks(text)
    if not ours:
        sure = sum(each for _, each in theirs) / len(theirs)
        said = " ".join(word for word, _ in second)
        return (said, min(sure, UNSURE)) if sure >= LEAST_LINE else (text, confidence)
    first, other = [_core(word) for word in ours], [_core(word) for word, _ in theirs]
    words: list[str] = []
    differ = doubted = False
    for what, a, b, c, d in SequenceMatcher(None, first, other, autojunk=False).get_opcodes():
        has_figures = any(map(str.isdigit, "".join(first[a:b] + other[c:d])))
        is_spaced = "".join(first[a:b]) == "".join(other[c:d]) and not has_figures
        if what == "equal" or is_spaced:
            words += ours[a:b]
            continue
        differ = True
        sure = min((each for _, each in theirs[c:d]), default=0.0)
        takes = not has_figures and sure >= _least_taken(confidence)
        words += [word for word, _ in theirs[c:d]] if takes else ours[a:b]
        doubted |= has_figures or confidence < NOT_QUITE or sure >= QUITE_SURE_SECOND
    if not differ:
        return text, max(confidence, AGREED)
    return " ".join(words), min(confidence, UNSURE) if doubted else confidence


def _least_taken(confidence: float) -> float:
    """How sure the second reader must be of a word that takes another one's place."""
    if confidence < LEAST_SURE:
        return LEAST_SECOND
    return SURE_SECOND if confidence < NOT_QUITE else 1.1


def _with_marks(text: str) -> list[str]:
    """The words of a text, marks that stand alone put to the word before them."""
    words: list[str] = []
    lead = ""
    for each in text.split():
        if _core(each):
            words.append(f"{lead}{each}")
            lead = ""
        elif words:
            words[-1] += f" {each}"
        else:
            lead += f"{each} "
    return words


def _core(word: str) -> str:
    """What of a word is compared: of figures the signs around them, too."""
    ends = _ENDS_OF_FIGURES if any(map(str.isdigit, word)) else _ENDS
    core = ends.sub("", word.lower())
    return core if any(map(str.isalnum, core)) else ""
