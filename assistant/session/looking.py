"""Where a session's frames come from, and the wait for one that a question can be answered from."""

import time
from collections.abc import Callable

from assistant.errors import UsageError
from assistant.frames import Frame, FrameSource
from assistant.session import phrases
from assistant.session.worker import Ticket

MOST_AGE_S = 2.0
"""An older frame is not what is in front of the camera now."""

MOST_KEPT_S = 60.0
"""A good picture that comes later than this does not answer what was asked long before."""

LOOK_EVERY_S = 0.3
"""Pause between two frames that are looked at without anybody asking anew."""


class Eyes:
    """A picture that was opened, or else the camera. Owned by the session's thread."""

    def __init__(self) -> None:
        self.frames: FrameSource | None = None
        self.picture: Frame | None = None

    @property
    def are_open(self) -> bool:
        """True if there is anything to look at, or will be once the camera works."""
        return self.picture is not None or self.frames is not None

    @property
    def are_live(self) -> bool:
        """True if the next frame may show something else."""
        return self.picture is None and self.frames is not None

    def taker(self) -> Callable[[], Frame]:
        """What the worker calls for a frame, of the picture or the camera that is used now.

        Raises:
            UsageError: there is neither. The function itself raises CameraError.
        """
        picture, frames = self.picture, self.frames
        if picture is not None:
            return lambda: picture
        if frames is None:
            raise UsageError(phrases.NO_PICTURE_TO_READ)
        return lambda: frames.latest(MOST_AGE_S)


def good_frame(
    ticket: Ticket,
    first: Frame,
    take: Callable[[], Frame],
    problem_of: Callable[[Frame], str],
    tell: Callable[[str], None],
    lead: Callable[[Frame], float | None] = lambda frame: None,
) -> Frame | None:
    """Look until a frame has no problem; None once the job is given up.

    problem_of: one cause and one fix, or "" for a good frame.
    tell:       gets each problem, the first time only.
    lead:       beeps if what is looked for is near; returns the seconds to the next beep.

    Raises:
        UsageError: no good frame was shown in time.
        CameraError: no frame comes at all.
    """
    told: set[str] = set()
    until = time.monotonic() + MOST_KEPT_S
    frame = first
    while problem := problem_of(frame):
        if time.monotonic() > until:
            raise UsageError(phrases.NO_GOOD_PICTURE)
        if problem not in told:
            told.add(problem)
            tell(problem)
        beeps_s = lead(frame)
        ticket.sleep(LOOK_EVERY_S if beeps_s is None else min(LOOK_EVERY_S, beeps_s))
        if ticket.cancelled:
            return None
        frame = take()
    return frame
