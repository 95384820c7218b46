"""One spoken question, from the first block of sound to its words."""

from collections import deque
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assistant.audio import QUESTION_RATE_HZ
from assistant.hearing.endpoint import Endpoint, EndpointState
from assistant.hearing.grammar import closed_orders
from assistant.hearing.orders import in_words
from assistant.hearing.recognizer import AudioChunk, Recognizer, Transcript

BEFORE_SPEECH_S = 0.5
"""Sound kept from before the first voiced block: soft first consonants are in it."""

BEFORE_STOP_S = 0.3
"""The same before a single word: more silence than word, and its sounds are normalized wrongly."""

ORDER_ENDS_S = 0.25
"""Silence that ends an order to which nothing can be added, where its words are known already.

With flite's voices slt and rms, sentences that begin as an order does ("slower, I cannot follow")
pause for up to 0.19 s behind it.
"""

ANSWER_ENDS_S = 0.35
"""The same for `ANSWERS`."""

ANSWERS = frozenset({"yes", "no", "help", "next", "previous"})
"""Orders with which people begin what is none: "no, the other one"."""


class VoiceActivity(Protocol):
    """What tells speech from other sound; see `assistant.hearing.voice_activity`."""

    def probability(self, samples: NDArray[np.int16]) -> float:
        """The probability of speech in the next 16 kHz samples."""
        ...

    def reset(self) -> None:
        """Forget the sound so far."""
        ...


class SpokenQuestion:
    """Sound block by block: the detector says where speech is, the recognizer what it says."""

    def __init__(
        self,
        recognizer: Recognizer,
        activity: VoiceActivity,
        endpoint: Endpoint,
        *,
        stop_only: bool = False,
    ) -> None:
        """Begin a question, or something that may be a stop; all three forget what came before."""
        self._recognizer, self._activity, self._endpoint = recognizer, activity, endpoint
        self._keep_s = BEFORE_STOP_S if stop_only else BEFORE_SPEECH_S
        recognizer.begin(stop_only=stop_only)
        activity.reset()
        endpoint.reset()
        self._before: deque[AudioChunk] = deque()
        self._words, self._told = "", ""
        self._ended_by_key = True
        self.is_muted = True
        """True while every sample was zero, which no microphone gives that is switched on."""
        self.speech_ended_at: float | None = None
        """When the last voiced block was captured (s, time.monotonic)."""

    @property
    def is_silent(self) -> bool:
        """True if nobody has spoken, as far as the detector can tell.

        Whoever pressed the talk key again has spoken, though perhaps too softly for it.
        """
        return not self._endpoint.began and (self.is_muted or not self._ended_by_key)

    def accept(self, chunk: AudioChunk) -> bool:
        """Take the next block; True when the question is over."""
        self.is_muted = self.is_muted and not chunk.samples.any()
        probability = self._activity.probability(chunk.samples)
        state = self._endpoint.accept(probability, len(chunk.samples) / QUESTION_RATE_HZ)
        if self._endpoint.began:
            if self._endpoint.silent_s == 0:
                self.speech_ended_at = chunk.captured_at
            self._hear_before(self._keep_s)
            self._words = self._recognizer.accept(chunk)
        else:
            self._before.append(chunk)
        over = state in (EndpointState.ENDED, EndpointState.NOTHING, EndpointState.TOO_LONG)
        if self._endpoint.began and self._endpoint.silent_s >= ORDER_ENDS_S:
            over = over or self._is_order_over()
        self._ended_by_key = not over
        return over

    def _is_order_over(self) -> bool:
        words = in_words(self._words)
        is_too_soon = words in ANSWERS and self._endpoint.silent_s < ANSWER_ENDS_S
        return words in closed_orders() and not is_too_soon

    def new_words(self) -> str:
        """The words so far if they changed since the last call, else ""."""
        changed = self._words if self._words != self._told else ""
        self._told = self._words
        return changed

    def transcript(self) -> Transcript | None:
        """What was said, or None if it was not understood."""
        self._hear_before(keep_s=None)
        return self._recognizer.finish()

    def _hear_before(self, keep_s: float | None) -> None:
        """Give the recognizer what came before speech: its last `keep_s` seconds, or all."""
        if keep_s is not None:
            while sum(len(chunk.samples) for chunk in self._before) > keep_s * QUESTION_RATE_HZ:
                self._before.popleft()
        while self._before:
            self._recognizer.accept(self._before.popleft())
