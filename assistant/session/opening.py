"""Opening a picture, a page of a PDF or the camera, and turning pages; questions wait for it."""

import math
from collections.abc import Callable
from pathlib import Path

from assistant.frames import Frame
from assistant.session import phrases
from assistant.session.answering import AnswerJobs, KeptQuestion
from assistant.session.answers_given import Answers
from assistant.session.jobs import Jobs, Ticket
from assistant.session.looking import Eyes
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
from assistant.settings.paths import typed_path
from models.errors import PictureError

MOST_AFTER_OPENING = 20
"""Orders that wait for a file to open; more were not typed by a person."""


class Opening:
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
        kept: KeptQuestion,
        ask: Callable[[str], None],
        read: Callable[[], None],
        answer_kept: Callable[[float], None],
        leave_notes: Callable[[], None],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        """ask, read:   answer a question about what is in view, or read it.
        answer_kept: answers the question that waits, if it is at most so old, in seconds.
        leave_notes: what is said next is not about the memory any more.
        post:        runs a message in the session's thread, after those that are there.
        """
        self._port, self._jobs, self._answering = port, jobs, answering
        self._answerer, self._eyes, self._answers, self._kept = answerer, eyes, answers, kept
        self._ask, self._read, self._answer_kept = ask, read, answer_kept
        self._leave_notes, self._post = leave_notes, post
        self._opening: Ticket | None = None
        self._after_opening: list[Callable[[], None]] = []

    def open(self, name: str, page: int) -> None:
        """Look at a file, its page counted from 1, or through the camera again."""
        if name.lower() == "camera":
            self._eyes.look_at(None, None)
            self._answers.leave_picture()
            said = phrases.NO_CAMERA
            if self._eyes.frames is not None:
                lost = self._eyes.is_lost
                said = phrases.CAMERA_AGAIN_LOST if lost else phrases.CAMERA_AGAIN
            self._port.say(said)
            # Orders such as "next line" are about the text of a picture that is left, too.
            self._answering.begin(lambda ticket: self._answerer.leave_picture(), brief=True)
            return
        self._open_page(typed_path(name), page, opened_words)

    def turn(self, asked: str) -> None:
        """Turn to another page of the file, or say which one is open and how many there are."""
        file = self._eyes.file
        is_paper = file is None or (file.sheet.pages == 1 and file.path.suffix.lower() != ".pdf")
        if asked == COUNT and is_paper and self._eyes.are_open:
            # Of a book's cover the print may say it.
            self._ask(HOW_MANY)
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
        self._leave_notes()

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
            waits = bool(self._kept or self._after_opening)
            self._answer_kept(math.inf)
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

        self._opening = self._answering.begin(work, brief=True)

    def forget_what_waits(self) -> None:
        """What was to be done once the file is open is not wanted any more."""
        self._after_opening.clear()

    @property
    def is_running(self) -> bool:
        """True while a file is being opened: what is asked meanwhile is about that one."""
        return self._jobs.is_running(self._opening)

    def when_done(self, message: Callable[[], None]) -> None:
        """Do something once the file that is being opened is open, or is known not to open."""
        if len(self._after_opening) < MOST_AFTER_OPENING:
            self._after_opening.append(message)
