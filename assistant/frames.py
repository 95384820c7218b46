"""One picture of a camera or a file, and what gives the newest one."""

import re
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_NUMBER_OF = (
    r"(?:page|pg\.?|p\.?|sheet|seite|blatt|pagina|p\u00e1gina)? ?(\d{1,4}) ?"
    r"(?:of|/|von|de|di|sur|van) ?(\d{1,4})"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Which page of a file a picture is, from 1; a picture file has one page."""

    page: int = 1
    pages: int = 1

    @property
    def name(self) -> str:
        """Such as "Page 2 of 5"; "" where there is only one."""
        return f"Page {self.page} of {self.pages}" if self.pages > 1 else ""

    def is_named_by(self, line: str) -> bool:
        """True for a printed line that says nothing but this page's number of so many."""
        words = re.fullmatch(_NUMBER_OF, line.strip(" .-\u2013|[]()").lower())
        return words is not None and (int(words[1]), int(words[2])) == (self.page, self.pages)


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture and when it was taken.

    rgb:         (H, W, 3) uint8.
    captured_at: seconds of `time.monotonic`.
    sheet:       the page of a file that it is, which shows nothing else a moment later; None of a
                 camera.
    """

    rgb: NDArray[np.uint8]
    captured_at: float
    sheet: Sheet | None = None


class FrameSource(Protocol):
    """Anything that has pictures: a camera, a file, a folder, a video, a stream."""

    def latest(self, max_age_s: float) -> Frame:
        """Return a frame that is at most so many seconds old.

        Raises:
            CameraError: there is none; the message names the cause and the way out.
        """
        ...

    def close(self) -> None:
        """Give the device back."""
        ...
