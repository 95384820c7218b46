"""Lines of text in a picture, as any text recognizer gives them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from models.pictures import RgbPicture

Point = tuple[float, float]

LEAST_SURE = 0.75
"""Confidence of a line from which it counts as read; what is below it is a guess."""

UNSURE = 0.6
"""Confidence at most of a line that was read differently at another look."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """One recognized line.

    box:        four corners (x, y) in pixels of the picture, in reading direction: left top,
                right top, right bottom, left bottom.
    confidence: 0 to 1.
    flat_box:   the corners on the paper when it is laid flat, if the picture shows it bent.
    """

    text: str
    box: tuple[Point, Point, Point, Point]
    confidence: float
    flat_box: tuple[Point, Point, Point, Point] | None = None

    @property
    def is_sure(self) -> bool:
        """True if it counts as read."""
        return self.confidence >= LEAST_SURE

    @property
    def centre(self) -> Point:
        """Mean of the corners."""
        return sum(x for x, _ in self.box) / 4, sum(y for _, y in self.box) / 4

    @property
    def height(self) -> float:
        """Length of the left edge, in pixels."""
        return math.dist(self.box[0], self.box[3])

    @property
    def angle(self) -> float:
        """Direction of the upper edge against the picture's rows, in radians."""
        (x0, y0), (x1, y1) = self.box[0], self.box[1]
        return math.atan2(y1 - y0, x1 - x0)


@dataclass(frozen=True, slots=True)
class Unread:
    """A place that looks like text and could not be read.

    box:    left, top, right, bottom in pixels of the picture.
    script: the writing that it looks like, such as "Cyrillic"; "" if nothing is known of it.
    foreign: True if it looks like a script that the installed models cannot read.
    """

    box: tuple[float, float, float, float]
    script: str = ""
    foreign: bool = False

    def lies_in(self, other: "Unread") -> bool:
        """True if more than half of it lies in another place."""
        left, top = max(self.box[0], other.box[0]), max(self.box[1], other.box[1])
        right, bottom = min(self.box[2], other.box[2]), min(self.box[3], other.box[3])
        own = (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])
        return max(right - left, 0.0) * max(bottom - top, 0.0) > own / 2


@dataclass(frozen=True, slots=True)
class TextPart:
    """Some lines of a picture, and how many places that look like text are still unread.

    late:     True if the time ran out; what remains is not going to be read.
    more:     True if all places were read once and a second look follows, which may add lines.
    unread:   places that could not be read, known after the last look.
    mirrored: True if the text is seen in a mirror. It was read after the picture was flipped, and
              boxes are those of the flipped picture.
    """

    lines: tuple[TextLine, ...]
    remaining: int
    late: bool = False
    more: bool = False
    unread: tuple[Unread, ...] = ()
    mirrored: bool = False


def never() -> bool:
    """For work that nobody cancels."""
    return False


class TextReader(Protocol):
    """Anything that finds lines of text in a picture."""

    def load(self) -> None:
        """Load the models now rather than at the first picture; may be called again."""
        ...

    def read(self, rgb: RgbPicture) -> tuple[TextLine, ...]:
        """Return the lines of a picture (H, W, 3), in any order."""
        ...

    def parts(
        self, rgb: RgbPicture, *, limit_s: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[TextPart]:
        """Give the lines of a picture as they are read, roughly in reading order.

        limit_s:   seconds after which no further part is begun.
        cancelled: asked before each part; once it is true, nothing more comes.
        """
        ...
