"""A stream's address, and the two processes that may still call it when the program may not.

The program gives up internet sockets for good, but a stream must be opened again whenever it was
lost. So a keeper is started first: a small process that does nothing but start a reader, again
and again, for the one address that it was given. A reader holds FFmpeg, and sends frames through a
Unix socket; when it crashes or hangs, the next one takes its place.

    program --- a socket's other end --> keeper --- starts with it --> reader
    program <------------------------- frames ------------------------ reader

Linux only: elsewhere nothing is given up, and a stream is opened as every other source.
"""

import contextlib
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.errors import CameraError

ADDRESS_VARIABLE = "SIGHTLINE_STREAM"
"""Holds the address for both processes: an argument, with its password, could be read by all."""

KEEPER = (sys.executable, "-m", "assistant.devices.stream_keeper")

HEADER = struct.Struct("<BII")
"""What comes, and its height and width, or the lengths in bytes of cause and way out."""

OPENED, FAILED, FRAME, NO_FRAME = range(4)
NEXT = b"n"
"""Asks a reader for a frame that is newer than the last."""

OPEN_LIMIT_S, READ_LIMIT_S = 15.0, 8.0
"""For a reader that hangs; FFmpeg's own limits are shorter, and so are the camera's."""

PAUSE_S = 0.05
"""Between two frames: fetching more than are judged would only cost."""

MOST_POINTS = 100_000_000
MOST_WORDS_BYTES = 10_000

_NO_KEEPER = ("the process that may read the stream has ended", "end Sightline and start it again")
_NO_READER = ("the process that reads the stream has ended", "it is started again")
"""Cause and way out."""


def is_address(source: str) -> bool:
    """True for a source that is reached through the network."""
    return re.match(r"(?:rtsp|rtmp|https?|udp)://", source.strip()) is not None


def without_password(address: str) -> str:
    """An address as it may be shown and spoken."""
    return re.sub(r"//[^/@]*@", "//", address)


class StreamKeeper:
    """The process that keeps the right; to be made before the right is given up."""

    def __init__(self, address: str, command: Sequence[str] = KEEPER) -> None:
        """Start it; where that fails, `open` says so.

        command: what to run; tests run something else.
        """
        self._channel, theirs = socket.socketpair()
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.closing(theirs), contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, ADDRESS_VARIABLE: address.strip()},
                # Ctrl+C is for the assistant; this process ends with its input.
                start_new_session=True,
            )

    def open(self, source: str) -> "StreamCapture":
        """Open the stream in a new reader; `source` must be the keeper's address.

        Raises:
            CameraError: no pictures come from there, or one of the processes has ended.
        """
        if not self._is_there():
            raise CameraError(*_NO_KEEPER)
        ours, theirs = socket.socketpair()
        with contextlib.closing(theirs):
            try:
                socket.send_fds(self._channel, [NEXT], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise CameraError(*_NO_KEEPER) from error
        return StreamCapture(ours, self._is_there)

    def close(self) -> None:
        """End the keeper; readers end with their own sockets."""
        self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _is_there(self) -> bool:
        return self._process is not None and self._process.poll() is None


class StreamCapture:
    """The frames of one reader; used by one thread."""

    def __init__(
        self, channel: socket.socket, has_keeper: Callable[[], bool] = lambda: True
    ) -> None:
        """Wait until the reader has opened the stream.

        has_keeper: says whether another reader could take its place.

        Raises:
            CameraError: it could not, or has ended.
        """
        self._channel = channel
        self._has_keeper = has_keeper
        self._next_s = 0.0
        try:
            channel.settimeout(OPEN_LIMIT_S)
            kind, *lengths = self._header()
            if kind == FAILED and sum(lengths) <= MOST_WORDS_BYTES:
                cause, way_out = (self._receive(length).decode() for length in lengths)
                raise CameraError(cause, way_out)
            if kind != OPENED:
                raise self._ended()
            channel.settimeout(READ_LIMIT_S)
        except CameraError:
            self.close()
            raise

    def read(self) -> NDArray[np.uint8] | None:
        """The next frame (H, W, 3) RGB, or None if there is none now.

        Raises:
            CameraError: the reader has ended, or hangs.
        """
        time.sleep(max(0.0, self._next_s - time.monotonic()))
        self._next_s = time.monotonic() + PAUSE_S
        try:
            self._channel.sendall(NEXT)
        except OSError as error:
            raise self._ended() from error
        kind, height, width = self._header()
        if kind == NO_FRAME:
            return None
        if kind != FRAME or not 0 < height * width <= MOST_POINTS:
            raise self._ended()
        return np.frombuffer(self._receive(height * width * 3), np.uint8).reshape(height, width, 3)

    def close(self) -> None:
        """End the reader."""
        self._channel.close()

    def _ended(self) -> CameraError:
        return CameraError(*(_NO_READER if self._has_keeper() else _NO_KEEPER))

    def _header(self) -> tuple[int, int, int]:
        kind, first, second = HEADER.unpack(self._receive(HEADER.size))
        return kind, first, second

    def _receive(self, length: int) -> bytearray:
        """So many bytes; raises CameraError where they do not come."""
        whole = bytearray(length)
        left = memoryview(whole)
        while left:
            try:
                count = self._channel.recv_into(left)
            except OSError as error:  # also where none come in time
                raise self._ended() from error
            if not count:
                raise self._ended()
            left = left[count:]
        return whole
