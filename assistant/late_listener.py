"""A listener that is made at the first talk key, where it would be loaded for nothing before."""

from collections.abc import Callable

from assistant.listening import HeardCallback, Listener


class LateListener:
    """A `Listener` for a machine without a microphone at start: one may be plugged in later."""

    def __init__(self, make: Callable[[], Listener]) -> None:
        """make: what makes the real one; it must return at once."""
        self.on_heard: HeardCallback | None = None
        self._make = make
        self._made: Listener | None = None

    def start(self) -> None:
        """Begin to listen."""
        if self._made is None:
            self._made = self._make()
            self._made.on_heard = self.on_heard
        self._made.start()

    def listen_for_stop(self) -> None:
        """Begin to listen for a stop, if there has been a question before."""
        if self._made is not None:
            self._made.listen_for_stop()

    def finish(self) -> None:
        """End the question now."""
        if self._made is not None:
            self._made.finish()

    def cancel(self) -> None:
        """Stop listening."""
        if self._made is not None:
            self._made.cancel()

    def close(self) -> None:
        """Give up what was made."""
        if self._made is not None:
            self._made.close()
