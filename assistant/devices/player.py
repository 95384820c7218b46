"""Sound to the loudspeaker: clips that stop at once, pause, and carry signals over them."""

import threading
import time
from collections.abc import Callable
from typing import Any

from assistant.audio import AudioClip
from assistant.devices.mixer import Mixer
from assistant.devices.portaudio import PortAudio, Stream
from assistant.devices.resampling import resampled
from assistant.errors import PlayerError

LATENCY_S = 0.06
"""Sound that the device holds beforehand: enough to play on while other programs compute.

What is heard after `stop` does not depend on it, because stopping throws it away.
"""

STALLED_AFTER_S = 2.2
"""A device that asks for no sound in this time is opened anew: some hang, and then play on. Shorter
waits are no sign: PulseAudio's sinks may ask in steps of two seconds (1.9 s were measured on a null
sink), and sleeping or wireless devices take as long to wake."""

LOST_AFTER_S = 2.0
"""One that asks for none in this time after it was opened anew is gone, whatever it says."""

LONGEST_STEP_S = 0.3
"""What one `check` counts at most. A check that comes later than this comes from a process that
was held up itself: it could not have filled a block, and says nothing about the device."""

SURELY_SILENT_S = 0.05
"""Silence beyond the device's own figure after which all that it holds is silence."""

OPEN_WHEN_IDLE_S = 4.0
"""An idle device is given back after this time: it costs current, and others may want it."""


class SoundDevicePlayer:
    """Plays clips on the default output device.

    Creating one is the check: it fails where there is no PortAudio library or no output device,
    so that a front end can say so once and go on in text.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Find the default output device.

        clock: seconds that only grow; tests give their own.

        Raises:
            PlayerError: no PortAudio library, or no output device.
        """
        self._library = PortAudio(PlayerError)
        self._library.default_device("output")
        self._clock = clock
        self._mixer = Mixer()
        self._stream: Stream | None = None
        self._rate_hz = 0
        # Only opening and closing hold it; what sounds is changed through the mixer's queue.
        self._lock = threading.RLock()
        self._blocks_seen, self._stalled_s = 0, 0.0
        self._checked_at = self._busy_at = clock()
        self._anew_at: float | None = None

    def play(self, clip: AudioClip) -> None:
        """Play one clip and return when it has been heard.

        Raises:
            PlayerError: the device was lost or refuses the sound.
        """
        over = threading.Event()
        self.start(clip, over.set)
        while not over.wait(LOST_AFTER_S / 4):
            self.check()
        time.sleep(self._held_s())

    def start(self, clip: AudioClip, when_over: Callable[[], None] | None = None) -> None:
        """Play one clip and return at once; a clip that still plays ends.

        when_over: called, on another thread, when the clip was played or stopped.

        Raises:
            PlayerError: the device was lost or refuses the sound.
        """
        self._give(lambda: self._mixer.speak(resampled(clip, self._rate_hz).samples, when_over))

    def signal(self, clip: AudioClip) -> None:
        """Play a short signal over whatever sounds.

        Raises:
            PlayerError: the device was lost or refuses the sound.
        """
        self._give(lambda: self._mixer.signal(resampled(clip, self._rate_hz).samples))

    def stop(self) -> None:
        """Silence the device at once; may be called from any thread."""
        if self._is_silent():
            return
        self._mixer.stop()
        # Whoever holds the lock opens or closes the device, which is silent then anyway.
        if self._lock.acquire(blocking=False):
            try:
                self._start_again()
            except PlayerError:
                self.close()
            finally:
                self._lock.release()

    def pause(self) -> None:
        """Hold the speech where it is."""
        self._mixer.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._mixer.resume()

    def set_volume(self, percent: int) -> None:
        """Set the loudness at once.

        Raises:
            PlayerError: outside 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise PlayerError(f"a volume of {percent} is not possible", "give 0 to 100")
        # Loudness is heard by ratios: equal steps of the square root sound about equal.
        self._mixer.gain = (percent / 100) ** 2

    def check(self) -> None:
        """Find out whether the device still plays, and give it back when it is idle.

        Call it every now and then.

        Raises:
            PlayerError: the device was lost.
        """
        with self._lock:
            if self._stream is None:
                return
            now = self._clock()
            self._stalled_s += min(now - self._checked_at, LONGEST_STEP_S)
            self._checked_at = now
            if self._mixer.blocks != self._blocks_seen:
                self._blocks_seen, self._stalled_s = self._mixer.blocks, 0.0
                # A device that hangs still takes the first blocks, until its buffer is full.
                if self._anew_at is not None and now - self._anew_at > LOST_AFTER_S:
                    self._anew_at = None
            if not self._mixer.is_idle:
                self._busy_at = now
            if not self._plays_on():
                self._open_anew()
            elif now - self._busy_at > OPEN_WHEN_IDLE_S:
                self.close()

    def find_again(self) -> None:
        """Look for a device after it was lost.

        Raises:
            PlayerError: there still is none.
        """
        with self._lock:
            self.close()
            self._library.refresh()
            self._open()

    def close(self) -> None:
        """Fall silent and give the device back; playing again opens it again."""
        with self._lock:
            stream, self._stream = self._stream, None
            if stream is not None:
                stream.close()
            # The clips that still play are over now: nobody will ask for their samples.
            self._mixer.abandon()
            self._anew_at = None

    def _plays_on(self) -> bool:
        if self._stream is None or not self._stream.is_active:
            return False
        return self._stalled_s <= (STALLED_AFTER_S if self._anew_at is None else LOST_AFTER_S)

    def _give(self, order: Callable[[], object]) -> None:
        with self._lock:
            self._busy_at = self._clock()
            if self._stream is None:
                self._open(order)
            elif not self._stream.is_active:
                self._open_anew(order)
            elif self._is_silent():
                # The device still holds silence given to it: drop that, begin with this.
                self._start_again(order)
            else:
                order()

    def _open(self, order: Callable[[], object] = lambda: None) -> None:
        """Open the device at its own rate; its first block already holds what is ordered."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        try:
            self._rate_hz = int(self._library.default_device("output")["default_samplerate"])
            order()
            self._stream = self._library.open_output(self._rate_hz, LATENCY_S, self._fill)
        except PlayerError:
            self._mixer.abandon()
            raise
        self._checked_at, self._stalled_s = self._clock(), 0.0

    def _open_anew(self, order: Callable[[], object] = lambda: None) -> None:
        """Open a device that hangs once more; what it was playing goes on where it was.

        Raises:
            PlayerError: it was opened anew before, or cannot be opened.
        """
        try:
            if self._anew_at is not None:
                raise PlayerError("no sound: the output device asks for none")
            self._anew_at = self._clock()
            self._open(order)
        except PlayerError as error:
            self.close()
            raise PlayerError(
                "no sound: the loudspeaker was lost", "plug it in again, or read the screen"
            ) from error

    def _start_again(self, order: Callable[[], object] = lambda: None) -> None:
        if self._stream is None:
            return
        try:
            self._stream.start_again(order)
        except PlayerError:
            self._open_anew()
        self._checked_at, self._stalled_s = self._clock(), 0.0

    def _is_silent(self) -> bool:
        """True if nothing sounds, also not what the device has been given before."""
        held = self._rate_hz * (self._held_s() + SURELY_SILENT_S)
        return self._mixer.is_idle and self._mixer.silence > held

    def _held_s(self) -> float:
        """How long what was given to the device still sounds."""
        stream = self._stream
        return 0.0 if stream is None else stream.latency_s

    def _fill(self, out: Any, frames: int, when: Any, status: Any) -> None:
        self._mixer.fill(out[:, 0])
