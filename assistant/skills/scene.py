"""What is known of one picture: everything is found once, however many questions follow."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from assistant.errors import VisionError
from assistant.frames import Sheet
from assistant.inference.copying_reader import Copier, Studied
from assistant.inference.vision_model import VisionLanguageModel
from assistant.seeing.barcode import Barcode, locate_code, nearness, read_barcodes
from assistant.seeing.hidden import Reflection, is_legible, reflection
from assistant.seeing.quality import Cause, check_quality
from assistant.seeing.text import TextLine, TextPart, TextReader, Unread, never
from assistant.skills.evidence import has_words
from assistant.stopwatch import Stopwatch
from assistant.text.closeness import Closeness
from assistant.text.meaning_models import WITHOUT, MeaningModels, Rank
from assistant.text.page import Page
from models.pictures import RgbPicture

WHOLE_LIMIT_S = 120.0
"""What one page may take altogether; how long anybody waits for it is decided by the caller."""


class Scene:
    """One picture (H, W, 3); used by one thread."""

    def __init__(
        self,
        rgb: RgbPicture,
        reader: TextReader,
        stopwatch: Stopwatch,
        *,
        mirrored: bool = False,
        sheet: Sheet | None = None,
        meanings: MeaningModels = WITHOUT,
    ) -> None:
        """mirrored:   whether the camera faces the user, so that left and right change places.

        sheet:      which page of a file it is; None for what a camera shows.
        meanings: the models that tell what texts mean.
        """
        self.rgb = rgb
        self.sheet = sheet
        self.mirrored = mirrored
        self._reader = reader
        self._stopwatch = stopwatch
        self._cause: tuple[Cause | None] | None = None
        self._reflection: tuple[Reflection | None] | None = None
        self._parts: list[TextPart] = []
        self._coming: Iterator[TextPart] | None = None
        self._is_read = False
        self.told_parts = 0
        """Parts that a listener has heard of a page whose reading stopped before its end."""
        self._page: tuple[tuple[TextLine, ...], Page] | None = None
        self._meanings = meanings
        self._closeness: tuple[Page, Closeness] | None = None
        self.fault: VisionError | None = None  # of the model that tells how near texts are
        self._codes: tuple[Barcode, ...] | None = None
        self._nearness: tuple[float | None] | None = None
        self._handle: tuple[VisionLanguageModel, Any] | None = None
        self._studied: tuple[Copier, Studied] | None = None

    @property
    def cause(self) -> Cause | None:
        """Why nothing can be told, or None."""
        if self._cause is None:
            with self._stopwatch.stage("quality"):
                self._cause = (check_quality(self.rgb),)
        return self._cause[0]

    def is_legible(self, cancelled: Callable[[], bool] = never) -> bool:
        """True if text is read in spite of a reflection, which may hide some more.

        Raises:
            OcrError: text recognition cannot start or failed.
        """
        return self.cause is Cause.GLARE and is_legible(self.lines(cancelled))

    @property
    def is_read(self) -> bool:
        """True once all text is read."""
        return self._is_read

    def parts(self, limit_s: float, cancelled: Callable[[], bool] = never) -> Iterator[TextPart]:
        """The text part by part, those of earlier calls first.

        A reading that was cancelled, or whose time ran out, goes on at the next call.

        Raises:
            OcrError: text recognition cannot start or failed.
        """
        yield from list(self._parts)
        until = time.monotonic() + limit_s
        while not self._is_read and not cancelled() and time.monotonic() < until:
            part = self._next_part()
            if part is not None:
                yield part

    def lines(self, cancelled: Callable[[], bool] = never) -> tuple[TextLine, ...]:
        """All lines; fewer only if it was cancelled.

        Raises:
            OcrError: text recognition cannot start or failed.
        """
        for _ in self.parts(WHOLE_LIMIT_S, cancelled):
            pass
        return self.known_lines

    @property
    def known_lines(self) -> tuple[TextLine, ...]:
        """The lines that have been read so far; none while they are only letters like shadows."""
        lines = tuple(line for part in self._parts for line in part.lines)
        return self.doubted(lines) if has_words(lines) else ()

    def doubted(self, lines: Sequence[TextLine]) -> tuple[TextLine, ...]:
        """Lines of this picture; those that a reflection touches are not sure."""
        spot = self._spot()
        return tuple(lines) if spot is None else spot.doubted(lines)

    def page(self, cancelled: Callable[[], bool] = never) -> Page:
        """All lines as rows, values with labels, and sentences; fewer if it was cancelled.

        Raises:
            OcrError: text recognition cannot start or failed.
        """
        lines = self.lines(cancelled)
        if self._page is None or self._page[0] != lines:
            self._page = (lines, Page(lines))
        return self._page[1]

    def closeness(self, page: Page) -> Closeness | None:
        """What tells how near the places of a page are to a question in meaning; None without a
        model, and where one has failed: then words alone lead to the answers.
        """
        embed = None if self.fault else self._meanings.embed()
        if embed is None:
            return None
        if self._closeness is None or self._closeness[0] is not page:
            self._closeness = (page, Closeness(page, embed))
        return self._closeness[1]

    @property
    def rank(self) -> Rank | None:
        """What tells how well places answer a question; None without a model."""
        return self._meanings.rank()

    @property
    def unread(self) -> int:
        """Places that look like text and are not read."""
        return self._parts[-1].remaining if self._parts else 0

    @property
    def unread_places(self) -> tuple[Unread, ...]:
        """Where text could not be read, as far as that is known."""
        unread = tuple(place for part in self._parts for place in part.unread)
        spot = self._spot()
        if spot is not None and any(map(spot.touches, self.known_lines)):
            place = Unread(spot.box)
            return unread if any(map(place.lies_in, unread)) else (*unread, place)
        return unread

    @property
    def text_is_mirrored(self) -> bool:
        """True if the text is seen in a mirror; it was read flipped."""
        return any(part.mirrored for part in self._parts)

    def codes(self) -> tuple[Barcode, ...]:
        """The barcodes.

        Raises:
            BarcodeError: their reader is missing or failed.
        """
        if self._codes is None:
            with self._stopwatch.stage("barcode"):
                self._codes = read_barcodes(self.rgb)
        return self._codes

    def code_nearness(self) -> float | None:
        """How near a code is to be read, 0 to 1; None if nothing like a code is in view.

        Raises:
            BarcodeError: their reader is missing or failed.
        """
        if self._nearness is None:
            codes = self.codes()
            with self._stopwatch.stage("barcode"):
                box = codes[0].box if codes else locate_code(self.rgb)
            height, width = self.rgb.shape[:2]
            self._nearness = (None if box is None else nearness(box, width, height),)
        return self._nearness[0]

    def look(self, model: VisionLanguageModel) -> Any:
        """The picture as a model has encoded it."""
        if self._handle is None or self._handle[0] is not model:
            with self._stopwatch.stage("look"):
                self._handle = (model, model.look(self.rgb))
        return self._handle[1]

    def studied(self, copier: Copier) -> Studied:
        """What a text model holds of the text; it is let go of with the picture."""
        if self._studied is None or self._studied[0] is not copier:
            self._studied = (copier, Studied())
        return self._studied[1]

    def _spot(self) -> Reflection | None:
        if self._reflection is None:
            lit = self.cause is Cause.GLARE and not self.text_is_mirrored
            self._reflection = (reflection(self.rgb) if lit else None,)
        return self._reflection[0]

    def _next_part(self) -> TextPart | None:
        if self._coming is None:
            with self._stopwatch.stage("load_ocr"):
                self._reader.load()
            # Who waits sets the limits; the reading itself may rest as long as nobody does.
            self._coming = self._reader.parts(self.rgb, limit_s=math.inf)
        with self._stopwatch.stage("ocr"):
            try:
                part = next(self._coming, None)
            except BaseException:
                # A generator that raised is at its end; the next question begins a new one.
                self._coming, self._parts = None, []
                raise
        if part is None or (part.remaining == 0 and not part.more) or part.late:
            self._is_read = True
        if part is not None:
            self._parts.append(part)
        return part
