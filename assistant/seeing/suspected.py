"""Where the detector suspects text, however faintly: what a second look can be spared.

The detector's answer is a map of how likely each place is text, of which only clear places become
boxes. What a second look adds, digits of segments, dots and faint letters, has left at least a
trace there, or stands beside such a trace; on most photographs without text the map is empty.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.page_boxes import Box

SUSPECTED, TRACE = 0.25, 0.1
"""How likely a place must be text at least somewhere, and from which its surroundings count. Of
displays and dots that the first look misses the faintest has 0.66 somewhere."""

AROUND = 0.1
"""Parts of the longer side of a picture around all traces in which more may stand."""

PADDED_LOW, PADDED_WIDE = 30, 8
"""Pixels of height, and widths in heights, beyond which the detector is shown a wider ground."""


class Watched:
    """The last step of a detector, which makes boxes of its map; it keeps the map."""

    def __init__(self, step: Any) -> None:
        """step: takes the map, (1, 1, h, w) from 0 to 1, and the picture's height and width."""
        self._step = step
        self._map: NDArray[np.float32] | None = None

    def __call__(self, seen: NDArray[np.float32], shape: tuple[int, int]) -> Any:
        """What the step itself gives."""
        self._map = seen[0, 0]
        return self._step(seen, shape)

    def place(self, width: int, height: int) -> Box | None:
        """Where more text may stand in the picture of this size that was looked at last.

        The corners of an upright rectangle, (4, 2); None where nothing is suspected.
        """
        seen = self._map
        if seen is None or float(seen.max()) < SUSPECTED:
            return None
        left, top, right, bottom = 0.0, 0.0, float(width), float(height)
        if height > PADDED_LOW and width <= PADDED_WIDE * height:
            rows, columns = np.nonzero(seen >= TRACE)
            across, down = width / seen.shape[1], height / seen.shape[0]
            margin = AROUND * max(width, height)
            left = max(left, float(columns.min()) * across - margin)
            top = max(top, float(rows.min()) * down - margin)
            right = min(right, float(columns.max() + 1) * across + margin)
            bottom = min(bottom, float(rows.max() + 1) * down + margin)
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def watched(engine: Any) -> Watched:
    """Put a watch on the detector of a `rapidocr.RapidOCR`, which loads it."""
    blank = np.full((64, 64, 3), 255, np.uint8)
    engine(blank, use_det=True, use_cls=False, use_rec=False)  # its models are loaded at first use
    found = Watched(engine.text_det.postprocess_op)
    engine.text_det.postprocess_op = found
    return found
