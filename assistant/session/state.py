"""The state of a session, derived from what goes on, and announced once."""

import contextlib
import queue
from collections.abc import Callable

from assistant.session.ear import Ear
from assistant.session.events import Event, State, StateChanged
from assistant.session.jobs import Jobs
from assistant.session.voice import Voice
from assistant.session.waiting import Waiting


class StateKeeper:
    """Owned by the session's thread."""

    def __init__(
        self,
        ear: Ear,
        voice: Voice,
        jobs: Jobs,
        emit: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        """emit: hands an event to the front end; clock: seconds."""
        self._ear, self._voice, self._jobs, self._emit = ear, voice, jobs, emit
        self.now = State.IDLE
        self._waiters: list[queue.Queue[None]] = []
        self.waiting = Waiting(clock)
        """How long the user has heard nothing."""

    def settle(self) -> None:
        """Derive the state, and announce it if it is another one."""
        if self._ear.listening:
            state = State.LISTENING
        elif self._voice.speaking:
            state = State.SPEAKING
        elif self._jobs.running and not self._jobs.brief:
            state = self._jobs.state
        else:
            state = State.IDLE
        waits = state in (State.LOOKING, State.THINKING) and not self._jobs.endless
        waits = waits or (state is State.IDLE and self._is_busy)
        if waits and not self.waiting.running:
            self.waiting.start()
        elif not waits:
            self.waiting.stop()
        if state is not self.now:
            self.now = state
            self._emit(StateChanged(state))

    @property
    def _is_busy(self) -> bool:
        """True while a job runs that is too brief to be told of."""
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
