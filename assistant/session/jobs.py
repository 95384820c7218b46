"""The thread that looks and thinks: one job at a time, the newest one wins.

What a job says is a message for the session's thread. It is not heard once the job is given up.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from assistant.errors import AssistantError
from assistant.session.events import State
from models.errors import ModelsError
from models.system_errors import OUT_OF_MEMORY, is_out_of_memory

Message = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Ticket:
    """Belongs to one job; what a cancelled job still says is not heard."""

    _cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def cancelled(self) -> bool:
        """True once the user wants something else."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Let the job end at its next step."""
        self._cancelled.set()

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than until the job is cancelled."""
        self._cancelled.wait(seconds)


Work = Callable[[Ticket], None]


class Worker:
    """Runs jobs in a thread of its own; only one thread may submit them."""

    def __init__(
        self, on_done: Callable[[Ticket], None], on_failed: Callable[[Ticket, str], None]
    ) -> None:
        """on_done, on_failed: called in the worker's thread; a failure has one sentence."""
        self._on_done = on_done
        self._on_failed = on_failed
        self._jobs: queue.Queue[tuple[Ticket, Work] | None] = queue.Queue(maxsize=1)
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def submit(self, ticket: Ticket, work: Work) -> None:
        """Run a job after the present one; a job that still waits is dropped."""
        self._replace((ticket, work))

    def close(self, timeout_s: float = 1.0) -> None:
        """End the thread after its present job; give up waiting for it after a time.

        A model cannot be interrupted; the thread is a daemon and ends with the program.
        """
        self._replace(None)
        self._thread.join(timeout_s)

    def _replace(self, job: tuple[Ticket, Work] | None) -> None:
        with contextlib.suppress(queue.Empty):
            self._jobs.get_nowait()
        self._jobs.put(job)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            ticket, work = job
            if ticket.cancelled:
                continue
            try:
                work(ticket)
            except (AssistantError, ModelsError) as error:
                self._on_failed(ticket, str(error))
            except Exception as error:
                # The last line of defence: the session goes on, and a developer gets the trace.
                logging.getLogger(__name__).info("unexpected failure", exc_info=True)
                said = f"unexpected failure ({type(error).__name__}: {error}); ask again"
                self._on_failed(ticket, OUT_OF_MEMORY if is_out_of_memory(error) else said)
            self._on_done(ticket)


class Jobs:
    """The one job that a session has its worker do. Owned by the session's thread, but for `post`,
    which the worker calls.
    """

    def __init__(self, post: Callable[[Message], None], fail: Callable[[str], None]) -> None:
        """post: hands a message to the session's thread; fail: says an error, there."""
        self._post = post
        self._fail = fail
        self._worker = Worker(self._done, self._failed)
        self._ticket: Ticket | None = None
        self.state = State.LOOKING
        """What the running job does: LOOKING or THINKING; IDLE while it waits for a picture."""
        self.endless = False
        """True if the running job goes on until it is stopped: nobody waits for its end."""
        self.brief = False
        """True if the running job is over in a moment: it is no state worth announcing."""
        self.has_looked = False
        """True once such a job has looked for the first time."""
        self.has_answered = False
        """True once the running job gave an answer: what it may add is not waited for."""

    @property
    def running(self) -> bool:
        """True until the job has ended or was given up."""
        return self._ticket is not None

    def is_running(self, ticket: Ticket | None) -> bool:
        """True until the job of a ticket has ended or was given up."""
        return ticket is not None and ticket is self._ticket

    def begin(self, work: Work, *, endless: bool = False, brief: bool = False) -> Ticket:
        """Give a job to the worker and return its ticket; the one before is given up."""
        self.cancel()
        self._ticket = ticket = Ticket()
        self.state, self.has_looked, self.has_answered = State.LOOKING, False, False
        self.endless, self.brief = endless, brief
        self._worker.submit(ticket, work)
        return ticket

    def cancel(self) -> None:
        """Give up the job; nothing more is heard of it."""
        if self._ticket is not None:
            self._ticket.cancel()
        self._ticket = None

    def post(self, ticket: Ticket, message: Message) -> None:
        """Run a job's message in the session's thread, unless the job is given up by then."""

        def run() -> None:
            if ticket is self._ticket:
                message()

        self._post(run)

    def close(self) -> None:
        """End the worker, or leave it to the end of the program if it cannot be interrupted."""
        self._worker.close()

    def _done(self, ticket: Ticket) -> None:
        self.post(ticket, self.cancel)

    def _failed(self, ticket: Ticket, text: str) -> None:
        self.post(ticket, lambda: self._fail(text))
