"""Put the questions to the product without its process, over lines of text that were read before.

The only file of the exam that knows how the product is put together inside.
"""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from exam.conversation import Asker, Line

from assistant.inference.installed_meanings import InstalledMeanings
from assistant.inference.opening import ModelOpener
from assistant.inference.text_opening import TextOpener
from assistant.seeing.text import TextLine, TextPart, never
from assistant.session.session import Session
from assistant.settings.settings import Settings
from assistant.skills import answerer
from assistant.skills.conversation import Conversation
from assistant.ui.lines import run_lines
from models.pictures import RgbPicture, load_picture


class KeptReader:
    """Gives the lines that were read before; of a picture that it does not know, those of the last.

    The product also looks at changed views of a picture, which nobody has read.
    """

    def __init__(self, read: Sequence[tuple[Path, tuple[TextLine, ...]]]) -> None:
        self._lines = {_digest(load_picture(picture)): lines for picture, lines in read}
        self._last: tuple[TextLine, ...] = ()

    def load(self) -> None: ...

    def read(self, rgb: RgbPicture) -> tuple[TextLine, ...]:
        """All lines at once."""
        self._last = self._lines.get(_digest(rgb), self._last)
        return self._last

    def parts(
        self, rgb: RgbPicture, *, limit_s: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[TextPart]:
        """All lines in one part."""
        yield TextPart(self.read(rgb), 0)


class GivenReader:
    """Reads the same lines in every picture."""

    def __init__(self, lines: tuple[TextLine, ...]) -> None:
        self._lines = lines

    def load(self) -> None: ...

    def read(self, rgb: RgbPicture) -> tuple[TextLine, ...]:
        """All lines at once."""
        return self._lines

    def parts(
        self, rgb: RgbPicture, *, limit_s: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[TextPart]:
        """All lines in one part."""
        yield TextPart(self._lines, 0)


def asked_in_process(
    read: Sequence[tuple[Path, tuple[TextLine, ...]]],
    meaning: Path | None = None,
    relevance: Path | None = None,
    texts: Path | None = None,
) -> Asker:
    """Ask a session of this process; of models, that which looks at pictures is loaded.

    meaning: the folder of a model that tells the meaning of texts, or None to go by words alone.
    relevance: that of one that ranks places for a question, or None.
    texts:   that of a text model, which is the second reader of the text, or None.
    """
    meanings = InstalledMeanings(lambda: meaning, lambda: relevance).models

    def ask(lines: Sequence[str]) -> Iterator[Line]:
        text_models = TextOpener(lambda: texts)
        text_models()  # here, a guess is to wait for a model that has to be loaded
        conversation = Conversation(
            KeptReader(read),
            ModelOpener(""),
            text_models=text_models,
            meanings=meanings,
        )
        session = Session(conversation, settings=Settings(speech_mode="none"))
        session.start(ask_how_to_speak=False)
        out = _Timed()
        # What else the machine does meanwhile shall not decide what is answered.
        patience = answerer.PATIENCE_S, answerer.LONGER_S
        answerer.PATIENCE_S = answerer.LONGER_S = math.inf
        try:
            run_lines(session, io.StringIO("\n".join(lines) + "\n"), out, as_json=True)
        finally:
            answerer.PATIENCE_S, answerer.LONGER_S = patience
            session.close()
        yield from out.lines

    return ask


class _Timed(io.StringIO):
    """Keeps lines with the time at which each was written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []

    def write(self, text: str) -> int:
        self.lines.append((time.monotonic(), text))
        return len(text)


def _digest(rgb: RgbPicture) -> bytes:
    return hashlib.sha256(rgb.tobytes()).digest()
