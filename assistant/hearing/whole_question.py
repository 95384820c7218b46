"""A question as one piece of sound, for a recognizer that wants to know all of it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from assistant.audio import QUESTION_RATE_HZ, AudioClip
from assistant.hearing.recognizer import AudioChunk, Transcript


class WholeQuestion:
    """Collects the pieces, and recognizes them ahead of time when a pause may be the end.

    Decoding piece by piece would have to guess the loudness and the room from the first sounds:
    with flite's slt PocketSphinx then heard 49 of 60 questions, at once 52.
    """

    def __init__(self, recognize: Callable[[AudioClip], Transcript | None]) -> None:
        """recognize: turns a whole 16 kHz clip into words."""
        self._recognize = recognize
        self._heard: list[NDArray[np.int16]] = []
        self._prepared: tuple[Transcript | None] | None = None

    def begin(self) -> None:
        """Begin to hear a question, and forget an unfinished one."""
        self._heard, self._prepared = [], None

    def accept(self, chunk: AudioChunk, *, voiced: bool) -> str:
        """Keep the next piece; words are known only at the end."""
        self._heard.append(chunk.samples)
        if voiced:
            self._prepared = None
        return ""

    def prepare(self) -> None:
        """Recognize what there is: if only silence follows, the result is ready at the end."""
        if self._prepared is None:
            samples = np.concatenate([*self._heard, np.zeros(0, np.int16)])
            self._prepared = (self._recognize(AudioClip(samples, QUESTION_RATE_HZ)),)

    def finish(self) -> Transcript | None:
        """Return the question, or None if it was not understood."""
        self.prepare()
        assert self._prepared is not None
        (transcript,) = self._prepared
        self.begin()
        return transcript
