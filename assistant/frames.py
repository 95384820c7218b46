"""One picture of a camera or a file, and what gives the newest one."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture and when it was taken.

    rgb:         (H, W, 3) uint8.
    captured_at: seconds of `time.monotonic`.
    """

    rgb: NDArray[np.uint8]
    captured_at: float


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
