"""Sound from the microphone, at 16 kHz whatever the device's own rate is."""

import contextlib
import queue
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.audio import QUESTION_RATE_HZ
from assistant.devices.portaudio import PortAudio, Stream
from assistant.devices.resampling import ResamplingStream
from assistant.errors import MicrophoneError
from assistant.hearing.recognizer import AudioChunk

BLOCK_S = 0.032
"""Length of one block of sound: what the voice activity detector takes at once."""

MOST_WAITING_S = 20.0
"""Sound that may wait while a recognizer computes; beyond that the oldest is dropped."""

AWAKE_AFTER_S, LOST_AFTER_S = 3.0, 1.0
"""A device that gives no sound in this time is gone, whatever else it says.

The first is for its first block: a device that slept, or one over Bluetooth, needs a moment.
"""

HELD_UP_S = 0.3
"""A wait that takes so much longer than was asked for comes from a process that was held up: sound
could not come in either, and says nothing about the device."""


class SoundDeviceMicrophone:
    """The default input device; it is open only while a question is heard.

    Making one is cheap and never fails: the device is looked for at `open`, so one that was
    plugged in meanwhile is found.
    """

    def __init__(self) -> None:
        self._stream: Stream | None = None
        self._awake = False
        self._blocks: queue.Queue[tuple[NDArray[np.int16], float]] = queue.Queue(1)
        self._resampling = ResamplingStream(QUESTION_RATE_HZ, QUESTION_RATE_HZ)

    def open(self) -> None:
        """Begin to capture.

        Raises:
            MicrophoneError: no PortAudio library, no microphone, or it cannot be opened.
        """
        self.close()
        library = PortAudio(MicrophoneError)
        try:
            self._open(library)
        except MicrophoneError:
            # PortAudio lists devices once: this one may have been plugged in since.
            if not library.refresh():
                raise
            self._open(library)

    def read(self) -> AudioChunk:
        """Wait for the next block.

        Raises:
            MicrophoneError: no sound came any more.
        """
        samples, captured_at = self._next_block()
        self._awake = True
        return AudioChunk(self._resampling.accept(samples), captured_at)

    def close(self) -> None:
        """Stop capturing and give the device back."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _next_block(self) -> tuple[NDArray[np.int16], float]:
        limit_s = LOST_AFTER_S if self._awake else AWAKE_AFTER_S
        waited_s = limit_s + HELD_UP_S
        while waited_s >= limit_s + HELD_UP_S:
            began = time.monotonic()
            with contextlib.suppress(queue.Empty):
                return self._blocks.get(timeout=limit_s)
            waited_s = time.monotonic() - began
        self.close()
        raise MicrophoneError(
            "the microphone gives no sound any more", "plug it in again, or type the question"
        )

    def _open(self, library: PortAudio) -> None:
        device = library.default_device("input")
        rate_hz = int(device["default_samplerate"])
        block = round(rate_hz * BLOCK_S)
        blocks: queue.Queue[tuple[NDArray[np.int16], float]] = queue.Queue(
            int(MOST_WAITING_S / BLOCK_S)
        )

        def take(samples: NDArray[np.int16], frames: int, when: Any, status: Any) -> None:
            # One channel of several: a mean would weaken a voice that only one microphone has.
            block = (samples[:, 0].copy(), time.monotonic())
            try:
                blocks.put_nowait(block)
            except queue.Full:
                with contextlib.suppress(queue.Empty, queue.Full):
                    blocks.get_nowait()
                    blocks.put_nowait(block)

        self._awake = False
        self._stream = library.open_input(rate_hz, 1, block, take)
        self._blocks = blocks
        self._resampling = ResamplingStream(rate_hz, QUESTION_RATE_HZ)
