"""What the loudspeaker is fed: one voice that can stop and pause, and signals over it."""

import queue
from collections.abc import Callable
from enum import Enum

import numpy as np
from numpy.typing import NDArray

MOST_ORDERS = 64
"""Orders that may wait for the next block of sound; a block is a few milliseconds."""


class _Playing:
    """One clip on its way to the ear."""

    def __init__(self, samples: NDArray[np.int16], when_over: Callable[[], None] | None) -> None:
        self._samples = samples.astype(np.float32)
        self._at = 0
        self._when_over = when_over

    def add_to(self, total: NDArray[np.float32]) -> bool:
        """Add the next (n,) samples; True when those were the last."""
        piece = self._samples[self._at : self._at + len(total)]
        total[: len(piece)] += piece
        self._at += len(piece)
        return self._at >= len(self._samples)

    def end(self) -> None:
        """Note that nothing more of this clip will sound."""
        if self._when_over is not None:
            self._when_over()


class _Order(Enum):
    SPEAK = 0
    SIGNAL = 1
    STOP = 2
    PAUSE = 3
    RESUME = 4


class Mixer:
    """Mixes on the sound card's thread; all others only put orders into its bounded queue.

    The sound card asks for a block every few milliseconds, so `fill` waits for nobody.
    """

    def __init__(self) -> None:
        self._orders: queue.Queue[tuple[_Order, _Playing | None]] = queue.Queue(MOST_ORDERS)
        self._speech: _Playing | None = None
        self._signals: list[_Playing] = []
        self._paused = False
        self.gain = 1.0
        self.blocks = 0
        """Blocks filled so far: a device that asks for no more is lost."""
        self.silence = 0
        """Samples of silence since the last sound: what the device holds may be dropped then."""

    def speak(
        self, samples: NDArray[np.int16], when_over: Callable[[], None] | None = None
    ) -> None:
        """Play one clip, in place of one that still plays.

        when_over: called on the sound card's thread, or on the one that stops the clip.
        """
        self._put(_Order.SPEAK, _Playing(samples, when_over))

    def signal(self, samples: NDArray[np.int16]) -> None:
        """Mix a signal into whatever sounds, also while speech is paused."""
        self._put(_Order.SIGNAL, _Playing(samples, None))

    def stop(self) -> None:
        """End the speech and all signals."""
        # What was ordered before is over with it; so a stop always finds room.
        self._drop_orders()
        self._put(_Order.STOP)

    def abandon(self) -> None:
        """End everything without the sound card's help, which must ask for no more blocks."""
        self._drop_orders()
        self._end_speech()
        self._signals, self._paused = [], False

    def pause(self) -> None:
        """Hold the speech where it is."""
        self._put(_Order.PAUSE)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._put(_Order.RESUME)

    @property
    def is_idle(self) -> bool:
        """True if nothing sounds and nothing waits."""
        return self._speech is None and not self._signals and self._orders.empty()

    def fill(self, out: NDArray[np.int16]) -> None:
        """Write the next (n,) samples."""
        self.blocks += 1
        self._take_orders()
        total = np.zeros(len(out), np.float32)
        speech = None if self._paused else self._speech
        sounds = speech is not None or bool(self._signals)
        # Before anything ends: whoever finds the mixer idle must not take the last sound for old.
        self.silence = 0 if sounds else self.silence + len(out)
        if speech is not None and speech.add_to(total):
            self._end_speech()
        self._signals = [signal for signal in self._signals if not signal.add_to(total)]
        out[:] = np.clip(total * self.gain, -32768, 32767).astype(np.int16)

    def _put(self, order: _Order, playing: _Playing | None = None) -> None:
        try:
            self._orders.put_nowait((order, playing))
        except queue.Full:
            # No block was asked for in a long time: the device is lost, and that is told elsewhere.
            self._drop_orders()
            if playing is not None:
                playing.end()

    def _drop_orders(self) -> None:
        while (waiting := self._next_order()) is not None:
            if waiting[1] is not None:
                waiting[1].end()

    def _next_order(self) -> tuple[_Order, _Playing | None] | None:
        try:
            return self._orders.get_nowait()
        except queue.Empty:
            return None

    def _take_orders(self) -> None:
        while (waiting := self._next_order()) is not None:
            order, playing = waiting
            if order is _Order.SPEAK:
                self._end_speech()
                self._speech, self._paused = playing, False
            elif playing is not None:
                self._signals.append(playing)
            elif order is _Order.STOP:
                self._end_speech()
                self._signals, self._paused = [], False
            else:
                self._paused = order is _Order.PAUSE

    def _end_speech(self) -> None:
        speech, self._speech = self._speech, None
        if speech is not None:
            speech.end()
