"""The job of answering: a frame that is good enough, then the pieces of the answer as they come."""

import contextlib
import queue
import time
from collections.abc import Callable, Iterator

from assistant.answers import Answer, Cancelled, Context, Detail, Piece
from assistant.errors import CameraError
from assistant.frames import Frame
from assistant.session import phrases
from assistant.session.answers_given import Answers
from assistant.session.events import State
from assistant.session.jobs import Jobs, Ticket, Work
from assistant.session.looking import MOST_KEPT_S, Beeps, Eyes, good_frame
from assistant.session.port import Port
from assistant.session.protocols import Answering
from assistant.session.state import Waiting
from assistant.speech.speaker import Earcon

MOST_QUESTION_S = 20.0
"""A frame taken when the talk key went down serves a question of this length."""

MOST_SPOKEN = 500
"""Sentences that were spoken and are not yet noted; of more, the latest count."""


class KeptQuestion:
    """A question that waits for a picture to be answered from."""

    def __init__(self) -> None:
        self._text, self._since_s = "", 0.0

    def __bool__(self) -> bool:
        return bool(self._text)

    def keep(self, question: str) -> None:
        """Keep a question; the one before is not wanted any more."""
        self._text, self._since_s = question, time.monotonic()

    def forget(self) -> None:
        """It is not wanted any more."""
        self._text = ""

    def taken(self, within_s: float = MOST_KEPT_S) -> str:
        """The question, which waits no more; "" without one that is at most so old."""
        question, self._text = self._text, ""
        return question if time.monotonic() - self._since_s <= within_s else ""


class AnswerJobs:
    """Owned by the session's thread; what runs in the worker's thread is named `work`."""

    def __init__(
        self,
        port: Port,
        jobs: Jobs,
        *,
        answerer: Answering,
        eyes: Eyes,
        answers: Answers,
        kept: KeptQuestion,
        waiting: Waiting,
        detail: Callable[[], Detail],
    ) -> None:
        """waiting: ends when an answer comes; detail: how much is said of one, now."""
        self._port, self._jobs, self._answerer = port, jobs, answerer
        self._eyes, self._answers, self._kept = eyes, answers, kept
        self._waiting, self._detail = waiting, detail
        # From the session's thread to the worker's, which alone may touch the answerer.
        self._spoken: queue.Queue[str] = queue.Queue(MOST_SPOKEN)

    def note_spoken(self, sentence: str) -> None:
        """A sentence of an answer began to sound: `continue` goes on there."""
        if self._spoken.full():
            with contextlib.suppress(queue.Empty):
                self._spoken.get_nowait()
        self._spoken.put_nowait(self._answers.printed(sentence))

    def begin(self, work: Work, *, endless: bool = False, brief: bool = False) -> Ticket:
        """Begin a job; before it, the answerer learns what was spoken of the last one."""

        def first_catch_up(ticket: Ticket) -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    self._answerer.heard(self._spoken.get_nowait())
            work(ticket)

        return self._jobs.begin(first_catch_up, endless=endless, brief=brief)

    def answer_with(
        self,
        pieces_of: Callable[[Frame, Cancelled], Iterator[Piece]],
        frame: Frame | None = None,
        *,
        waits: str = "",
        context: Context | None = None,
    ) -> None:
        """Answer from a frame, or from the newest one.

        waits:   a question that is kept until there is a frame that it can be answered from.
        context: what was said before it.
        """
        is_live = self._eyes.are_live
        is_old = frame is not None and time.monotonic() - frame.captured_at > MOST_QUESTION_S
        if is_old and is_live:
            frame = None

        take_frame = self._eyes.taker() if self._eyes.are_open else None

        def look(ticket: Ticket) -> Frame | None:
            def problem_of(each: Frame) -> Answer | None:
                return self._answerer.problem(each, waits, context or Context())

            if frame is not None and (not (waits and is_live) or not problem_of(frame)):
                return frame
            assert take_frame is not None
            first = take_frame()
            if not (waits and is_live):
                return first
            beeps = Beeps(
                lambda: self._jobs.post(ticket, self._beep),
                lambda each: self._answerer.nearness(each, waits),
            )
            found = good_frame(
                ticket, first, take_frame, problem_of,
                lambda cause: self._wait(ticket, cause), beeps.lead,
            )  # fmt: skip
            if found is not None and found is not first:
                self._jobs.post(ticket, self._found)
            return found

        def work(ticket: Ticket) -> None:
            try:
                looked_at = look(ticket)
            except CameraError as error:
                if not waits:
                    raise
                cause = str(error)
                self._jobs.post(ticket, lambda: self._keep_without_frame(waits, cause))
                return
            if looked_at is None:
                return
            self._jobs.post(ticket, lambda: self._thinks_about(looked_at))
            for piece in pieces_of(looked_at, lambda: ticket.cancelled):
                if ticket.cancelled:
                    return
                self.deliver(ticket, piece)

        self.begin(work)

    def _wait(self, ticket: Ticket, problem: Answer) -> None:
        """Say why the frames are no good; the user may go on with something else meanwhile."""

        def wait() -> None:
            jobs = self._jobs
            first, jobs.state = jobs.state is not State.IDLE, State.IDLE
            self._answers.say(problem, self._detail(), phrases.KEPT_QUESTION if first else "")

        self._jobs.post(ticket, wait)

    def _beep(self) -> None:
        """What is looked for is in view."""
        self._port.signal(Earcon.NEAR)

    def _found(self) -> None:
        """There is a good frame at last: what was said about the others is over."""
        self._port.signal(Earcon.FOUND)
        self._answers.start_over()

    def _thinks_about(self, frame: Frame) -> None:
        self._answers.seen = frame
        self._jobs.state = State.THINKING

    def deliver(self, ticket: Ticket, piece: Piece) -> None:
        def deliver() -> None:
            self._waiting.stop()
            self._jobs.has_answered = isinstance(piece, Answer)
            self._answers.deliver(piece, self._detail())

        self._jobs.post(ticket, deliver)

    def _keep_without_frame(self, question: str, cause: str) -> None:
        """Keep a question since no frame comes; the cause is said unless the user knows it."""
        self._kept.keep(question)
        known = self._eyes.is_lost
        self._port.fail(phrases.STILL_NO_PICTURE if known else f"{cause}; I keep your question")
