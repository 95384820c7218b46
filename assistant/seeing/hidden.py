"""Text under a reflection: which lines end in it, and whether enough is left to be read."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.seeing.exposure import glare_spot, reflections_in
from assistant.seeing.pixels import shrunk
from assistant.seeing.text import UNSURE, TextLine, TextPart, Unread
from models.pictures import RgbPicture

WORKING_SIDE = 512
"""Pixels of the longer side on which the reflection is measured, as in the quality gate."""

LEAST_READABLE = 12
"""Letters and figures that are read surely, from which a picture with a reflection is legible."""

REACH = 1.0
"""Heights of a line around it in which a reflection may hide its end."""

SMALL_SIDE = 640
"""The same for reflections that are too small for the gate."""

MOST_INSIDE = 0.5
"""Part of a line that may be read in the midst of a burnt spot: under a reflection none is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reflection:
    """A burnt spot in a picture.

    mask: (h, w), a small copy of the picture; scale: its pixels for one of the picture's.
    """

    mask: NDArray[np.bool_]
    scale: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in pixels of the picture."""
        rows, columns = np.nonzero(self.mask)
        edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        left, top, right, bottom = (float(edge) / self.scale for edge in edges)
        return left, top, right, bottom

    def touches(self, line: TextLine) -> bool:
        """True if it may hide a part of a line."""
        reach = REACH * line.height
        xs, ys = zip(*line.box, strict=True)
        left, right = (round(x * self.scale) for x in (min(xs) - reach, max(xs) + reach))
        top, bottom = (round(y * self.scale) for y in (min(ys), max(ys)))
        return bool(self.mask[max(top, 0) : bottom + 1, max(left, 0) : right + 1].any())

    def doubted(self, lines: Sequence[TextLine]) -> tuple[TextLine, ...]:
        """The lines; those that it touches are not sure."""
        return tuple(
            dataclasses.replace(line, confidence=min(line.confidence, UNSURE))
            if self.touches(line)
            else line
            for line in lines
        )

    def holds(self, line: TextLine) -> bool:
        """True if a line was read in the midst of it: it is bright paper and hides nothing."""
        xs, ys = (np.array(each) * self.scale for each in zip(*line.box, strict=True))
        left, right = round(float(xs.min())), round(float(xs.max())) + 1
        top, bottom = round(float(ys.min())), round(float(ys.max())) + 1
        under = self.mask[max(top, 0) : bottom, max(left, 0) : right]
        return bool(under.size) and float(under.mean()) > MOST_INSIDE


class Reflections:
    """What the reflections in a picture hide of its text, told while it is read."""

    def __init__(self, rgb: RgbPicture) -> None:
        """rgb: the picture (H, W, 3) that is read."""
        self._rgb = rgb
        self._found: list[Reflection] | None = None
        self._touching: set[int] = set()

    def judged(self, part: TextPart) -> TextPart:
        """A part of the text: lines that a reflection touches are not sure.

        The last part tells the reflections beside text as places that could not be read. A page
        that is seen in a mirror stays as it is, since its boxes are those of the flipped picture.
        """
        if part.mirrored or (self._found is None and not part.lines):
            return part  # they are not looked for where there is nothing to hide
        spots = [
            spot for spot in self._spots() if not any(map(spot.holds, filter(_is_sure, part.lines)))
        ]
        self._found = spots
        lines = part.lines
        for spot in spots:
            if any(map(spot.touches, lines)):
                self._touching.add(id(spot))
                lines = spot.doubted(lines)
        unread = part.unread
        if part.late or (not part.more and not part.remaining):
            beside = (spot for spot in spots if id(spot) in self._touching)
            unread = (*unread, *(Unread(spot.box) for spot in beside))
        return dataclasses.replace(part, lines=lines, unread=unread)

    def _spots(self) -> list[Reflection]:
        if self._found is None:
            small = shrunk(self._rgb, SMALL_SIDE)
            scale = small.shape[1] / self._rgb.shape[1]
            spots = reflections_in(small.astype(np.float32))
            self._found = [Reflection(spot, scale) for spot in spots]
        return self._found


def _is_sure(line: TextLine) -> bool:
    return line.is_sure


def reflection(rgb: RgbPicture) -> Reflection | None:
    """The reflection in a picture (H, W, 3), or None."""
    small = shrunk(rgb, WORKING_SIDE)
    mask = glare_spot(small.astype(np.float32))
    return None if mask is None else Reflection(mask, small.shape[1] / rgb.shape[1])


def is_legible(lines: Sequence[TextLine]) -> bool:
    """True if enough of a text is read surely."""
    return sum(map(str.isalnum, "".join(line.text for line in lines if line.is_sure))) >= (
        LEAST_READABLE
    )
