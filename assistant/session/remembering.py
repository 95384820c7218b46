"""Orders and questions about what was saved: told from the memory, deleted only after a yes."""

from collections.abc import Callable

from assistant.frames import Frame
from assistant.session import phrases
from assistant.session.answering import AnswerJobs
from assistant.session.answers_given import Answers
from assistant.session.jobs import Jobs, Ticket
from assistant.session.looking import Eyes
from assistant.session.notes import ByName, Deletion, Notes
from assistant.session.orders import Action
from assistant.session.port import Port
from assistant.session.protocols import Answering
from assistant.settings.settings import Settings


class Remembering:
    """Owned by the session's thread; what runs in the worker's thread is named `work`."""

    def __init__(
        self,
        port: Port,
        jobs: Jobs,
        answering: AnswerJobs,
        *,
        answerer: Answering,
        eyes: Eyes,
        answers: Answers,
        notes: Notes,
        settings: Callable[[], Settings],
    ) -> None:
        """settings: gives them as they are now."""
        self._port, self._jobs, self._answering = port, jobs, answering
        self._answerer, self._eyes, self._answers = answerer, eyes, answers
        self._notes, self._settings = notes, settings
        self._deletion: Deletion | None = None
        self._in_notes, self._told = False, ""

    def follow(self, action: Action, argument: str) -> None:
        """Follow one of `Notes.ACTIONS`."""
        if not self._settings().history_enabled:
            self._port.fail(phrases.NO_MEMORY)
            return
        self._in_notes = True
        kept, frame = self._answers.text, self._answers.seen or self._eyes.picture
        look = self._eyes.taker() if self._eyes.are_open else None

        def work(ticket: Ticket) -> None:
            def shown() -> tuple[str, Frame | None]:
                seen = look() if frame is None and look is not None else frame
                text = "" if seen is None else self._answerer.whole_text(seen, cancelled)
                return text or kept, seen

            def cancelled() -> bool:
                return ticket.cancelled

            told = self._notes.follow(action, argument, shown, look)
            if isinstance(told, str):
                self._jobs.post(ticket, lambda: self._tell(told))
            else:
                self._jobs.post(ticket, lambda: self._ask_before(told))

        self._answering.begin(work, brief=True)

    def leave(self) -> None:
        """What is said next is not about the memory any more."""
        self._in_notes = False

    @property
    def last_told(self) -> str:
        """What was told of the memory, if nothing else was said since; or ""."""
        return self._told if self._in_notes else ""

    @property
    def finds(self) -> bool:
        """True where a word is to be found in what was saved, and not in a picture's text."""
        return self._settings().history_enabled and (self._in_notes or not self._eyes.are_open)

    def _ask_before(self, deletion: Deletion) -> None:
        self._deletion = deletion
        self._port.ask(deletion.question)

    @property
    def asks_to_delete(self) -> bool:
        """True while the user was asked whether something shall be deleted."""
        return self._deletion is not None

    def keep_all(self) -> None:
        """Nothing is deleted."""
        self._deletion = None

    def delete(self) -> None:
        """Delete what the user was asked about."""
        deletion, self._deletion = self._deletion, None
        if deletion is None:
            return

        def work(ticket: Ticket) -> None:
            deletion.delete()
            self._jobs.post(ticket, lambda: self._tell(deletion.done))

        self._answering.begin(work, brief=True)

    def look(self, asked: ByName, otherwise: Callable[[], None]) -> None:
        """Tell of a saved thing of this name; without one, do something else."""
        search = self.finds

        def work(ticket: Ticket) -> None:
            told = self._notes.by_name(asked, search=search)

            def tell() -> None:
                if told:
                    self._tell(told)
                else:
                    otherwise()

            self._jobs.post(ticket, tell)

        self._answering.begin(work, brief=True)

    def _tell(self, text: str) -> None:
        """Say something about what was saved, and keep it for `repeat`."""
        self._in_notes, self._told = True, text
        self._port.say(text)
