"""Stand-ins for the loudspeaker, the speech engine, the microphone and the recognizer."""

import threading
import time
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from assistant.audio import AudioClip
from assistant.errors import MicrophoneError, PlayerError, SynthesizerError
from assistant.hearing.recognizer import AudioChunk, Transcript


def wait_until(true: Callable[[], object], timeout_s: float = 5.0) -> None:
    """Wait for another thread, and fail if it does not come to it."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


class FakePlayer:
    """Keeps what it is told; a clip plays until the test lets it end."""

    def __init__(self) -> None:
        self.said: list[int] = []
        self.signals = 0
        self.stops = 0
        self.paused = False
        self.volume = 100
        self.lost = False
        self.closed = False
        self.finish_at_once = False
        self._when_over: Callable[[], None] | None = None

    def start(self, clip: AudioClip, when_over: Callable[[], None] | None = None) -> None:
        self.check()
        self.finish()
        self.said.append(len(clip.samples))
        self._when_over = when_over
        if self.finish_at_once:
            self.finish()

    def play(self, clip: AudioClip) -> None:
        """Play a clip to its end."""
        self.start(clip)
        self.finish()

    def finish(self) -> None:
        """Let the clip that plays come to its end."""
        when_over, self._when_over = self._when_over, None
        if when_over is not None:
            when_over()

    def signal(self, clip: AudioClip) -> None:
        self.check()
        self.signals += 1

    def stop(self) -> None:
        self.stops += 1
        self.paused = False
        self.finish()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def set_volume(self, percent: int) -> None:
        self.volume = percent

    def check(self) -> None:
        if self.lost:
            raise PlayerError("no sound: the loudspeaker was lost; plug it in again")

    def find_again(self) -> None:
        self.check()

    def close(self) -> None:
        self.closed = True


class FakeVoice:
    """A sentence's sound is as long as its text; sentences can fail, or take time."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.failures = 0
        self.voices: tuple[str | None, ...] = (None, "aunt")
        self.rate_wpm = 175
        self.name: str | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = False

    def start(self) -> None:
        pass

    def synthesize(self, text: str) -> AudioClip:
        self.waiting = True
        assert self.gate.wait(5)
        self.waiting = False
        if self.name not in self.voices:
            raise SynthesizerError(f"no voice '{self.name}' here")
        if self.failures:
            self.failures -= 1
            raise SynthesizerError("no speech engine; install eSpeak NG")
        self.made.append(text)
        return AudioClip(np.ones(len(text), np.int16), 16000)

    def set_rate(self, wpm: int) -> None:
        self.rate_wpm = wpm

    def set_voice(self, name: str | None) -> None:
        self.name = name

    def close(self) -> None:
        pass


class FakeMicrophone:
    """Gives blocks of 32 ms: loud ones for speech, quiet ones for none, then the device is lost."""

    def __init__(self, blocks: Iterable[int] = ()) -> None:
        self.levels = list(blocks)
        self.opened = self.closed = 0
        self.missing = False
        self.endless = False
        self.at = 0

    def open(self) -> None:
        if self.missing:
            raise MicrophoneError("no microphone was found; plug one in")
        self.opened += 1
        self.at = 0

    def read(self) -> AudioChunk:
        if self.at >= len(self.levels):
            if not self.endless:
                raise MicrophoneError("the microphone gives no sound any more")
            time.sleep(0.001)
            return AudioChunk(np.ones(512, np.int16), time.monotonic())
        level = self.levels[self.at]
        self.at += 1
        return AudioChunk(np.full(512, level, np.int16), self.at * 0.032)

    def close(self) -> None:
        self.closed += 1


class FakeActivity:
    """Loud is speech."""

    def probability(self, samples: Any) -> float:
        return float(np.abs(samples).max() > 1000)

    def reset(self) -> None:
        pass


QUESTION_LEVEL, STOP_LEVEL = 2000, 4000
"""How loud a question and a stop are, so that the recognizer can tell them apart."""


class FakeRecognizer:
    """Says one word per 1000 of the level it hears."""

    name = "fake"

    def __init__(self, understood: bool = True) -> None:
        self.understood = understood
        self.levels: list[int] = []
        self.given_up = threading.Event()
        self.slow = self.finishing = self.stop_only = False
        self.words: str | None = None
        self.begun = 0

    def recognize(self, clip: AudioClip) -> Transcript | None:
        raise NotImplementedError

    def begin(self, *, stop_only: bool = False) -> None:
        self.begun += 1
        self.stop_only = stop_only
        self.levels = []
        self.given_up.clear()

    def accept(self, chunk: AudioChunk) -> str:
        self.levels.append(int(chunk.samples[0]))
        if self.words is not None:
            return self.words
        return "word " * len({level for level in self.levels if level > 1000})

    def cancel(self) -> None:
        self.given_up.set()

    def finish(self) -> Transcript | None:
        self.finishing = True
        if self.slow:
            assert self.given_up.wait(5), "nobody gave the question up"
            return None
        if self.stop_only:
            # As the others do: only what is none of the questions' levels is a stop.
            stop = STOP_LEVEL in self.levels and QUESTION_LEVEL not in self.levels
            return Transcript("stop", 0.9, self.name, is_command=True) if stop else None
        return Transcript("what is the total", 0.9, self.name) if self.understood else None

    def close(self) -> None:
        pass


class FakePortAudioError(Exception):
    """Stands for sounddevice.PortAudioError."""


class FakeCallbackAbort(Exception):  # noqa: N818
    """Stands for sounddevice.CallbackAbort."""


class FakeStream:
    """A stream that runs only when the test turns it."""

    def __init__(self, card: "FakeSoundDevice", **form: Any) -> None:
        if card.broken:
            raise FakePortAudioError("unplugged")
        self.card, self.form = card, form
        self.active, self.closed, self.aborts, self.ends = False, False, 0, 0
        self.latency = 0.0
        card.streams.append(self)

    def start(self) -> None:
        if self.card.broken:
            raise FakePortAudioError("unplugged")
        self.active = True

    def abort(self) -> None:
        self.active = False
        self.aborts += 1

    def close(self) -> None:
        self.closed = True

    def turn(self, samples: int = 480) -> Any:
        """Ask for the next samples, as the sound card does."""
        out = np.full((samples, 1), 99, np.int16)
        try:
            self.form["callback"](out, samples, None, None)
        except FakeCallbackAbort:
            self.active, self.ends = False, self.ends + 1
        return out[:, 0]


class FakeSoundDevice(types.ModuleType):
    """The module sounddevice: a sound card of 48 kHz."""

    PortAudioError = FakePortAudioError
    CallbackAbort = FakeCallbackAbort

    def __init__(self, *, device: bool = True) -> None:
        super().__init__("sounddevice")
        self.device, self.broken = device, False
        self.rate_hz = 48000.0
        self.streams: list[FakeStream] = []
        self.restarts = 0

    def query_devices(self, kind: str) -> dict[str, float]:
        if not self.device:
            raise FakePortAudioError("no default device")
        return {"default_samplerate": self.rate_hz}

    def OutputStream(self, **form: Any) -> FakeStream:  # noqa: N802
        return FakeStream(self, **form)

    def InputStream(self, **form: Any) -> FakeStream:  # noqa: N802
        return FakeStream(self, **form)

    def _terminate(self) -> None:
        self.restarts += 1

    def _initialize(self) -> None:
        pass
