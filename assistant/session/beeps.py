"""Beeps that lead a hand: none while nothing is in view, the faster the nearer it comes."""

import time
from collections.abc import Callable

from assistant.frames import Frame

SLOWEST_S, FASTEST_S = 1.2, 0.15
"""From one beep to the next, at the farthest and at the nearest."""


class Beeps:
    """Used by one thread, which shows each frame it has looked at."""

    def __init__(
        self,
        beep: Callable[[], None],
        nearness_of: Callable[[Frame], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Say how to give one beep, and how to judge a frame.

        nearness_of: 0 to 1, or None where nothing is in view; clock: seconds.
        """
        self._beep = beep
        self._nearness_of = nearness_of
        self._clock = clock
        self._last_s: float | None = None

    def lead(self, frame: Frame) -> float | None:
        """Beep if one is due; return the seconds until the next is, or None for silence."""
        nearness = self._nearness_of(frame)
        if nearness is None:
            return None
        # By ratios, as pitch and pace are heard.
        every_s = float(SLOWEST_S * (FASTEST_S / SLOWEST_S) ** min(max(nearness, 0.0), 1.0))
        now_s = self._clock()
        if self._last_s is None or now_s - self._last_s >= every_s:
            self._last_s = now_s
            self._beep()
        return every_s - (now_s - self._last_s)
