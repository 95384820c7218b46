"""What a session has its worker do: look, answer, read, check, watch, remember."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from assistant import phrases
from assistant.answering.grounding import Basis
from assistant.answering.text_answers import Answer
from assistant.errors import AssistantError, CameraError, UsageError
from assistant.events import AnswerGiven, ReadingMoved, State
from assistant.frames import Frame, FrameSource
from assistant.notes import Notes
from assistant.orders import Action
from assistant.ports import Answering, Context, Notebook, Piece
from assistant.worker import Ticket
from models.pictures import load_picture

if TYPE_CHECKING:
    from assistant.session import Session

MOST_AGE_S = 2.0
"""An older frame is not what is in front of the camera now."""

MOST_QUESTION_S = 20.0
"""A frame taken when the talk key went down serves a question of this length."""

MOST_KEPT_S = 60.0
"""A camera that comes back later than this does not answer what was asked long before."""

WATCH_EVERY_S = 0.3
"""Pause between two frames of live text; recognition takes longer than this."""

NAVIGATION = (
    Action.NEXT, Action.PREVIOUS, Action.CONTINUE, Action.SPELL, Action.FIND, Action.HEADING,
)  # fmt: skip


class Tasks:
    """Owned by the session's thread; what runs in the worker's thread is named `work`."""

    def __init__(self, session: "Session", answerer: Answering) -> None:
        self._session = session
        self._answerer = answerer
        self._frames: FrameSource | None = None
        self._notes = Notes(None)
        self._picture: Frame | None = None
        self._ahead: Frame | None = None
        self._seen: Frame | None = None
        self._question = ""
        self._kept_question, self._kept_at_s = "", 0.0
        self._answers: list[Answer] = []
        self._parts = False

    def attach(self, frames: FrameSource | None, memory: Notebook | None) -> None:
        """Use a camera, or a memory, that is there from now on."""
        self._frames = frames or self._frames
        if memory is not None:
            self._notes = Notes(memory)

    def context(self, verbosity: int) -> Context:
        """What was said before the next question."""
        last = self._answers[-1] if self._answers else None
        return Context(verbosity, self._question, last, self._seen)

    def note_answer(self, answer: Answer) -> bool:
        """Keep an answer for `repeat`; True if its sentences were given before it."""
        self._answers.append(answer)
        in_parts, self._parts = self._parts, False
        return in_parts

    def forget_question(self) -> None:
        """A question that waits for a picture is not wanted any more."""
        self._kept_question = ""

    def ask(self, question: str) -> None:
        """Answer a question about what is in view; without any picture, keep it."""
        if self._picture is None and self._frames is None:
            self._keep(question)
            self._session.fail(phrases.NO_PICTURE)
            return
        context = self._session.context
        self._new_question(question)
        ahead, self._ahead = self._ahead, None
        self._answer_with(
            lambda frame: self._answerer.answer(frame, question, context), ahead, keep=question
        )

    def look_ahead(self) -> None:
        """Take the frame when the talk key goes down, and begin to read it."""
        self._ahead = None
        if self._picture is None and self._frames is None:
            return

        take_frame = self._frame_taker()

        def work(ticket: Ticket) -> None:
            # What fails now fails again, and is told, when the question has been heard.
            with contextlib.suppress(AssistantError):
                frame = take_frame()

                def keep() -> None:
                    self._ahead = frame

                self._session.jobs.tell(ticket, keep)
                self._answerer.prepare(frame)

        self._session.jobs.begin(work)

    def follow(self, action: Action, argument: str) -> None:
        """Follow an order that needs a picture, an answer, or the memory."""
        simple: dict[Action, Callable[[], None]] = {
            Action.READ: self._read,
            Action.REPEAT: self._repeat,
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
        self._question, self._kept_question = question, ""
        self._answers, self._parts = [], False

    def _open(self, name: str) -> None:
        if name.lower() == "camera":
            self._picture = None
            self._session.tell_now(
                "I look through the camera." if self._frames else phrases.NO_CAMERA
            )
            return
        path = Path(name.strip("\"'")).expanduser()

        def work(ticket: Ticket) -> None:
            rgb = load_picture(path)
            frame = Frame(rgb, time.monotonic())
            self._session.jobs.tell(ticket, lambda: self._opened(path, frame))

        self._session.jobs.begin(work)

    def _opened(self, path: Path, frame: Frame) -> None:
        self._picture = frame
        height, width = frame.rgb.shape[:2]
        self._session.tell_now(f"Opened {path.name}, {width} by {height} pixels.")
        self.answer_kept(math.inf)

    def answer_kept(self, within_s: float = MOST_KEPT_S) -> None:
        """There is a picture again: answer the question that waits for one, if it is that young."""
        question, self._kept_question = self._kept_question, ""
        if question and time.monotonic() - self._kept_at_s <= within_s:
            self.ask(question)

    def _keep(self, question: str) -> None:
        self._kept_question, self._kept_at_s = question, time.monotonic()

    def _read(self) -> None:
        if self._has_picture():
            self._new_question("read this")
            self._answer_with(self._answerer.read)

    def _double_check(self) -> None:
        question, context = self._question, self._session.context
        if not question or self._seen is None:
            self._session.fail(phrases.NOTHING_TO_CHECK)
            return
        self._answer_with(
            lambda frame: self._answerer.double_check(frame, question, context), self._seen
        )

    def _repeat(self) -> None:
        if not self._answers:
            self._session.fail(phrases.NOTHING_TO_REPEAT)
        for answer in self._answers:
            self._session.emit(AnswerGiven(answer))
            self._session.voice.say_answer(phrases.spoken_text(answer))

    def _navigate(self, action: Action, argument: str) -> None:
        def work(ticket: Ticket) -> None:
            text, position = self._answerer.navigate(action.value, argument)

            def moved() -> None:
                self._session.emit(ReadingMoved(text, position))
                self._session.voice.say_answer(text)

            self._session.jobs.tell(ticket, moved)

        self._session.jobs.begin(work)

    def _watch(self) -> None:
        if self._picture is not None or self._frames is None:
            self._session.fail(phrases.NO_CAMERA_TO_WATCH)
            return

        take_frame = self._frame_taker()

        def work(ticket: Ticket) -> None:
            while not ticket.cancelled:
                text = self._answerer.new_text(take_frame())
                if text:
                    self._deliver(ticket, Answer(text, Basis.READ))
                ticket.sleep(WATCH_EVERY_S)

        self._session.tell_now(phrases.WATCHING)
        self._session.jobs.begin(work, endless=True)

    def _note(self, action: Action, argument: str) -> None:
        if not self._session.settings.history_enabled:
            self._session.fail(phrases.NO_MEMORY)
            return
        kept = "\n".join(answer.text for answer in self._answers)
        notes, frame = self._notes, self._seen

        def work(ticket: Ticket) -> None:
            said = notes.follow(action, argument, kept, frame)
            self._session.jobs.tell(ticket, lambda: self._session.tell_now(said))

        self._session.jobs.begin(work)

    def _has_picture(self) -> bool:
        if self._picture is None and self._frames is None:
            self._session.fail(phrases.NO_PICTURE_TO_READ)
            return False
        return True

    def _answer_with(
        self,
        pieces_of: Callable[[Frame], Iterator[Piece]],
        frame: Frame | None = None,
        *,
        keep: str = "",
    ) -> None:
        """Answer from a frame, or from the newest one; keep a question for which there is none."""
        if frame is not None and time.monotonic() - frame.captured_at > MOST_QUESTION_S:
            frame = None if self._picture is None and self._frames is not None else frame

        take_frame = self._frame_taker()

        def work(ticket: Ticket) -> None:
            try:
                looked_at = frame or take_frame()
            except CameraError as error:
                if not keep:
                    raise
                self._session.jobs.tell(ticket, lambda: self._keep(keep))
                raise CameraError(f"{error}; I keep your question") from error
            self._session.jobs.tell(ticket, lambda: self._thinks_about(looked_at))
            for piece in pieces_of(looked_at):
                if ticket.cancelled:
                    return
                self._deliver(ticket, piece)

        self._session.jobs.begin(work)

    def _thinks_about(self, frame: Frame) -> None:
        self._seen = frame
        self._session.jobs.state = State.THINKING

    def _deliver(self, ticket: Ticket, piece: Piece) -> None:
        def deliver() -> None:
            self._parts = self._parts or isinstance(piece, str)
            self._session.deliver(piece)

        self._session.jobs.tell(ticket, deliver)

    def _frame_taker(self) -> Callable[[], Frame]:
        """What the worker calls for a frame, of the picture or the camera that is used now."""
        picture, frames = self._picture, self._frames
        if picture is not None:
            return lambda: picture
        if frames is None:
            raise UsageError(phrases.NO_PICTURE_TO_READ)
        return lambda: frames.latest(MOST_AGE_S)
