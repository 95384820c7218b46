"""The answerer as a session uses it: frames in, answers out, the last frame's text kept."""

from collections.abc import Iterator

from assistant.answering.answerer import Answerer, ModelOpener
from assistant.errors import UsageError
from assistant.frames import Frame
from assistant.ports import Context, Piece
from assistant.seeing.text import TextLine, TextReader
from assistant.stopwatch import Stopwatch
from models.pictures import RgbPicture


class KeptLines:
    """Reads each picture once, however many questions are asked about it."""

    def __init__(self, reader: TextReader) -> None:
        self._reader = reader
        self._of: RgbPicture | None = None
        self._lines: tuple[TextLine, ...] = ()

    def load(self) -> None:
        """Load the models."""
        self._reader.load()

    def read(self, rgb: RgbPicture) -> tuple[TextLine, ...]:
        """Return the lines of a picture (H, W, 3), recognized now or before."""
        if self._of is not rgb:
            self._lines = self._reader.read(rgb)
            self._of = rgb
        return self._lines


class Conversation:
    """Questions and answers about one frame after another."""

    def __init__(self, reader: TextReader, open_model: ModelOpener) -> None:
        self._reader = KeptLines(reader)
        self._answerer = Answerer(self._reader, open_model, Stopwatch())

    def prepare(self, frame: Frame) -> None:
        """Read the text while the user is still speaking."""
        self._reader.read(frame.rgb)

    def answer(self, frame: Frame, question: str, context: Context) -> Iterator[Piece]:
        """Answer a question about a frame."""
        yield self._answerer.answer(frame.rgb, question)

    def read(self, frame: Frame) -> Iterator[Piece]:
        """Read all text of a frame."""
        yield self._answerer.read(frame.rgb)

    def double_check(self, frame: Frame, question: str, context: Context) -> Iterator[Piece]:
        """Ask again."""
        yield self._answerer.answer(frame.rgb, question)

    def new_text(self, frame: Frame) -> str:
        """Nothing yet."""
        raise UsageError("reading as you go is not there yet; try /read")

    def navigate(self, order: str, argument: str) -> tuple[str, str]:
        """Nothing yet."""
        raise UsageError("moving in the text is not there yet; try /read")
