"""A conversation over a page of text, with nothing but a reader that knows its lines."""

import time
from collections.abc import Callable, Iterator

import numpy as np

from assistant.answers import Answer, Context
from assistant.frames import Frame
from assistant.seeing.text import TextLine, TextPart, never
from assistant.skills.conversation import Conversation
from assistant.text.meaning_models import WITHOUT, MeaningModels
from assistant.text.page import Page
from models.pictures import RgbPicture


class PageReader:
    """Reads the lines of a page in whatever picture."""

    def __init__(self, page: Page) -> None:
        self.lines = tuple(piece for row in page.rows for piece in row.pieces)

    def load(self) -> None: ...

    def read(self, rgb: RgbPicture) -> tuple[TextLine, ...]:
        return self.lines

    def parts(
        self, rgb: RgbPicture, *, limit_s: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[TextPart]:
        yield TextPart(self.lines, 0)


class Talk:
    """Asks one question after another about one picture, as a session does."""

    def __init__(self, page: Page, meanings: MeaningModels = WITHOUT) -> None:
        self.conversation = Conversation(
            PageReader(page), lambda: "there is none.", meanings=meanings
        )
        rgb = np.random.default_rng(0).integers(150, 250, (12, 20, 3)).astype(np.uint8)
        picture = np.kron(rgb, np.ones((20, 20, 1), np.uint8))
        picture[100:140, 100:300] = (200, 20, 20)
        self.frame = Frame(picture, time.monotonic())
        self.context = Context()

    def ask(self, question: str) -> Answer:
        """The last answer to a question; it becomes what the next one may lean on."""
        pieces = list(self.conversation.answer(self.frame, question, self.context))
        answer = [piece for piece in pieces if isinstance(piece, Answer)][-1]
        self.context = Context(question, answer, self.frame)
        return answer
