"""The one job that a session has its worker do, and what it may still say."""

from collections.abc import Callable

from assistant.session.events import State
from assistant.session.worker import Ticket, Work, Worker

Message = Callable[[], None]


class Jobs:
    """Owned by the session's thread, but for `tell`, which the worker calls."""

    def __init__(self, post: Callable[[Message], None], fail: Callable[[str], None]) -> None:
        """post: hands a message to the session's thread; fail: tells an error, there."""
        self._post = post
        self._fail = fail
        self._worker = Worker(self._done, self._failed)
        self._ticket: Ticket | None = None
        self.state = State.LOOKING
        """What the running job does: LOOKING or THINKING; IDLE while it waits for a picture."""
        self.endless = False
        """True if the running job goes on until it is stopped: nobody waits for its end."""
        self.brief = False
        """True if the running job is over in a moment: it is no state worth telling."""
        self.has_looked = False
        """True once such a job has looked for the first time."""

    @property
    def running(self) -> bool:
        """True until the job has ended or was given up."""
        return self._ticket is not None

    def begin(self, work: Work, *, endless: bool = False, brief: bool = False) -> None:
        """Give a job to the worker; the one before is given up."""
        self.cancel()
        self._ticket = Ticket()
        self.state, self.has_looked = State.LOOKING, False
        self.endless, self.brief = endless, brief
        self._worker.submit(self._ticket, work)

    def cancel(self) -> None:
        """Give up the job; nothing more is heard of it."""
        if self._ticket is not None:
            self._ticket.cancel()
        self._ticket = None

    def tell(self, ticket: Ticket, message: Message) -> None:
        """Run a job's message in the session's thread, unless the job is given up by then."""

        def run() -> None:
            if ticket is self._ticket:
                message()

        self._post(run)

    def close(self) -> None:
        """End the worker, or leave it to the end of the program if it cannot be interrupted."""
        self._worker.close()

    def _done(self, ticket: Ticket) -> None:
        self.tell(ticket, self.cancel)

    def _failed(self, ticket: Ticket, text: str) -> None:
        self.tell(ticket, lambda: self._fail(text))
