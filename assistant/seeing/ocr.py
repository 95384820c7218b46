"""RapidOCR: text lines with boxes and confidences, offline, as they are read."""

import logging
import re
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from assistant.errors import OcrError
from assistant.seeing.evening import evened
from assistant.seeing.flattening import flat_page, print_of
from assistant.seeing.gaps import read_apart
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
from assistant.seeing.text import TextLine, TextPart, never
from models.pictures import RgbPicture
from models.system_errors import MORE_MEMORY, is_out_of_memory

LONGEST_SIDE = 960
"""Detection at this size halves the time and finds the same text."""

AT_ONCE = 8
"""Lines that are recognized between two looks at the clock; on two slow cores under a second."""

LIMIT_S = 60.0
"""For `read`, which has nobody to tell of its progress; a dense page takes 13 s."""

LEAST_CONFIDENCE = 0.5
"""What the models read with less is mostly no text; their authors' own limit."""

MOST_JUDGED, DOUBTS = 8, 2
"""The longest lines decide whether a page is upside down. The classifier of single lines is right
too seldom to turn any of them alone; two doubts are reason to look closer."""


_FRACTIONS = re.compile(r"([\u00bc-\u00be\u2150-\u215e])")


def plain_width(text: str) -> str:
    """A text with letters and marks of usual width; a fraction such as ½ stays one character.

    Taken apart, "1½ tablets" would become "11⁄2 tablets".
    """
    parts = _FRACTIONS.split(text)
    return "".join(
        part if _FRACTIONS.fullmatch(part) else unicodedata.normalize("NFKC", part)
        for part in parts
    )


class RapidOcrReader:
    """The PP-OCR models inside the rapidocr wheel, loaded at first use or by `load`."""

    def __init__(self, *, threads: int = 2) -> None:
        """Set how many threads recognition may use; it shares the processor with the model."""
        self._threads = threads
        self._engine: Any = None
        self._loading = threading.Lock()

    def load(self) -> None:
        """Load the models; safe to call from any thread, and again.

        Raises:
            OcrError: rapidocr or one of its model files is missing.
        """
        with self._loading:
            if self._engine is None:
                self._engine = self._start()

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
            lit = evened(rgb) if found.is_page else rgb
            page = flat_page(lit, found)
            seen = lit if page is None else page.rgb
            for part in self._read_parts(seen, began + limit_s, cancelled):
                lines = tuple(read_apart(seen, part.lines, self._read_crops))
                yield replace(part, lines=lines if page is None else tuple(map(page.line, lines)))
        except Exception as error:  # it raises its own and onnxruntime's bare exceptions
            if is_out_of_memory(error):
                raise OcrError("there is not enough memory to read text", MORE_MEMORY) from error
            raise OcrError(f"text recognition failed ({error})", "try another picture") from error

    def _read_parts(
        self, rgb: RgbPicture, until: float, cancelled: Callable[[], bool]
    ) -> Iterator[TextPart]:
        bgr = np.ascontiguousarray(rgb[:, :, ::-1])  # RapidOCR expects OpenCV's order
        boxes = self._find_all(bgr, until, cancelled)
        if not boxes or cancelled():
            return
        height, width = bgr.shape[:2]
        quarters = int(is_turned_by_a_quarter(boxes))
        upright = self._turn(bgr, quarters)
        placed = [turned(box, quarters, width, height) for box in boxes]
        if self._is_upside_down(upright, placed):
            rows, columns = upright.shape[:2]
            placed = [turned(box, 2, columns, rows) for box in placed]
            quarters += 2
            upright = self._turn(bgr, quarters)
        left = len(placed)
        for batch in in_batches(in_reading_order(placed), AT_ONCE):
            if cancelled():
                return
            if left < len(placed) and time.monotonic() > until:
                yield TextPart((), left, late=True)
                return
            left -= len(batch)
            lines = tuple(
                TextLine(text, corners_of(turned_back(box, quarters, width, height)), confidence)
                for box, text, confidence in self._recognize(
                    upright, [placed[number] for number in batch]
                )
            )
            yield TextPart(lines, left)

    def _find_all(self, bgr: Any, until: float, cancelled: Callable[[], bool]) -> list[Box]:
        whole = self._find(bgr)
        height, width = bgr.shape[:2]
        if not needs_tiles(whole, max(height, width), LONGEST_SIDE):
            return whole
        found: list[Box] = []
        for left, top, right, bottom in tiles(width, height):
            if cancelled() or time.monotonic() > until:
                break
            part = np.ascontiguousarray(bgr[top:bottom, left:right])
            found += [box + (left, top) for box in self._find(part)]
        return joined(whole, found)

    def _find(self, bgr: Any) -> list[Box]:
        found = self._engine(bgr, use_det=True, use_cls=False, use_rec=False)
        return [] if found.boxes is None else [np.array(box, np.float64) for box in found.boxes]

    def _turn(self, bgr: Any, quarters: int) -> Any:
        return np.ascontiguousarray(np.rot90(bgr, quarters)) if quarters else bgr

    def _is_upside_down(self, bgr: Any, boxes: Sequence[Box]) -> bool:
        """Ask the classifier about the longest lines; if it doubts, read them both ways."""
        longest = sorted(boxes, key=lambda box: -float(np.ptp(box[:, 0])))[:MOST_JUDGED]
        crops = self._crops(bgr, longest)
        _, judged = self._engine.cls_and_rotate(crops)
        doubts = sum(label == "180" for label, _ in judged.cls_res)
        if doubts < min(DOUBTS, len(crops)):
            return False
        upright = self._engine.recognize_txt(crops).scores
        turned_over = self._engine.recognize_txt([np.rot90(crop, 2).copy() for crop in crops])
        return sum(map(float, turned_over.scores)) > sum(map(float, upright))

    def _recognize(self, bgr: Any, boxes: Sequence[Box]) -> list[tuple[Box, str, float]]:
        found = self._engine.recognize_txt(self._crops(bgr, boxes))
        return [
            # The models know Chinese and write some brackets and colons in its full width.
            (box, plain_width(str(text)), float(score))
            for box, text, score in zip(boxes, found.txts, found.scores, strict=True)
            if str(text).strip() and float(score) >= LEAST_CONFIDENCE
        ]

    def _read_crops(self, crops: Sequence[Any]) -> list[tuple[str, float]]:
        bgr = [np.ascontiguousarray(crop[:, :, ::-1]) for crop in crops]
        found = self._engine.recognize_txt(bgr)
        return [
            (plain_width(str(text)), float(score))
            for text, score in zip(found.txts, found.scores, strict=True)
        ]

    def _crops(self, bgr: Any, boxes: Sequence[Box]) -> list[Any]:
        return list(self._engine.crop_text_regions(bgr, [box.astype(np.float32) for box in boxes]))

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
