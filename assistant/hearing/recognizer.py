"""What every recognizer gives: the words of one question, or nothing."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assistant.audio import AudioClip


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """The next piece of a sound that is still being captured.

    samples:     (n,) int16, 16 kHz mono.
    captured_at: when its last sample came (s, time.monotonic).
    """

    samples: NDArray[np.int16]
    captured_at: float


@dataclass(frozen=True, slots=True)
class Word:
    """One word, and how sure the recognizer is of it, 0 to 1."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard.

    text:       the words in lower case, without punctuation.
    confidence: 0 to 1; each recognizer says how it comes to it.
    recognizer: its name, for the report.
    words:      the words one by one, where the recognizer tells their confidences.
    is_command: True where only the grammar of commands heard it: no free question.
    doubt:      what to ask back instead of answering, where nobody can say which of two things was
                said; else "".
    """

    text: str
    confidence: float
    recognizer: str
    words: tuple[Word, ...] = ()
    is_command: bool = False
    doubt: str = ""


class Recognizer(Protocol):
    """Anything that turns a spoken question into words, whole or as it comes."""

    name: str

    def recognize(self, clip: AudioClip) -> Transcript | None:
        """Return what was said in a 16 kHz clip, or None if no question was understood."""
        ...

    def begin(self, *, stop_only: bool = False) -> None:
        """Begin to hear a question, and forget an unfinished one.

        stop_only: only the ways to say stop can be heard (`grammar.STOP`), no question.
        """
        ...

    def accept(self, chunk: AudioChunk) -> str:
        """Decode the next piece, and return the words so far; "" where they are not known yet."""
        ...

    def finish(self) -> Transcript | None:
        """Return the question, or None if it was not understood, was given up, or none began."""
        ...

    def cancel(self) -> None:
        """Give the question up: nothing of it is decoded any more, and `finish` returns None.

        Any thread may call it, also while another one waits in `finish`.
        """
        ...

    def close(self) -> None:
        """Give up the model; nothing more will be asked. Any thread may call it."""
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
