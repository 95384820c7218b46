"""What a session has its worker do: answer, read, check, watch, move in the text."""

import contextlib
from collections.abc import Callable

from assistant.answers import Context, Detail
from assistant.errors import AssistantError, CameraError
from assistant.frames import Frame
from assistant.session import phrases
from assistant.session.answering import AnswerJobs, KeptQuestion
from assistant.session.answers_given import Answers
from assistant.session.events import ReadingMoved
from assistant.session.jobs import Jobs, Ticket
from assistant.session.looking import LOOK_EVERY_S, MOST_KEPT_S, Eyes
from assistant.session.notes import Notes, asked_by_name
from assistant.session.opening import Opening
from assistant.session.orders import ANSWER, Action
from assistant.session.port import Port
from assistant.session.protocols import Answering
from assistant.session.remembering import Remembering
from assistant.session.state import Waiting
from assistant.settings.settings import Settings
from assistant.speech.rendering import OWN_LANGUAGE
from assistant.text.languages import code_of

NAVIGATION = (
    Action.NEXT, Action.PREVIOUS, Action.CONTINUE, Action.SPELL, Action.FIND, Action.HEADING,
)  # fmt: skip

SLOWLY = "say that slowly"
"""What the skill that says figures one by one is asked."""


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
        self._port, self._jobs = port, jobs
        self._answerer, self._eyes, self._settings = answerer, eyes, settings
        self._ahead: Frame | None = None
        self._kept = KeptQuestion()
        self._answers = Answers(port, lambda: settings().speech_texts)
        self._answering = AnswerJobs(
            port,
            jobs,
            answerer=answerer,
            eyes=eyes,
            answers=self._answers,
            kept=self._kept,
            waiting=waiting,
            detail=lambda: Detail(settings().verbosity),
        )
        self._remembering = Remembering(
            port,
            jobs,
            self._answering,
            answerer=answerer,
            eyes=eyes,
            answers=self._answers,
            notes=notes,
            settings=settings,
        )
        self._opening = Opening(
            port,
            jobs,
            self._answering,
            answerer=answerer,
            eyes=eyes,
            answers=self._answers,
            kept=self._kept,
            ask=self.ask,
            read=self._read,
            answer_kept=self.answer_kept,
            leave_notes=self._remembering.leave,
            post=post,
        )

    def note_spoken(self, sentence: str) -> None:
        """A sentence of an answer began to sound: `continue` goes on there."""
        self._answering.note_spoken(sentence)

    def forget_question(self) -> None:
        """A question that waits for a picture is not wanted any more."""
        self._kept.forget()
        self._opening.forget_what_waits()

    def answer_kept(self, within_s: float = MOST_KEPT_S) -> None:
        """There is a picture again: answer the question that waits for one, if it is that young."""
        question = self._kept.taken(within_s)
        if question:
            self.ask(question)

    @property
    def is_opening(self) -> bool:
        """True while a file is being opened: what is asked meanwhile is about that one."""
        return self._opening.is_running

    def when_opened(self, message: Callable[[], None]) -> None:
        """Do something once the file that is being opened is open, or is known not to open."""
        self._opening.when_done(message)

    @property
    def asks_to_delete(self) -> bool:
        """True while the user was asked whether something shall be deleted."""
        return self._remembering.asks_to_delete

    def keep_all(self) -> None:
        """Nothing is deleted."""
        self._remembering.keep_all()

    def delete(self) -> None:
        """Delete what the user was asked about."""
        self._remembering.delete()

    def ask(self, question: str, *, was_heard: bool = False) -> None:
        """Answer a question about what is in view; without any picture, keep it.

        was_heard: True for a spoken one, which is about what was in view at the talk key.
        """
        named = asked_by_name(question) if self._settings().history_enabled else None
        if named is not None:
            self._remembering.look(named, lambda: self._ask_picture(question, was_heard=was_heard))
        else:
            self._ask_picture(question, was_heard=was_heard)

    def _ask_picture(self, question: str, *, was_heard: bool) -> None:
        self._remembering.leave()
        if self._eyes.refused:
            self._port.fail(phrases.NOT_OPENED)
            return
        if not self._eyes.are_open:
            self._kept.keep(question)
            self._port.fail(phrases.NO_PICTURE)
            return
        context = self._context
        self._new_question(question)
        # Of an older talk key it would show what is not there any more.
        ahead, self._ahead = self._ahead if was_heard else None, None
        self._answering.answer_with(
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

        self._answering.begin(work)

    def follow(self, action: Action, argument: str, page: int = 1) -> None:
        """Follow an order that needs a picture, an answer, or the memory."""
        simple: dict[Action, Callable[[], None]] = {
            Action.READ: self._read,
            Action.REPEAT: lambda: self._repeat(argument == ANSWER),
            Action.DOUBLE_CHECK: self._double_check,
            Action.KEEP_READING: self._watch,
        }
        if action in simple:
            simple[action]()
        elif action is Action.OPEN:
            self._opening.open(argument, page)
        elif action is Action.PAGE:
            self._opening.turn(argument)
        elif action is Action.FIND and self._remembering.finds:
            self._remembering.follow(Action.WHERE, argument)
        elif action is Action.VOICE:
            self._read_in(argument)
        elif action in NAVIGATION:
            self._navigate(action, argument)
        elif action in Notes.ACTIONS:
            self._remembering.follow(action, argument)

    def tell(self, text: str) -> None:
        """Say something that needs no picture, and keep it for `repeat`."""
        self._remembering.leave()
        self._answers.tell(lambda: self._port.say(text))

    def say_slowly(self) -> bool:
        """Say the figures of the last answer one by one; False if it has none."""
        if self._answers.has_told or not self._answers.has_figures:
            return False
        self.ask(SLOWLY)
        return True

    def help(self) -> None:
        """Say ten things to ask, of the picture in view where one is known."""
        frame = self._eyes.picture or self._answers.seen

        def work(ticket: Ticket) -> None:
            told = self._answerer.examples(frame, lambda: ticket.cancelled)
            said = phrases.help_words(told)
            self._jobs.post(ticket, lambda: self._port.say(said))

        self._answering.begin(work, brief=True)

    @property
    def offers_reading(self) -> bool:
        """True if the last answer asked whether the text shall be read."""
        return self._answers.offers_reading

    @property
    def _context(self) -> Context:
        """What was said before the next question."""
        return self._answers.context()

    def _new_question(self, question: str) -> None:
        self._kept.forget()
        self._remembering.leave()
        self._answers.begin(question)

    def _repeat(self, answer: bool) -> None:
        """Say again what was said last, or the last answer, whatever was said since."""
        told = self._remembering.last_told
        if told:
            self._port.say(told)
        elif answer:
            self._answers.repeat_answers()
        else:
            self._answers.repeat()

    def _read(self) -> None:
        if self._has_picture():
            self._new_question("read this")
            self._answering.answer_with(self._answerer.read, waits="read this")

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
        self._answering.answer_with(
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

            self._jobs.post(ticket, lambda: self._moved(moved))

        self._answering.begin(work, brief=True)

    def _moved(self, say: Callable[[], None]) -> None:
        self._remembering.leave()
        self._answers.tell(say)

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
                    self._answering.deliver(ticket, found)
                self._jobs.post(ticket, looked)
                ticket.sleep(LOOK_EVERY_S)
                # A camera that is lost meanwhile says so itself, and may come back.
                with contextlib.suppress(CameraError):
                    frame = take_frame()

        self._port.say(phrases.WATCHING)
        self._answering.begin(work, endless=True)

    def _has_picture(self) -> bool:
        if self._eyes.refused:
            self._port.fail(phrases.NOT_OPENED)
        elif not self._eyes.are_open:
            self._port.fail(phrases.NO_PICTURE_TO_READ)
        return self._eyes.are_open
