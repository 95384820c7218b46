"""RapidOCR: text lines with boxes and confidences, offline."""

import logging
import threading
import unicodedata
from typing import Any

from assistant.errors import OcrError
from assistant.seeing.text import Point, TextLine
from models.pictures import RgbPicture

LONGEST_SIDE = 960
"""Detection at this size halves the time and finds the same text."""


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
        """Return the lines of a picture (H, W, 3) in the order of detection.

        Raises:
            OcrError: the models are missing, or failed on this picture.
        """
        self.load()
        try:
            found = self._engine(rgb[:, :, ::-1])  # RapidOCR expects OpenCV's order, BGR
        except Exception as error:  # it raises its own and onnxruntime's bare exceptions
            raise OcrError(f"text recognition failed ({error}); try another picture") from error
        if found.boxes is None or found.txts is None or found.scores is None:
            return ()
        return tuple(
            # The models know Chinese and write some brackets and colons in its full width.
            TextLine(unicodedata.normalize("NFKC", str(text)), _corners(box), float(score))
            for text, box, score in zip(found.txts, found.boxes, found.scores, strict=True)
            if str(text).strip()
        )

    def _start(self) -> Any:
        # The package configures a coloured console handler at import and at start.
        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
        try:
            from rapidocr import RapidOCR

            return RapidOCR(
                params={
                    "Global.log_level": "critical",
                    "Det.limit_type": "max",
                    "Det.limit_side_len": LONGEST_SIDE,
                    "EngineConfig.onnxruntime.intra_op_num_threads": self._threads,
                    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                }
            )
        except Exception as error:  # as above, also its download errors
            raise OcrError(
                f"text recognition cannot start ({error}); reinstall the rapidocr package"
            ) from error


def _corners(box: Any) -> tuple[Point, Point, Point, Point]:
    a, b, c, d = ((float(x), float(y)) for x, y in box)
    return a, b, c, d
