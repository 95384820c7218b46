"""A listener that is there from the start, while what really listens is still being loaded."""

import threading
from collections.abc import Callable

from assistant.hearing.listener import HeardCallback, Listener


class LateListener:
    """A `Listener` that hears once it is told how; the talk key may come before.

    Where there is no microphone at start, what listens is made at the first talk key: one may be
    plugged in later.
    """

    def __init__(self) -> None:
        self.on_heard: HeardCallback | None = None
        self._make: Callable[[], Listener] | None = None
        self._made: Listener | None = None
        self._started = self._finished = self._closed = False
        self._lock = threading.Lock()

    def ready(self, make: Callable[[], Listener], *, at_once: bool) -> None:
        """Listen with this from now on, first to a question that was begun already.

        make: makes the real one; it must return at once.
        at_once: make it now, so that the first question is heard without delay.
        """
        with self._lock:
            self._make = make
            if self._closed or not (at_once or self._started):
                return
            made = self._real(make)
            if self._started:
                made.start()
            if self._finished:
                made.finish()

    def start(self) -> None:
        """Begin to listen."""
        with self._lock:
            self._started, self._finished = True, False
            if self._make is not None:
                self._real(self._make).start()

    def listen_for_stop(self) -> None:
        """Begin to listen for a stop, if there has been a question before."""
        with self._lock:
            if self._made is not None:
                self._made.listen_for_stop()

    def finish(self) -> None:
        """End the question now."""
        with self._lock:
            self._finished = True
            if self._made is not None:
                self._made.finish()

    def cancel(self) -> None:
        """Stop listening."""
        with self._lock:
            self._started = self._finished = False
            if self._made is not None:
                self._made.cancel()

    def close(self) -> None:
        """Give up what was made."""
        with self._lock:
            self._closed = True
            made = self._made
        if made is not None:
            made.close()

    def _real(self, make: Callable[[], Listener]) -> Listener:
        """What really listens; under the lock."""
        if self._made is None:
            self._made = make()
            self._made.on_heard = self.on_heard
        return self._made
