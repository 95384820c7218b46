"""RapidOCR: text lines with boxes and confidences, offline, as they are read."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from assistant.errors import OcrError
from assistant.seeing.evening import brightened, evened
from assistant.seeing.flattening import flat_page, print_of
from assistant.seeing.gaps import read_apart
from assistant.seeing.glyph_ink import glyph_ink
from assistant.seeing.glyph_rows import GlyphRow, glyph_rows
from assistant.seeing.hidden import Reflections
from assistant.seeing.mirrors import is_mirrored
from assistant.seeing.ocr_files import checked_models
from assistant.seeing.page_boxes import (
    Box,
    corners_of,
    in_batches,
    in_reading_order,
    is_turned_by_a_quarter,
    joined,
    needs_tiles,
    tiles,
    turned,
    turned_back,
)
from assistant.seeing.pieces import PieceReader, Reading, is_word
from assistant.seeing.row_reading import SURE, RowReader, figures_in, unblocked
from assistant.seeing.second_look import SecondLook
from assistant.seeing.small_print import LanguageOf, SmallPrint, WordReader
from assistant.seeing.standing import over_rows, runs_up
from assistant.seeing.suspected import Watched, watched
from assistant.seeing.tesseract_lines import ScriptReader, read_foreign
from assistant.seeing.text import TextLine, TextPart, Unread, never
from assistant.seeing.wording import plain_width
from models.pictures import RgbPicture
from models.system_errors import MORE_MEMORY, is_out_of_memory

log = logging.getLogger(__name__)


class OtherReader(ScriptReader, WordReader, Protocol):
    """A second reader: of scripts that these models cannot read, and of small print."""


LONGEST_SIDE = 960
"""Detection at this size halves the time and finds the same text."""

LINE_SHAPE = (3, 48, 128)
"""Channels, height and least width at which a line is recognized. Each line is recognized alone:
what fills it up to the width of the longest of several costs time, and spaces and marks."""

AT_ONCE = 8
"""Lines that are recognized between two looks at the clock; on two slow cores under a second."""

LIMIT_S = 60.0
"""For `read`, which has nobody to tell of its progress; a dense page takes 13 s."""

MOST_JUDGED, DOUBTS = 8, 2
"""The longest lines decide whether a page is upside down. The classifier of single lines is right
too seldom to turn any of them alone; two doubts are reason to look closer."""

LONE, LONE_MARGIN = 2, 0.2
"""So few places are a sign, which hangs upright unless it is read so much better turned over, or a
word stands on it then."""

FEW = 3
"""So few places may be scraps of a display or of dots that lie on their side."""

LEAST_OVER = 0.7
"""How surely lines are read upside down, from which a page stands on its head; dots are neither."""

LEAST_SECOND_S, MOST_SECOND_S = 8.0, 12.0
"""A second look takes about as long as the first, within these bounds."""


class RapidOcrReader:
    """The PP-OCR models inside the rapidocr wheel, loaded at first use or by `load`."""

    def __init__(
        self,
        *,
        threads: int = 2,
        second_look_s: float = LEAST_SECOND_S,
        open_other: Callable[[], OtherReader | None] = lambda: None,
        language_of: LanguageOf = lambda lines: None,
    ) -> None:
        """Set how many threads recognition may use; it shares the processor with the model.

        second_look_s: seconds that a second look may take at least; it may take as long as the
                       first look did.
        open_other:    opens a second reader; None where there is none.
        language_of:   tells the language of lines, in which small print is read again.
        """
        self._open_other, self._language_of = open_other, language_of
        self._other: OtherReader | None = None
        self._second_look_s = second_look_s
        self._threads = threads
        self._engine: Any = None
        self._second_look: SecondLook | None = None
        self._watched: Watched | None = None
        self._loading = threading.Lock()

    def load(self) -> None:
        """Load the models; safe to call from any thread, and again.

        Raises:
            OcrError: rapidocr or one of its model files is missing.
        """
        with self._loading:
            if self._engine is None:
                engine = self._start()
                self._watched = watched(engine)
                self._second_look = SecondLook(engine, PieceReader(engine))
                self._other = self._opened_other()
                self._engine = engine

    def read(self, rgb: RgbPicture) -> tuple[TextLine, ...]:
        """Return the lines of a picture (H, W, 3), roughly in reading order.

        Raises:
            OcrError: the models are missing, or failed on this picture.
        """
        return tuple(line for part in self.parts(rgb, limit_s=LIMIT_S) for line in part.lines)

    def parts(
        self, rgb: RgbPicture, *, limit_s: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[TextPart]:
        """Give the lines of a picture (H, W, 3) as they are read, roughly in reading order.

        Pages turned by 90 or 180 degrees are turned upright; boxes are those of the picture as it
        was given. Small text on a large picture is looked for in tiles.

        Raises:
            OcrError: the models are missing, or failed on this picture.
        """
        self.load()
        began = time.monotonic()
        try:
            found = print_of(rgb)
            lit = evened(rgb) if found.is_page else brightened(rgb)
            page = flat_page(lit, found)
            seen = lit if page is None else page.rgb
            lights = Reflections(rgb)
            for part in self._read_parts(seen, began + limit_s, cancelled):
                lines = tuple(read_apart(seen, part.lines, self._read_crops))
                part = replace(part, lines=lines)
                yield lights.judged(part if page is None else page.part(part))
        except Exception as error:  # it raises its own and onnxruntime's bare exceptions
            if is_out_of_memory(error):
                raise OcrError("there is not enough memory to read text", MORE_MEMORY) from error
            raise OcrError(f"text recognition failed ({error})", "try another picture") from error

    def _read_parts(
        self,
        rgb: RgbPicture,
        until: float,
        cancelled: Callable[[], bool],
        *,
        mirrored: bool = False,
    ) -> Iterator[TextPart]:
        began = time.monotonic()
        bgr = np.ascontiguousarray(rgb[:, :, ::-1])  # RapidOCR expects OpenCV's order
        boxes, where, unseen = self._find_all(bgr, until, cancelled)
        if cancelled():
            return
        pieces = PieceReader(self._engine)
        height, width = bgr.shape[:2]
        upright, placed, quarters, glyphs = self._upright(bgr, boxes, pieces)
        rows = RowReader(pieces, upright, placed, glyphs)
        placed = rows.boxes
        small = SmallPrint(self._other, self._language_of, pieces, upright, placed)
        left, known, waiting = len(placed), list[Reading](), list[Reading]()
        for batch in in_batches(in_reading_order(placed), AT_ONCE):
            if cancelled():
                return
            if left < len(placed) and time.monotonic() > until:
                weak = [each for each in known if each.is_weak] if self._second_look else []
                lines = _lines([*weak, *waiting], quarters, width, height)
                yield TextPart(lines, left, late=True, unread=unseen, mirrored=mirrored)
                return
            chosen = [placed[number] for number in batch]
            readings = rows.read(chosen)
            first = left == len(placed)
            if first and not mirrored and is_mirrored(pieces, upright, readings):
                yield from self._read_parts(
                    np.ascontiguousarray(rgb[:, ::-1]), until, cancelled, mirrored=True
                )
                return
            left -= len(batch)
            readings, waiting = small.checked(
                [*waiting, *readings], until=until, first=first and left > 0
            )
            known += readings
            more = not left and self._second_look is not None
            # What may be part of something larger waits for the second look.
            told = [each for each in readings if self._second_look is None or not each.is_weak]
            lines = _lines(told, quarters, width, height)
            yield TextPart(lines, left + len(waiting), more=more, mirrored=mirrored)
        if self._second_look is None or cancelled():
            return
        if where is None and not placed and not rows.has_dots:
            yield TextPart((), 0, unread=unseen, mirrored=mirrored)
            return
        took = time.monotonic() - began
        second = time.monotonic() + max(min(took, MOST_SECOND_S), self._second_look_s)
        place = None if where is None else turned(where, quarters, width, height)
        added, unread = self._second_look.look(
            upright, known, min(until, second), cancelled, where=place,
            missed=rows.missed, cut=rows.cut,
        )  # fmt: skip
        added, doubted = rows.later(added)
        unread += doubted
        if self._other is not None and unread and not cancelled():
            more_read, unread = read_foreign(self._other, pieces, upright, unread)
            added += more_read
        yield TextPart(
            _lines(added, quarters, width, height),
            0,
            unread=(*_unread(unread, quarters, width, height), *unseen),
            mirrored=mirrored,
        )

    def _upright(
        self, bgr: Any, boxes: Sequence[Box], pieces: PieceReader
    ) -> tuple[Any, list[Box], int, list[GlyphRow]]:
        """The picture turned so that most of its text is upright, the places, quarter turns, and
        its rows of glyphs."""
        height, width = bgr.shape[:2]
        ink, is_tall = glyph_ink(bgr), is_turned_by_a_quarter(boxes)
        rows = glyph_rows(bgr, ink)
        is_turned = len(boxes) > LONE and is_tall
        # Rows of a display that were found as one block are no line that runs up.
        quarters = int(is_turned and is_turned_by_a_quarter(unblocked(boxes, rows)))
        if is_tall or len(boxes) <= FEW or any(row.dotted for row in rows):
            quarters = quarters or int(runs_up(bgr, rows, ink))
        upright = self._turn(bgr, quarters)
        placed = [turned(box, quarters, width, height) for box in boxes]
        rows = glyph_rows(upright) if quarters else rows
        if _is_display_over(upright, rows, pieces) or (
            boxes and self._is_upside_down(upright, placed, pieces)
        ):
            placed = [turned(box, 2, upright.shape[1], upright.shape[0]) for box in placed]
            quarters += 2
            upright = self._turn(bgr, quarters)
            rows = glyph_rows(upright)
        return upright, placed, quarters, rows

    def _find_all(
        self, bgr: Any, until: float, cancelled: Callable[[], bool]
    ) -> tuple[list[Box], Box | None, tuple[Unread, ...]]:
        """The places of text, where more may stand, None for nowhere, and those parts of a large
        picture for which there was no time."""
        whole = self._find(bgr)
        height, width = bgr.shape[:2]
        where = None if self._watched is None else self._watched.place(width, height)
        if not needs_tiles(whole, max(height, width), LONGEST_SIDE):
            return whole, where, ()
        found: list[Box] = []
        unseen: list[Unread] = []
        for left, top, right, bottom in tiles(width, height):
            if cancelled() or time.monotonic() > until:
                unseen.append(Unread((float(left), float(top), float(right), float(bottom))))
                continue
            part = np.ascontiguousarray(bgr[top:bottom, left:right])
            found += [box + (left, top) for box in self._find(part)]
        return joined(whole, found), where, tuple(unseen)

    def _find(self, bgr: Any) -> list[Box]:
        found = self._engine(bgr, use_det=True, use_cls=False, use_rec=False)
        return [] if found.boxes is None else [np.array(box, np.float64) for box in found.boxes]

    def _turn(self, bgr: Any, quarters: int) -> Any:
        return np.ascontiguousarray(np.rot90(bgr, quarters)) if quarters else bgr

    def _is_upside_down(self, bgr: Any, boxes: Sequence[Box], pieces: PieceReader) -> bool:
        """Ask the classifier about the longest lines; if it doubts, read them both ways."""
        longest = sorted(boxes, key=lambda box: -float(np.ptp(box[:, 0])))[:MOST_JUDGED]
        crops = pieces.crops(bgr, longest)
        _, judged = self._engine.cls_and_rotate(crops)
        doubts = sum(label == "180" for label, _ in judged.cls_res)
        if doubts < min(DOUBTS, len(crops)):
            return False
        upright = sum(score for _, score in pieces.recognize(crops))
        turned_over = pieces.recognize([np.rot90(crop, 2).copy() for crop in crops])
        over = sum(score for _, score in turned_over)
        has_word = any(is_word(text, score) for text, score in turned_over)
        margin = LONE_MARGIN * len(crops) if len(crops) <= LONE and not has_word else 0.0
        return over > max(upright + margin, LEAST_OVER * len(crops))

    def _read_crops(self, crops: Sequence[Any]) -> list[tuple[str, float]]:
        bgr = [np.ascontiguousarray(crop[:, :, ::-1]) for crop in crops]
        found = PieceReader(self._engine).recognize(bgr)
        return [(plain_width(text), score) for text, score in found]

    def _opened_other(self) -> OtherReader | None:
        try:
            return self._open_other()
        except OcrError as error:
            # The doctor tells of it; without it, scripts are named and not read.
            log.info("no second reader: %s", error)
            return None

    def _start(self) -> Any:
        # The package configures a coloured console handler at import and at start.
        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
        files = checked_models()
        try:
            from rapidocr import RapidOCR

            return RapidOCR(
                params={
                    **files,
                    "Global.log_level": "critical",
                    "Det.limit_type": "max",
                    "Det.limit_side_len": LONGEST_SIDE,
                    "Rec.rec_batch_num": 1,
                    "Rec.rec_img_shape": list(LINE_SHAPE),
                    "EngineConfig.onnxruntime.intra_op_num_threads": self._threads,
                    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                }
            )
        except Exception as error:  # as above
            if is_out_of_memory(error):
                raise OcrError("there is not enough memory to read text", MORE_MEMORY) from error
            raise OcrError(
                f"text recognition cannot start ({error})", "reinstall the rapidocr package"
            ) from error


def _is_display_over(bgr: Any, rows: Sequence[GlyphRow], pieces: PieceReader) -> bool:
    """True if segments are figures only on their head, and are read as these then."""
    found = over_rows(bgr, rows)
    crops = pieces.crops(bgr, [row.box for row, _ in found])
    read = pieces.recognize([np.rot90(crop, 2).copy() for crop in crops])
    return any(
        figures_in(text) == said and score >= SURE
        for (text, score), (_, said) in zip(read, found, strict=True)
    )


def _lines(
    readings: Sequence[Reading], quarters: int, width: int, height: int
) -> tuple[TextLine, ...]:
    return tuple(
        TextLine(
            each.text,
            corners_of(turned_back(each.box, quarters, width, height)),
            each.confidence,
        )
        for each in readings
        if each.text
    )


def _unread(
    readings: Sequence[Reading], quarters: int, width: int, height: int
) -> tuple[Unread, ...]:
    found = []
    for each in readings:
        box = turned_back(each.box, quarters, width, height)
        (left, top), (right, bottom) = box.min(axis=0), box.max(axis=0)
        place = (float(left), float(top), float(right), float(bottom))
        found.append(Unread(place, each.script, each.foreign))
    return tuple(found)
