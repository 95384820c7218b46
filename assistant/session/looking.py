"""Where a session's frames come from, and the wait for one that a question can be answered from.

While it waits, beeps lead the hand: none while nothing is in view, the faster the nearer it comes.
"""

import time
from collections.abc import Callable

from assistant.answers import Answer
from assistant.errors import UsageError
from assistant.frames import Frame, FrameSource
from assistant.session import phrases
from assistant.session.jobs import Ticket
from assistant.session.pages import OpenFile

MOST_AGE_S = 2.0
"""An older frame is not what is in front of the camera now."""

MOST_KEPT_S = 60.0
"""A good picture that comes later than this does not answer what was asked long before."""

LOOK_EVERY_S = 0.3
"""Pause between two frames that are looked at without anybody asking anew."""

SLOWEST_S, FASTEST_S = 1.2, 0.15
"""From one beep to the next, at the farthest and at the nearest."""


class Eyes:
    """A picture that was opened, or else the camera. Owned by the session's thread."""

    def __init__(self) -> None:
        self.frames: FrameSource | None = None
        self.picture: Frame | None = None
        self.file: OpenFile | None = None
        """The file that the picture is of."""
        self.refused = False
        """True from when a picture that was asked for could not be opened until another is: what
        was open before is another picture, and nothing is answered from it."""
        self.is_lost = False
        """True from when the user was told that the camera is lost until it is back."""

    def look_at(self, file: OpenFile | None, picture: Frame | None) -> None:
        """Look at a page of a file from now on; at what the camera shows where both are None."""
        self.file, self.picture, self.refused = file, picture, False

    def refuse(self) -> None:
        """Look at nothing: what was asked for could not be opened."""
        self.file, self.picture, self.refused = None, None, True

    @property
    def are_open(self) -> bool:
        """True if there is anything to look at, or will be once the camera works."""
        return not self.refused and (self.picture is not None or self.frames is not None)

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


class Beeps:
    """Used by one thread, which shows each frame it has looked at."""

    def __init__(
        self,
        beep: Callable[[], None],
        nearness_of: Callable[[Frame], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Say how to give one beep, and how to judge a frame.

        nearness_of: 0 to 1, or None where nothing is in view; clock: seconds.
        """
        self._beep = beep
        self._nearness_of = nearness_of
        self._clock = clock
        self._last_s: float | None = None

    def lead(self, frame: Frame) -> float | None:
        """Beep if one is due; return the seconds until the next is, or None for silence."""
        nearness = self._nearness_of(frame)
        if nearness is None:
            return None
        # By ratios, as pitch and pace are heard.
        every_s = float(SLOWEST_S * (FASTEST_S / SLOWEST_S) ** min(max(nearness, 0.0), 1.0))
        now_s = self._clock()
        if self._last_s is None or now_s - self._last_s >= every_s:
            self._last_s = now_s
            self._beep()
        return every_s - (now_s - self._last_s)


def good_frame(
    ticket: Ticket,
    first: Frame,
    take: Callable[[], Frame],
    problem_of: Callable[[Frame], Answer | None],
    report: Callable[[Answer], None],
    lead: Callable[[Frame], float | None] = lambda frame: None,
) -> Frame | None:
    """Look until a frame has no problem; None once the job is given up.

    problem_of: one cause and one fix, or None for a good frame.
    report:     gets each problem, the first time only.
    lead:       beeps if what is looked for is near; returns the seconds to the next beep.

    Raises:
        UsageError: no good frame was shown in time.
        CameraError: no frame comes at all.
    """
    reported: set[Answer] = set()
    until = time.monotonic() + MOST_KEPT_S
    frame = first
    while problem := problem_of(frame):
        if time.monotonic() > until:
            raise UsageError(phrases.NO_GOOD_PICTURE)
        if problem not in reported:
            reported.add(problem)
            report(problem)
        beeps_s = lead(frame)
        ticket.sleep(LOOK_EVERY_S if beeps_s is None else min(LOOK_EVERY_S, beeps_s))
        if ticket.cancelled:
            return None
        frame = take()
    return frame
