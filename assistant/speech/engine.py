"""A speech engine that may fail: one sentence ahead, tried twice, and reported once."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from assistant.answers import Said
from assistant.audio import AudioClip
from assistant.errors import SynthesizerError
from assistant.speech.speaker import SpeechEvent, SpeechEventKind

ASK_AGAIN_S = 10.0
"""Pause before an engine that failed twice is asked again; each try starts a process."""


class Synthesizer(Protocol):
    """What makes sound of a sentence; see `assistant.devices.synthesizer`."""

    def start(self) -> None:
        """Begin to start the engine, without waiting for it."""
        ...

    def synthesize(self, text: str, said: Sequence[Said] = ()) -> AudioClip:
        """Return the sound of one sentence, or raise SynthesizerError; said: its parts, if any."""
        ...

    def set_rate(self, wpm: int) -> None:
        """Set the speed of the next sentences in words per minute."""
        ...

    def set_voice(self, name: str | None) -> None:
        """Set the voice of the next sentences."""
        ...

    def close(self) -> None:
        """End the engine."""
        ...


class SpeechEngine:
    """Never raises while it speaks: a sentence that cannot be made is None, and reported.

    One thread asks for clips; any thread may set the speed and the voice.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        report: Callable[[SpeechEvent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use a synthesizer.

        report: gets FAILED when the engine fails, once until it has worked again.
        """
        self._synthesizer = synthesizer
        self._report = report
        self._clock = clock
        self._name: str | None = None
        self._good_name: str | None = None
        self._reported = False
        self._ask_at_s = clock()
        # Counts settings, so that a sentence made ahead with older ones is not used.
        self._settings = 0
        self._ahead: tuple[str, Sequence[Said], int, AudioClip] | None = None

    def start(self) -> None:
        """Let the engine start, so that the first sentence comes sooner."""
        # What fails now fails again, and is reported, when there is something to say.
        with contextlib.suppress(SynthesizerError):
            self._synthesizer.start()

    def set_rate(self, wpm: int) -> None:
        """Set the speed of the next sentences in words per minute."""
        self._synthesizer.set_rate(wpm)
        self._settings += 1

    def set_voice(self, name: str | None) -> None:
        """Set the voice of the next sentences; a missing one is reported, and the former kept."""
        self._name = name
        self._synthesizer.set_voice(name)
        self._settings += 1

    def prepare(self, text: str, said: Sequence[Said] = ()) -> None:
        """Make the next sentence's sound while another one plays."""
        if self._ahead is None or self._ahead[:3] != (text, said, self._settings):
            settings = self._settings
            clip = self.clip(text, said)
            self._ahead = None if clip is None else (text, said, settings, clip)

    def clip(self, text: str, said: Sequence[Said] = ()) -> AudioClip | None:
        """The sound of a sentence, or None if it cannot be made now; said: its parts, if any."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[:3] == (text, said, self._settings):
            return ahead[3]
        if self._clock() < self._ask_at_s:
            return None
        for last in (False, True):
            name = self._name
            try:
                clip = (
                    self._synthesizer.synthesize(text, said)
                    if said
                    else self._synthesizer.synthesize(text)
                )
            except SynthesizerError as error:
                self._recover(error, name, last)
            else:
                self._good_name, self._reported = name, False
                return clip
        return None

    def close(self) -> None:
        """End the engine."""
        self._synthesizer.close()

    def _recover(self, error: SynthesizerError, name: str | None, last: bool) -> None:
        """After a failure: go back to the voice that worked, or let the engine start anew."""
        if name != self._good_name:
            self._report(SpeechEvent(SpeechEventKind.FAILED, str(error)))
            self.set_voice(self._good_name)
        elif last:
            self._ask_at_s = self._clock() + ASK_AGAIN_S
            if not self._reported:
                self._reported = True
                self._report(SpeechEvent(SpeechEventKind.FAILED, str(error)))
