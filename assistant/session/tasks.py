"""What a session has its worker do: look, answer, read, check, watch, remember."""

import contextlib
import math
import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from assistant.answers import Answer, Cancelled, Context, Detail, Piece
from assistant.errors import AssistantError, CameraError
from assistant.frames import Frame
from assistant.session import phrases
from assistant.session.answers_given import Answers
from assistant.session.events import ReadingMoved, State
from assistant.session.jobs import Jobs, Ticket, Work
from assistant.session.looking import LOOK_EVERY_S, MOST_KEPT_S, Beeps, Eyes, good_frame
from assistant.session.notes import ByName, Deletion, Notes, asked_by_name
from assistant.session.orders import Action
from assistant.session.pages import (
    COUNT,
    HERE,
    HOW_MANY,
    READ,
    OpenFile,
    counted,
    open_page,
    opened_words,
    wanted_page,
)
from assistant.session.port import Port
from assistant.session.protocols import Answering
from assistant.session.state import Waiting
from assistant.settings.paths import typed_path
from assistant.settings.settings import Settings
from assistant.speech.rendering import OWN_LANGUAGE
from assistant.speech.speaker import Earcon
from assistant.text.languages import code_of
from models.errors import PictureError

MOST_QUESTION_S = 20.0
"""A frame taken when the talk key went down serves a question of this length."""

MOST_AFTER_OPENING = 20
"""Orders that wait for a file to open; more were not typed by a person."""

MOST_SPOKEN = 500
"""Sentences that were spoken and are not yet noted; of more, the latest count."""

NAVIGATION = (
    Action.NEXT, Action.PREVIOUS, Action.CONTINUE, Action.SPELL, Action.FIND, Action.HEADING,
)  # fmt: skip


class Tasks:
    """Owned by the session's thread; what runs in the worker's thread is named `work`."""

    def __init__(
        self,
        port: Port,
        jobs: Jobs,
        *,
        answerer: Answering,
        eyes: Eyes,
        notes: Notes,
        waiting: Waiting,
        settings: Callable[[], Settings],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        """waiting: ends when an answer comes; settings: gives them as they are now.

        post: runs a message in the session's thread, after those that are there.
        """
        self._post = post
        self._port, self._jobs = port, jobs
        self._answerer, self._eyes, self._notes = answerer, eyes, notes
        self._waiting, self._settings = waiting, settings
        # From the session's thread to the worker's, which alone may touch the answerer.
        self._spoken: queue.Queue[str] = queue.Queue(MOST_SPOKEN)
        self._ahead: Frame | None = None
        self._kept_question, self._kept_at_s = "", 0.0
        self._answers = Answers(port, lambda: settings().speech_texts)
        self._opening: Ticket | None = None
        self._deletion: Deletion | None = None
        self._in_notes, self._told_of_notes = False, ""
        self._after_opening: list[Callable[[], None]] = []

    def note_spoken(self, sentence: str) -> None:
        """A sentence of an answer began to sound: `continue` goes on there."""
        if self._spoken.full():
            with contextlib.suppress(queue.Empty):
                self._spoken.get_nowait()
        self._spoken.put_nowait(self._answers.printed(sentence))

    def forget_question(self) -> None:
        """A question that waits for a picture is not wanted any more."""
        self._kept_question = ""
        self._after_opening.clear()

    def ask(self, question: str, *, was_heard: bool = False) -> None:
        """Answer a question about what is in view; without any picture, keep it.

        was_heard: True for a spoken one, which is about what was in view at the talk key.
        """
        named = asked_by_name(question) if self._settings().history_enabled else None
        if named is not None:
            self._look_in_notes(question, named, was_heard=was_heard)
        else:
            self._ask_picture(question, was_heard=was_heard)

    def _ask_picture(self, question: str, *, was_heard: bool) -> None:
        self._in_notes = False
        if self._eyes.refused:
            self._port.fail(phrases.NOT_OPENED)
            return
        if not self._eyes.are_open:
            self._keep(question)
            self._port.fail(phrases.NO_PICTURE)
            return
        context = self._context
        self._new_question(question)
        # Of an older talk key it would show what is not there any more.
        ahead, self._ahead = self._ahead if was_heard else None, None
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
            # What fails now fails again, and is said, when the question has been heard.
            with contextlib.suppress(AssistantError):
                frame = take_frame()

                def keep() -> None:
                    self._ahead = frame

                self._jobs.post(ticket, keep)
                self._answerer.prepare(frame, lambda: ticket.cancelled)

        self._begin(work)

    def follow(self, action: Action, argument: str, page: int = 1) -> None:
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
            self._open(argument, page)
        elif action is Action.PAGE:
            self._turn(argument)
        elif action is Action.FIND and self._finds_in_notes:
            self._note(Action.WHERE, argument)
        elif action is Action.VOICE:
            self._read_in(argument)
        elif action in NAVIGATION:
            self._navigate(action, argument)
        elif action in Notes.ACTIONS:
            self._note(action, argument)

    def help(self) -> None:
        """Say ten things to ask, of the picture in view where one is known."""
        frame = self._eyes.picture or self._answers.seen

        def work(ticket: Ticket) -> None:
            told = self._answerer.examples(frame, lambda: ticket.cancelled)
            said = phrases.help_words(told)
            self._jobs.post(ticket, lambda: self._port.say(said))

        self._begin(work, brief=True)

    @property
    def offers_reading(self) -> bool:
        """True if the last answer asked whether the text shall be read."""
        return self._answers.offers_reading

    @property
    def _context(self) -> Context:
        """What was said before the next question."""
        return self._answers.context()

    @property
    def _detail(self) -> Detail:
        """How much is said of an answer."""
        return Detail(self._settings().verbosity)

    def _new_question(self, question: str) -> None:
        self._kept_question, self._in_notes = "", False
        self._answers.begin(question)

    def _open(self, name: str, page: int) -> None:
        if name.lower() == "camera":
            self._eyes.look_at(None, None)
            self._answers.leave_picture()
            said = phrases.NO_CAMERA
            if self._eyes.frames is not None:
                lost = self._eyes.is_lost
                said = phrases.CAMERA_AGAIN_LOST if lost else phrases.CAMERA_AGAIN
            self._port.say(said)
            # Orders such as "next line" are about the text of a picture that is left, too.
            self._begin(lambda ticket: self._answerer.leave_picture(), brief=True)
            return
        self._open_page(typed_path(name), page, opened_words)

    def _turn(self, asked: str) -> None:
        """Turn to another page of the file, or say which one is open and how many there are."""
        file = self._eyes.file
        is_paper = file is None or (file.sheet.pages == 1 and file.path.suffix.lower() != ".pdf")
        if asked == COUNT and is_paper and self._eyes.are_open:
            # Of a book's cover the print may say it.
            self.ask(HOW_MANY)
            return
        if file is None:
            self._port.fail(phrases.NOT_OPENED if self._eyes.refused else phrases.NO_PAGES)
            return
        if asked in ("", COUNT, HERE):
            self._port.say(counted(file.sheet))
            return
        page = wanted_page(asked, file.sheet)
        reads = asked.startswith(READ) or self._answers.was_reading
        self._open_page(
            file.path, page, lambda opened, frame: f"{opened.name}.", self._read if reads else None
        )

    def _open_page(
        self,
        path: Path,
        page: int,
        words: Callable[[OpenFile, Frame], str],
        and_then: Callable[[], None] | None = None,
    ) -> None:
        """Look at a page of a file; say so, and do what is to be done with it.

        From now on nothing is answered from the picture before, also if this one is given up.
        """
        self._eyes.refuse()
        self._answers.leave_picture()
        self._in_notes = False

        def work(ticket: Ticket) -> None:
            self._answerer.leave_picture()
            try:
                file, frame = open_page(path, page)
            except PictureError as error:
                cause = str(error)
                self._jobs.post(ticket, lambda: not_opened(cause))
                return
            self._jobs.post(ticket, lambda: opened(file, frame))

        def opened(file: OpenFile, frame: Frame) -> None:
            self._eyes.look_at(file, frame)
            self._port.say(words(file, frame))
            waits = bool(self._kept_question or self._after_opening)
            self.answer_kept(math.inf)
            if and_then is not None and not waits:
                and_then()
            go_on()

        def not_opened(cause: str) -> None:
            self._port.fail(cause)
            go_on()

        def go_on() -> None:
            waiting, self._after_opening = self._after_opening, []
            self._opening = None
            for each in waiting:
                self._post(each)

        self._opening = self._begin(work, brief=True)

    @property
    def is_opening(self) -> bool:
        """True while a file is being opened: what is asked meanwhile is about that one."""
        return self._jobs.is_running(self._opening)

    def when_opened(self, message: Callable[[], None]) -> None:
        """Do something once the file that is being opened is open, or is known not to open."""
        if len(self._after_opening) < MOST_AFTER_OPENING:
            self._after_opening.append(message)

    def answer_kept(self, within_s: float = MOST_KEPT_S) -> None:
        """There is a picture again: answer the question that waits for one, if it is that young."""
        question, self._kept_question = self._kept_question, ""
        if question and time.monotonic() - self._kept_at_s <= within_s:
            self.ask(question)

    def _keep(self, question: str) -> None:
        self._kept_question, self._kept_at_s = question, time.monotonic()

    def _keep_without_frame(self, question: str, cause: str) -> None:
        """Keep a question since no frame comes; the cause is said unless the user knows it."""
        self._keep(question)
        known = self._eyes.is_lost
        self._port.fail(phrases.STILL_NO_PICTURE if known else f"{cause}; I keep your question")

    def _repeat(self) -> None:
        if self._in_notes and self._told_of_notes:
            self._port.say(self._told_of_notes)
        else:
            self._answers.repeat()

    def _tell_of_notes(self, text: str) -> None:
        """Say something about what was saved, and keep it for `repeat`."""
        self._in_notes, self._told_of_notes = True, text
        self._port.say(text)

    def _read(self) -> None:
        if self._has_picture():
            self._new_question("read this")
            self._answer_with(self._answerer.read, waits="read this")

    def _read_in(self, voice: str) -> None:
        """Say the last answers, or read the text, in the voice of a language or the text's own."""
        chosen = OWN_LANGUAGE if "own" in voice.split() else code_of(voice)
        if chosen is None:
            self._port.fail(phrases.no_such_language(voice))
        elif self._answers.any_given:
            self._answers.use_voice(chosen)
            self._answers.repeat()
        else:
            self._read()
            self._answers.use_voice(chosen)

    def _double_check(self) -> None:
        question, context = self._answers.question, self._context
        if not question or context.frame is None:
            self._port.fail(phrases.NOTHING_TO_CHECK)
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
                self._port.emit(ReadingMoved(text, position))
                self._port.say_answer(text, self._answers.quoted(text))

            self._jobs.post(ticket, moved)

        self._begin(work, brief=True)

    def _watch(self) -> None:
        if not self._eyes.are_live:
            self._port.fail(phrases.NO_CAMERA_TO_WATCH)
            return

        take_frame = self._eyes.taker()

        def looked() -> None:
            self._jobs.has_looked = True

        def work(ticket: Ticket) -> None:
            frame = take_frame()
            while not ticket.cancelled:
                found = self._answerer.new_text(frame, lambda: ticket.cancelled)
                if found is not None:
                    self._deliver(ticket, found)
                self._jobs.post(ticket, looked)
                ticket.sleep(LOOK_EVERY_S)
                # A camera that is lost meanwhile says so itself, and may come back.
                with contextlib.suppress(CameraError):
                    frame = take_frame()

        self._port.say(phrases.WATCHING)
        self._begin(work, endless=True)

    def _note(self, action: Action, argument: str) -> None:
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
                self._jobs.post(ticket, lambda: self._tell_of_notes(told))
            else:
                self._jobs.post(ticket, lambda: self._ask_before(told))

        self._begin(work, brief=True)

    @property
    def _finds_in_notes(self) -> bool:
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
            self._jobs.post(ticket, lambda: self._tell_of_notes(deletion.done))

        self._begin(work, brief=True)

    def _look_in_notes(self, question: str, asked: ByName, *, was_heard: bool) -> None:
        """Tell of a saved thing of this name; without one, it is a question about the picture."""
        search = self._finds_in_notes

        def work(ticket: Ticket) -> None:
            told = self._notes.by_name(asked, search=search)

            def tell() -> None:
                if told:
                    self._tell_of_notes(told)
                else:
                    self._ask_picture(question, was_heard=was_heard)

            self._jobs.post(ticket, tell)

        self._begin(work, brief=True)

    def _has_picture(self) -> bool:
        if self._eyes.refused:
            self._port.fail(phrases.NOT_OPENED)
        elif not self._eyes.are_open:
            self._port.fail(phrases.NO_PICTURE_TO_READ)
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
                self._deliver(ticket, piece)

        self._begin(work)

    def _begin(self, work: Work, *, endless: bool = False, brief: bool = False) -> Ticket:
        """Begin a job; before it, the answerer learns what was spoken of the last one."""

        def first_catch_up(ticket: Ticket) -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    self._answerer.heard(self._spoken.get_nowait())
            work(ticket)

        return self._jobs.begin(first_catch_up, endless=endless, brief=brief)

    def _wait(self, ticket: Ticket, problem: Answer) -> None:
        """Say why the frames are no good; the user may go on with something else meanwhile."""

        def wait() -> None:
            jobs = self._jobs
            first, jobs.state = jobs.state is not State.IDLE, State.IDLE
            self._answers.say(problem, self._detail, phrases.KEPT_QUESTION if first else "")

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

    def _deliver(self, ticket: Ticket, piece: Piece) -> None:
        def deliver() -> None:
            self._waiting.stop()
            self._jobs.has_answered = isinstance(piece, Answer)
            self._answers.deliver(piece, self._detail)

        self._jobs.post(ticket, deliver)
