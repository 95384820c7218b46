"""Which states a line is printed for: those that the user would not otherwise know of.

Between a question and its answer "looking" and "thinking" are told only where the wait is long;
"ready" only where nothing else has shown that it is the user's turn. Programs, which read JSON, get
every state: they wait for the end of one.
"""

import time
from collections.abc import Callable

from assistant.session.events import Event, QuestionHeard, SettingsChanged, State, StateChanged

TOLD_AFTER_S = 2.0
"""An answer that comes within this time needs no word about the work behind it."""

WAITS = frozenset({State.LOOKING, State.THINKING})


class Announcer:
    """Holds states back until they are worth a line; used by one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._clock = clock
        self._held: StateChanged | None = None
        self._since_s: float | None = None
        self._last: Event | None = None

    def take(self, event: Event) -> Event | None:
        """The event if it is to be shown now, else None."""
        if isinstance(event, StateChanged):
            return self._state(event)
        if not isinstance(event, SettingsChanged) and not _is_partial(event):
            # Whatever is shown breaks the silence; what follows is another wait.
            self._held, self._last = None, event
            self._since_s = None if self._since_s is None else self._clock()
        return event

    def seconds_to_next(self) -> float | None:
        """Seconds until `due` has something, or None."""
        if self._held is None or self._since_s is None:
            return None
        return max(0.0, self._since_s + TOLD_AFTER_S - self._clock())

    def due(self) -> Event | None:
        """The state that was held back for too long to be left out, once."""
        if self._held is None or (self.seconds_to_next() or 0.0) > 0:
            return None
        held, self._held = self._held, None
        self._last = held
        return held

    def _state(self, event: StateChanged) -> Event | None:
        if event.state in WAITS:
            if self._since_s is None:
                self._since_s = self._clock()
            self._held = event
            return self.due()
        self._held, self._since_s = None, None
        was_paused = self._last == StateChanged(State.PAUSED)
        if event.state in (State.LISTENING, State.PAUSED):
            self._last = event
            return event
        if event.state is State.SPEAKING and not was_paused:
            # What is spoken stands there already, or can be heard.
            return None
        needs = isinstance(self._last, StateChanged | QuestionHeard)
        self._last = event if needs else self._last
        return event if needs else None


def _is_partial(event: Event) -> bool:
    return isinstance(event, QuestionHeard) and event.partial
