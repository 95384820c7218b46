"""A whole session over a page of text: lines are typed, and what is said to each is taken out."""

import datetime
import queue
import time

from assistant.frames import Frame, FrameSource
from assistant.session.events import AnswerGiven, ErrorSaid, Event, ReadingMoved, StatusSaid
from assistant.session.session import Session
from assistant.settings.settings import Settings
from assistant.skills.conversation import Conversation
from tests.assistant.fakes_session import FakeNotebook
from tests.assistant.skills.talking import PageReader, Talk
from tests.assistant.text.pages import page

PATIENCE_S = 60.0
"""A machine with much to do answers late."""

NOW = datetime.datetime(2027, 3, 14, 18, 5)


class Still:
    """A camera that always gives the same frame."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    def latest(self, max_age_s: float) -> Frame:
        return Frame(self.frame.rgb, time.monotonic())

    def close(self) -> None: ...


class Typed:
    """Types lines, one after another; use it in a `with`."""

    def __init__(self, *rows: str, memory: FakeNotebook | None = None) -> None:
        """rows: of the page in view, as for `pages.page`; none for no picture at all."""
        shown = page(*(rows or ("nothing",)))
        frames: FrameSource | None = Still(Talk(shown).frame) if rows else None
        self.session = Session(
            Conversation(PageReader(shown), lambda: "there is none."),
            settings=Settings(speech_mode="none", history_enabled=memory is not None),
            frames=frames,
            memory=memory,
            now=lambda: NOW,
        )

    def __enter__(self) -> "Typed":
        self.session.start(ask_how_to_speak=False)
        self._told()
        return self

    def __exit__(self, *error: object) -> None:
        self.session.close()

    def __call__(self, line: str) -> str:
        """All that is said to a line, each thing in a line of its own."""
        self.session.ask(line)
        return "\n".join(filter(None, map(_words, self._told())))

    def _told(self) -> list[Event]:
        done: queue.Queue[None] = queue.Queue(1)
        self.session.when_idle(done)
        done.get(timeout=PATIENCE_S)
        found = []
        while not self.session.events.empty():
            found.append(self.session.events.get_nowait())
        return found


def _words(event: Event) -> str:
    if isinstance(event, AnswerGiven | StatusSaid | ErrorSaid | ReadingMoved):
        return event.text
    return ""
