"""A camera that is read all the time, so that a question gets what is in front of it now.

One thread (the grabber) owns the source: it opens it, reads it, judges each frame, and opens it
again when it was lost. Drivers hang: opening runs in a thread that is left alone after 5 s, and a
read that takes longer than 3 s counts as lost. What the other threads see is the last few frames,
behind one lock.
"""

import collections
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from assistant.devices.capture import Capture, Opener, open_source
from assistant.devices.streams import without_password
from assistant.errors import CameraError
from assistant.frames import Frame
from assistant.seeing.frame_faults import Fault, FaultFinder
from assistant.seeing.pixels import sharpness

BEST_OF = 5
"""Frames among which the sharpest is given."""

BEST_WITHIN_S = 0.7
"""A sharper frame may be so much older than the newest one, no more: hands move."""

OPEN_LIMIT_S = 5.0
STALL_S = 3.0
"""Without a good frame for this long the camera counts as lost."""

RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0)
FIRST_FRAME_S = 2.0
"""How long `latest` waits for a camera that has only just been opened."""

PACE_S = 0.02
"""Pause after each read, for sources that give the same picture again at once."""

JUDGED_EVERY_S = 0.07
"""Frames in between are read, so that none is old, and dropped: judging them costs too much."""

_SLOW = CameraError("the camera gives no picture yet", "wait a moment, or check its cable")

Report = Callable[[str], None]
Read = tuple[NDArray[np.uint8] | CameraError | None, float]
"""A frame, None, or why there will be no more; and when it was read."""


class Camera:
    """The newest good frames of one source."""

    def __init__(
        self,
        source: str,
        *,
        on_lost: Report | None = None,
        on_back: Report | None = None,
        opener: Opener = open_source,
        open_limit_s: float = OPEN_LIMIT_S,
        stall_s: float = STALL_S,
        retry_s: tuple[float, ...] = RETRY_S,
        judged_every_s: float = JUDGED_EVERY_S,
    ) -> None:
        """Start to open a source; returns at once.

        on_lost, on_back: get one sentence, once each time, from the grabber's thread. `on_back`
            also tells of the first frame after `latest` found none, while nothing was lost.
        """
        self._source = source
        self._on_lost, self._on_back = on_lost, on_back
        self._opener = opener
        self._open_limit_s, self._stall_s, self._retry_s = open_limit_s, stall_s, retry_s
        self._judged_every_s = judged_every_s
        self._frames: collections.deque[tuple[Frame, float]] = collections.deque(maxlen=BEST_OF)
        self._changed = threading.Condition()
        # Kept over every opening: a driver that repeats its last frame does so again.
        self._finder = FaultFinder(still=_is_still(source))
        self._problem = _SLOW
        self._is_lost = self._is_missed = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def latest(self, max_age_s: float) -> Frame:
        """Return the sharpest of the newest frames.

        max_age_s: 2 s at most are honest for a question.

        Raises:
            CameraError: no good frame that young comes; names the cause and the way out.
        """
        until_s = time.monotonic() + FIRST_FRAME_S
        with self._changed:
            while not self._closing.is_set():
                young = self._young(max_age_s)
                if young is not None:
                    return young
                left_s = until_s - time.monotonic()
                if left_s <= 0 or self._is_lost:
                    break
                self._changed.wait(min(left_s, 0.1))
            self._is_missed = True
            raise CameraError(self._problem.cause, self._problem.way_out)

    def close(self) -> None:
        """End the grabber; a driver that hangs is left to the end of the program."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(2 * PACE_S + 0.5)

    def _young(self, max_age_s: float) -> Frame | None:
        if not self._frames:
            return None
        newest_s = self._frames[-1][0].captured_at
        if time.monotonic() - newest_s > max_age_s:
            return None
        near = [each for each in self._frames if newest_s - each[0].captured_at <= BEST_WITHIN_S]
        return max(near, key=lambda each: each[1])[0]

    # The grabber's thread.

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            began = self._frames[-1][0].captured_at if self._frames else 0.0
            try:
                capture = self._open()
                self._grab(capture)
            except CameraError as error:
                self._lose(error)
            except Exception as error:
                # A driver's own exceptions must not end the only thread that can recover.
                logging.getLogger(__name__).info("the camera failed", exc_info=True)
                self._lose(CameraError(f"the camera failed ({error})", "plug it in again"))
            came = bool(self._frames) and self._frames[-1][0].captured_at > began
            failures = 0 if came else failures + 1
            self._closing.wait(self._retry_s[min(failures, len(self._retry_s)) - 1])

    def _open(self) -> Capture:
        """Open the source in a thread of its own, since a busy camera hangs."""
        replies: queue.Queue[Capture | CameraError] = queue.Queue(1)
        abandoned = threading.Event()

        def work() -> None:
            try:
                capture = self._opener(self._source)
            except CameraError as error:
                replies.put(error)
                return
            except Exception as error:
                replies.put(CameraError(f"the camera cannot be opened ({error})", "try another"))
                return
            if abandoned.is_set():
                capture.close()
            else:
                replies.put(capture)

        threading.Thread(target=work, name="camera opening", daemon=True).start()
        try:
            reply = replies.get(timeout=self._open_limit_s)
        except queue.Empty:
            abandoned.set()
            raise CameraError(
                f"camera {without_password(self._source)} does not answer",
                "close the program that uses it, or plug it in again",
            ) from None
        if isinstance(reply, CameraError):
            raise reply
        return reply

    def _grab(self, capture: Capture) -> None:
        """Read until the source is lost or closed."""
        reads: queue.Queue[Read] = queue.Queue(1)
        ended = threading.Event()
        reader = threading.Thread(
            target=_read_all, args=(capture, reads, ended), name="camera reading", daemon=True
        )
        reader.start()
        good_s = time.monotonic()
        fault: Fault | None = None
        try:
            while not self._closing.is_set():
                with contextlib.suppress(queue.Empty):
                    rgb, read_s = reads.get(timeout=min(0.1, self._stall_s / 4))
                    if isinstance(rgb, CameraError):
                        raise rgb
                    fault = Fault.NONE_COMES if rgb is None else self._finder.judge(rgb)
                    if fault is None and rgb is not None:
                        good_s = read_s
                        self._keep(Frame(rgb, read_s))
                    self._closing.wait(self._judged_every_s)
                if time.monotonic() - good_s > self._stall_s:
                    raise CameraError(*(fault or Fault.NONE_COMES).value)
        finally:
            ended.set()

    def _keep(self, frame: Frame) -> None:
        with self._changed:
            self._frames.append((frame, sharpness(frame.rgb)))
            was_missed = self._is_lost or self._is_missed
            self._is_lost = self._is_missed = False
            self._problem = _SLOW
            self._changed.notify_all()
        if was_missed and self._on_back is not None:
            self._on_back("The camera is back.")

    def _lose(self, problem: CameraError) -> None:
        with self._changed:
            was_lost, self._is_lost = self._is_lost, True
            self._problem = problem
            self._changed.notify_all()
        if not was_lost and self._on_lost is not None and not self._closing.is_set():
            was_there = bool(self._frames)
            about = "The camera is lost" if was_there else "There is no picture from the camera"
            self._on_lost(f"{about}: {problem}.")


def _read_all(capture: Capture, reads: "queue.Queue[Read]", ended: threading.Event) -> None:
    """Read in a thread that may hang; a frame that nobody fetched is replaced by the next."""
    try:
        while not ended.is_set():
            rgb: NDArray[np.uint8] | CameraError | None
            try:
                rgb = capture.read()
            except CameraError as error:
                rgb = error
            except Exception:
                # Drivers raise what they like; no frame is what all of it means here.
                logging.getLogger(__name__).info("a frame was not read", exc_info=True)
                rgb = None
            with contextlib.suppress(queue.Empty):
                reads.get_nowait()
            with contextlib.suppress(queue.Full):
                reads.put_nowait((rgb, time.monotonic()))
            if isinstance(rgb, CameraError):
                return
            ended.wait(PACE_S if rgb is not None else 5 * PACE_S)
    finally:
        capture.close()


def _is_still(source: str) -> bool:
    """True for files, in which a frame that equals the one before is no sign of a fault."""
    return not source.strip().isdecimal() and "://" not in source
