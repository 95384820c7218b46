"""What every recognizer gives: the words of one recorded question, or nothing."""

from dataclasses import dataclass
from typing import Protocol

from assistant.audio import AudioClip


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard.

    text:       the words in lower case, without punctuation.
    confidence: 0 to 1; each recognizer says how it comes to it.
    recognizer: its name, for the report.
    """

    text: str
    confidence: float
    recognizer: str


class Recognizer(Protocol):
    """Anything that turns a recorded question into words."""

    name: str

    def recognize(self, clip: AudioClip) -> Transcript | None:
        """Return what was said in a 16 kHz clip, or None if no question was understood."""
        ...


def word_disagreement(first: str, second: str) -> float:
    """Share of words in which two transcripts differ: word edit distance over the longer length.

    0 for equal texts, 1 for texts without a common word (Levenshtein 1966, on words).
    """
    a, b = first.split(), second.split()
    if not a and not b:
        return 0.0
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1] / max(len(a), len(b))
