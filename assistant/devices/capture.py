"""Where frames come from: a camera's number, a video file, a stream, a picture, a folder.

This file alone knows OpenCV's cameras. A read may block: `assistant.devices.camera` calls it in
a thread of its own.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from assistant.devices.streams import is_address, without_password
from assistant.errors import CameraError
from assistant.seeing.frame_faults import CutFinder, DamageFinder
from models.errors import ModelsError
from models.pictures import load_picture

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")

SLIDE_S = 1.0
"""How long each picture of a folder stands before the camera."""

OPEN_TIMEOUT_MS, READ_TIMEOUT_MS = 5000, 3000
"""What FFmpeg may take for a stream's address."""


class Capture(Protocol):
    """An open source of frames; used by one thread."""

    def read(self) -> NDArray[np.uint8] | None:
        """The next frame (H, W, 3) RGB, or None if there is none now."""
        ...

    def close(self) -> None:
        """Give the source back."""
        ...


Opener = Callable[[str], Capture]


def open_source(source: str) -> Capture:
    """Open a source by what the user calls it; may block for as long as the driver likes.

    Raises:
        CameraError: there is no such camera, file or stream, or it cannot be read.
    """
    _keep_quiet()
    name = source.strip()
    if re.fullmatch(r"\d+", name):
        return _camera(int(name))
    if is_address(name):
        return open_stream(name)
    path = Path(name.removeprefix("file://")).expanduser()
    if path.is_dir():
        return PictureFolder(path)
    if not path.exists():
        raise CameraError(
            f"{source}: there is no such file",
            "give a camera's number, a file, a folder, or an address that begins with http or rtsp",
        )
    if path.suffix.lower() in PICTURES:
        return PictureFile(path)
    return _video(path)


class PictureFile:
    """One picture, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed_ns, self._rgb = 0, _load(path)
        self._changed_ns = path.stat().st_mtime_ns

    def read(self) -> NDArray[np.uint8] | None:
        try:
            changed_ns = self._path.stat().st_mtime_ns
        except OSError:
            return None
        if changed_ns != self._changed_ns:
            # A file that is being written is incomplete; the picture before it stays.
            with contextlib.suppress(CameraError):
                self._rgb = _load(self._path)
                self._changed_ns = changed_ns
        return self._rgb

    def close(self) -> None: ...


class PictureFolder:
    """The pictures of a folder by name, one after the other; the last one stays."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        paths = (path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
        self._paths = sorted(paths)
        if not self._paths:
            raise CameraError(
                f"{folder}: holds no pictures", f"give a folder with {_listed()} files"
            )
        self._clock = clock
        self._began_s = clock()
        self._index, self._rgb = 0, _load(self._paths[0])

    def read(self) -> NDArray[np.uint8] | None:
        wanted = int((self._clock() - self._began_s) / SLIDE_S)
        index = min(wanted, len(self._paths) - 1)
        if index != self._index:
            with contextlib.suppress(CameraError):
                self._rgb = _load(self._paths[index])
            self._index = index
        return self._rgb

    def close(self) -> None: ...


class VideoCapture:
    """Anything that OpenCV opens."""

    def __init__(
        self,
        opened: "cv2.VideoCapture",
        *,
        seconds_per_frame: float = 0.0,
        said: Callable[[], bytes] | None = None,
    ) -> None:
        """seconds_per_frame: pace of a video file, whose last frame stays; 0 for live sources.
        said: what FFmpeg has written since it was last asked; None where nobody listens.
        """
        self._opened = opened
        self._last: NDArray[np.uint8] | None = None
        self._seconds_per_frame = seconds_per_frame
        self._cut = CutFinder()
        self._said = said
        self._damage = DamageFinder()
        self._next_s = time.monotonic()

    def read(self) -> NDArray[np.uint8] | None:
        wait_s = self._next_s - time.monotonic()
        if self._seconds_per_frame and wait_s > 0:
            time.sleep(wait_s)
        self._next_s = max(self._next_s, time.monotonic() - 1.0) + self._seconds_per_frame
        try:
            good, bgr = self._opened.read()
        except cv2.error:
            return self._last
        if not good or bgr is None or bgr.size == 0:
            return self._last
        rgb = np.asarray(bgr[:, :, ::-1], np.uint8, order="C")
        if self._seconds_per_frame:
            self._last = rgb
        elif self._is_damaged() | self._cut.is_cut(rgb):  # both see every frame
            return None
        return rgb

    def _is_damaged(self) -> bool:
        if self._said is None:
            return False
        kind = int(self._opened.get(cv2.CAP_PROP_FRAME_TYPE))
        return self._damage.is_damaged(self._said(), chr(kind) if 32 < kind < 127 else "")

    def close(self) -> None:
        self._opened.release()


def _camera(index: int) -> Capture:
    opened = cv2.VideoCapture(index)
    if not opened.isOpened():
        opened.release()
        raise CameraError(
            f"camera {index} cannot be opened", "plug it in, or close the program that uses it"
        )
    # A driver's queue holds old frames; the grabber wants the newest one.
    opened.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return VideoCapture(opened)


def open_stream(address: str, said: Callable[[], bytes] | None = None) -> Capture:
    """Open what comes from an address.

    said: what FFmpeg has written since it was last asked; None where nobody listens.

    Raises:
        CameraError: no pictures come from there.
    """
    _keep_quiet()
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        OPEN_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        READ_TIMEOUT_MS,
    ]
    if said is not None:
        # What one of several decoders says cannot be laid to any one frame.
        limits += [cv2.CAP_PROP_N_THREADS, 1]
    opened = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    if not opened.isOpened():
        opened.release()
        raise CameraError(
            f"no pictures come from {without_password(address)}",
            "start the stream, or check its address",
        )
    return VideoCapture(opened, said=said)


def _video(path: Path) -> Capture:
    opened = cv2.VideoCapture(os.fspath(path), cv2.CAP_FFMPEG)
    if not opened.isOpened():
        opened.release()
        raise CameraError(f"{path}: is no video or picture that can be read", "give another file")
    rate_hz = opened.get(cv2.CAP_PROP_FPS)
    return VideoCapture(opened, seconds_per_frame=1 / rate_hz if 1 <= rate_hz <= 240 else 0.04)


def _load(path: Path) -> NDArray[np.uint8]:
    try:
        return load_picture(path)
    except ModelsError as error:
        raise CameraError(str(error)) from error


def _listed() -> str:
    return ", ".join(suffix.removeprefix(".") for suffix in PICTURES)


def _keep_quiet() -> None:
    # OpenCV would write its warnings over the screen; what matters of them is raised.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
