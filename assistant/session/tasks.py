"""What a session has its worker do: look, answer, read, check, watch, remember."""

import contextlib
import math
import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import AssistantError, CameraError
from assistant.frames import Frame, FrameSource
from assistant.memory.notes import Notes
from assistant.session import phrases
from assistant.session.answers_given import Answers
from assistant.session.beeps import Beeps
from assistant.session.events import ReadingMoved, State
from assistant.session.looking import LOOK_EVERY_S, MOST_KEPT_S, Eyes, good_frame
from assistant.session.orders import Action
from assistant.session.ports import Answering, Cancelled, Context, Notebook, Piece
from assistant.session.worker import Ticket, Work
from assistant.settings.paths import typed_path
from assistant.skills.grounding import Basis
from assistant.skills.text_answers import Answer
from assistant.speech.rendering import without_basis
from assistant.speech.speaker import Earcon
from models.pictures import load_picture

if TYPE_CHECKING:
    from assistant.session.session import Session

MOST_QUESTION_S = 20.0
"""A frame taken when the talk key went down serves a question of this length."""

MOST_SPOKEN = 500
"""Sentences that were spoken and are not yet noted; of more, the latest count."""

NAVIGATION = (
    Action.NEXT, Action.PREVIOUS, Action.CONTINUE, Action.SPELL, Action.FIND, Action.HEADING,
)  # fmt: skip


class Tasks:
    """Owned by the session's thread; what runs in the worker's thread is named `work`."""

    def __init__(self, session: "Session", answerer: Answering) -> None:
        self._session = session
        self._answerer = answerer
        self._eyes = Eyes()
        self.notes = Notes()
        # From the session's thread to the worker's, which alone may touch the answerer.
        self._spoken: queue.Queue[str] = queue.Queue(MOST_SPOKEN)
        self._ahead: Frame | None = None
        self._kept_question, self._kept_at_s = "", 0.0
        self.answers = Answers(session)

    def attach(self, frames: FrameSource | None, memory: Notebook | None) -> None:
        """Use a camera, or a memory, that is there from now on."""
        self._eyes.frames = frames or self._eyes.frames
        if memory is not None:
            self.notes.use(memory)

    def note_spoken(self, sentence: str) -> None:
        """A sentence of an answer began to sound: `continue` goes on there."""
        if self._spoken.full():
            with contextlib.suppress(queue.Empty):
                self._spoken.get_nowait()
        self._spoken.put_nowait(without_basis(sentence))

    def forget_question(self) -> None:
        """A question that waits for a picture is not wanted any more."""
        self._kept_question = ""

    def ask(self, question: str) -> None:
        """Answer a question about what is in view; without any picture, keep it."""
        if not self._eyes.are_open:
            self._keep(question)
            self._session.telling.fail(phrases.NO_PICTURE)
            return
        context = self._session.context
        self._new_question(question)
        ahead, self._ahead = self._ahead, None
        self._answer_with(
            lambda frame, cancelled: self._answerer.answer(frame, question, context, cancelled),
            ahead,
            waits=question,
            context=context,
        )

    def look_ahead(self) -> None:
        """Take the frame when the talk key goes down, and begin to read it."""
        self._ahead = None
        if not self._eyes.are_open:
            return

        take_frame = self._eyes.taker()

        def work(ticket: Ticket) -> None:
            # What fails now fails again, and is told, when the question has been heard.
            with contextlib.suppress(AssistantError):
                frame = take_frame()

                def keep() -> None:
                    self._ahead = frame

                self._session.jobs.tell(ticket, keep)
                self._answerer.prepare(frame, lambda: ticket.cancelled)

        self._begin(work)

    def follow(self, action: Action, argument: str) -> None:
        """Follow an order that needs a picture, an answer, or the memory."""
        simple: dict[Action, Callable[[], None]] = {
            Action.READ: self._read,
            Action.REPEAT: self.answers.repeat,
            Action.DOUBLE_CHECK: self._double_check,
            Action.KEEP_READING: self._watch,
        }
        if action in simple:
            simple[action]()
        elif action is Action.OPEN:
            self._open(argument)
        elif action in NAVIGATION:
            self._navigate(action, argument)
        elif action in Notes.ACTIONS:
            self._note(action, argument)

    def _new_question(self, question: str) -> None:
        self._kept_question = ""
        self.answers.begin(question)

    def _open(self, name: str) -> None:
        if name.lower() == "camera":
            self._eyes.picture = None
            told = phrases.NO_CAMERA
            if self._eyes.frames is not None:
                lost = self._session.telling.camera_lost
                told = phrases.CAMERA_AGAIN_LOST if lost else phrases.CAMERA_AGAIN
            self._session.telling.say(told)
            return
        path = typed_path(name)

        def work(ticket: Ticket) -> None:
            rgb = load_picture(path)
            frame = Frame(rgb, time.monotonic())
            self._session.jobs.tell(ticket, lambda: self._opened(path, frame))

        self._begin(work, brief=True)

    def _opened(self, path: Path, frame: Frame) -> None:
        self._eyes.picture = frame
        height, width = frame.rgb.shape[:2]
        self._session.telling.say(f"Opened {path.name}, {width} by {height} pixels.")
        self.answer_kept(math.inf)

    def answer_kept(self, within_s: float = MOST_KEPT_S) -> None:
        """There is a picture again: answer the question that waits for one, if it is that young."""
        question, self._kept_question = self._kept_question, ""
        if question and time.monotonic() - self._kept_at_s <= within_s:
            self.ask(question)

    def _keep(self, question: str) -> None:
        self._kept_question, self._kept_at_s = question, time.monotonic()

    def _keep_untold(self, question: str, cause: str) -> None:
        """Keep a question since no frame comes; the cause is told unless the user knows it."""
        self._keep(question)
        telling = self._session.telling
        known = telling.camera_lost
        telling.fail(phrases.STILL_NO_PICTURE if known else f"{cause}; I keep your question")

    def _read(self) -> None:
        if self._has_picture():
            self._new_question("read this")
            self._answer_with(self._answerer.read, waits="read this")

    def _double_check(self) -> None:
        question, context = self.answers.question, self._session.context
        if not question or context.frame is None:
            self._session.telling.fail(phrases.NOTHING_TO_CHECK)
            return
        self._answer_with(
            lambda frame, cancelled: self._answerer.double_check(
                frame, question, context, cancelled
            ),
            context.frame,
        )

    def _navigate(self, action: Action, argument: str) -> None:
        def work(ticket: Ticket) -> None:
            text, position = self._answerer.navigate(action.value, argument)

            def moved() -> None:
                self._session.telling.emit(ReadingMoved(text, position))
                self._session.voice.say_answer(text)

            self._session.jobs.tell(ticket, moved)

        self._begin(work, brief=True)

    def _watch(self) -> None:
        if not self._eyes.are_live:
            self._session.telling.fail(phrases.NO_CAMERA_TO_WATCH)
            return

        take_frame = self._eyes.taker()

        def looked() -> None:
            self._session.jobs.has_looked = True

        def work(ticket: Ticket) -> None:
            frame = take_frame()
            while not ticket.cancelled:
                text = self._answerer.new_text(frame, lambda: ticket.cancelled)
                if text:
                    self._deliver(ticket, Answer(text, Basis.READ))
                self._session.jobs.tell(ticket, looked)
                ticket.sleep(LOOK_EVERY_S)
                # A camera that is lost meanwhile says so itself, and may come back.
                with contextlib.suppress(CameraError):
                    frame = take_frame()

        self._session.telling.say(phrases.WATCHING)
        self._begin(work, endless=True)

    def _note(self, action: Action, argument: str) -> None:
        if not self._session.settings.history_enabled:
            self._session.telling.fail(phrases.NO_MEMORY)
            return
        kept, frame = self.answers.text, self.answers.seen
        look = self._eyes.taker() if self._eyes.are_open else None

        def work(ticket: Ticket) -> None:
            said = self.notes.follow(action, argument, kept, frame, look)
            self._session.jobs.tell(ticket, lambda: self._session.telling.say(said))

        self._begin(work, brief=True)

    def _has_picture(self) -> bool:
        if not self._eyes.are_open:
            self._session.telling.fail(phrases.NO_PICTURE_TO_READ)
        return self._eyes.are_open

    def _answer_with(
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
            def problem_of(each: Frame) -> str:
                return self._answerer.problem(each, waits, context or Context())

            if frame is not None and (not (waits and is_live) or not problem_of(frame)):
                return frame
            assert take_frame is not None
            first = take_frame()
            if not (waits and is_live):
                return first
            beeps = Beeps(
                lambda: self._session.jobs.tell(ticket, self._beep),
                lambda each: self._answerer.nearness(each, waits),
            )
            found = good_frame(
                ticket, first, take_frame, problem_of,
                lambda cause: self._wait(ticket, cause), beeps.lead,
            )  # fmt: skip
            if found is not None and found is not first:
                self._session.jobs.tell(ticket, self._found)
            return found

        def work(ticket: Ticket) -> None:
            try:
                looked_at = look(ticket)
            except CameraError as error:
                if not waits:
                    raise
                cause = str(error)
                self._session.jobs.tell(ticket, lambda: self._keep_untold(waits, cause))
                return
            if looked_at is None:
                return
            self._session.jobs.tell(ticket, lambda: self._thinks_about(looked_at))
            for piece in pieces_of(looked_at, lambda: ticket.cancelled):
                if ticket.cancelled:
                    return
                self._deliver(ticket, piece)

        self._begin(work)

    def _begin(self, work: Work, *, endless: bool = False, brief: bool = False) -> None:
        """Begin a job; before it, the answerer learns what was spoken of the last one."""

        def first_catch_up(ticket: Ticket) -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    self._answerer.heard(self._spoken.get_nowait())
            work(ticket)

        self._session.jobs.begin(first_catch_up, endless=endless, brief=brief)

    def _wait(self, ticket: Ticket, problem: str) -> None:
        """Tell why the frames are no good; the user may go on with something else meanwhile."""

        def wait() -> None:
            jobs = self._session.jobs
            first, jobs.state = jobs.state is not State.IDLE, State.IDLE
            said = f"{problem} {phrases.KEPT_QUESTION}" if first else problem
            self.answers.tell(Answer(said, Basis.UNKNOWN))

        self._session.jobs.tell(ticket, wait)

    def _beep(self) -> None:
        """What is looked for is in view."""
        self._session.voice.signal(Earcon.NEAR)

    def _found(self) -> None:
        """There is a good frame at last: what was said about the others is over."""
        self._session.voice.signal(Earcon.FOUND)
        self.answers.start_over()

    def _thinks_about(self, frame: Frame) -> None:
        self.answers.seen = frame
        self._session.jobs.state = State.THINKING

    def _deliver(self, ticket: Ticket, piece: Piece) -> None:
        def deliver() -> None:
            self._session.state.waiting.stop()
            self.answers.deliver(piece)

        self._session.jobs.tell(ticket, deliver)
