"""The thread that looks and thinks: one job at a time, the newest one wins."""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from assistant.errors import AssistantError
from models.errors import ModelsError


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
                self._on_failed(
                    ticket, f"unexpected failure ({type(error).__name__}: {error}); ask again"
                )
            self._on_done(ticket)
