"""The state of a session, derived from what goes on and announced once, and its silences.

A silence is bridged by a sound by 2 s, by words at 10 s, then by words at most every 30 s.
"""

import contextlib
import queue
from collections.abc import Callable
from typing import Literal

from assistant.session.ear import Ear
from assistant.session.events import Event, State, StateChanged
from assistant.session.jobs import Jobs
from assistant.session.voice import Voice

EARCON_AFTER_S = 1.9
"""Under the promised 2 s by more than a thread takes to wake."""

WORDS_AFTER_S, WORDS_EVERY_S = 10.0, 30.0


class Waiting:
    """Says what is due while the user waits; knows nothing of sound or threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: seconds, never going back."""
        self._clock = clock
        self._began_s: float | None = None
        self._earcon_given = False
        self._next_words_s = WORDS_AFTER_S

    @property
    def running(self) -> bool:
        """True while the user waits."""
        return self._began_s is not None

    def start(self) -> None:
        """The user waits from now on."""
        self._began_s = self._clock()
        self._earcon_given = False
        self._next_words_s = WORDS_AFTER_S

    def stop(self) -> None:
        """The user hears or reads something again."""
        self._began_s = None

    def due(self) -> Literal["earcon", "words"] | None:
        """What must be given now; each only once."""
        if self._began_s is None:
            return None
        waited_s = self._clock() - self._began_s
        if waited_s >= self._next_words_s:
            self._earcon_given = True
            # A machine that slept does not catch up on what it left out.
            self._next_words_s = waited_s + WORDS_EVERY_S
            return "words"
        if waited_s >= EARCON_AFTER_S and not self._earcon_given:
            self._earcon_given = True
            return "earcon"
        return None

    def seconds_to_next(self) -> float | None:
        """Seconds until something is due, or None while nobody waits."""
        if self._began_s is None:
            return None
        waited_s = self._clock() - self._began_s
        due_s = self._next_words_s if self._earcon_given else EARCON_AFTER_S
        return max(0.0, due_s - waited_s)

    @property
    def waited_s(self) -> float:
        """Seconds the user has waited."""
        return 0.0 if self._began_s is None else self._clock() - self._began_s


class StateKeeper:
    """Owned by the session's thread."""

    def __init__(
        self,
        ear: Ear,
        voice: Voice,
        jobs: Jobs,
        waiting: Waiting,
        emit: Callable[[Event], None],
    ) -> None:
        """waiting: how long the user has heard nothing; emit: hands an event to the front end."""
        self._ear, self._voice, self._jobs, self._emit = ear, voice, jobs, emit
        self._waiting = waiting
        self.now = State.IDLE
        self._waiters: list[queue.Queue[None]] = []

    def settle(self) -> None:
        """Derive the state, and announce it if it is another one."""
        if self._ear.listening:
            state = State.LISTENING
        elif self._voice.paused and self._voice.has_speech:
            state = State.PAUSED
        elif self._voice.speaking:
            state = State.SPEAKING
        elif self._jobs.running and not self._jobs.brief:
            state = self._jobs.state
        else:
            state = State.IDLE
        waits = state in (State.LOOKING, State.THINKING) and not self._jobs.endless
        waits = waits and not self._jobs.has_answered
        waits = waits or (state is State.IDLE and self._is_busy)
        if waits and not self._waiting.running:
            self._waiting.start()
        elif not waits:
            self._waiting.stop()
        if state is not self.now:
            self.now = state
            self._emit(StateChanged(state))

    @property
    def _is_busy(self) -> bool:
        """True while a job runs that is too brief to be announced."""
        return self._jobs.running and self._jobs.brief

    def when_at_rest(self, reply: "queue.Queue[None]") -> None:
        """Put None into a queue as soon as nobody waits for anything."""
        self._waiters.append(reply)

    def release(self) -> None:
        """Tell those who wait for rest, if it has come; no message may be on its way."""
        watches = self.now is State.LOOKING and self._jobs.has_looked
        if (self.now is State.IDLE and not self._is_busy) or watches:
            for waiter in self._waiters:
                with contextlib.suppress(queue.Full):
                    waiter.put_nowait(None)
            self._waiters.clear()
