"""The process that reads a stream: FFmpeg in a room of its own; `stream_keeper` starts it.

It keeps the newest frame, and sends it through the Unix socket that is its standard input when it
is asked for. `streams` says what is sent. It ends at once when nobody holds the other end.
"""

import contextlib
import os
import queue
import select
import socket
import sys
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from assistant.devices.capture import READ_TIMEOUT_MS, Capture, open_stream
from assistant.devices.streams import ADDRESS_VARIABLE, FAILED, FRAME, HEADER, NO_FRAME, OPENED
from assistant.errors import CameraError

FAILED_PAUSE_S = 0.1
"""After a read that gave nothing, which may come back at once."""

MOST_SAID_BYTES = 1_000_000
"""The pipe holds less; a decoder that writes while it is read must not keep the reader."""

Newest = queue.Queue[NDArray[np.uint8] | None]


def main() -> int:
    """Open the address, say so, and send frames."""
    channel = socket.socket(fileno=os.dup(0))
    threading.Thread(target=_end_with, args=(channel.fileno(),), daemon=True).start()
    try:
        capture = open_stream(os.environ[ADDRESS_VARIABLE], own_errors())
    except CameraError as error:
        cause, way_out = error.cause.encode(), error.way_out.encode()
        channel.sendall(HEADER.pack(FAILED, len(cause), len(way_out)) + cause + way_out)
        return 1
    channel.sendall(HEADER.pack(OPENED, 0, 0))
    newest: Newest = queue.Queue(1)
    # Read all the time: what waits in FFmpeg grows old.
    threading.Thread(target=_read, args=(capture, newest), daemon=True).start()
    with contextlib.suppress(OSError):
        while channel.recv(1):
            try:
                rgb = newest.get(timeout=READ_TIMEOUT_MS / 1000)
            except queue.Empty:
                rgb = None
            if rgb is None:
                channel.sendall(HEADER.pack(NO_FRAME, 0, 0))
                continue
            height, width = rgb.shape[:2]
            channel.sendall(HEADER.pack(FRAME, height, width))
            channel.sendall(rgb.data)
    return 0


def own_errors() -> Callable[[], bytes]:
    """Catch what this process writes as errors; gives what came since it was last asked.

    FFmpeg tells nobody but its standard error that it had to mend a frame.
    """
    told, tells = os.pipe()
    for end in (told, tells):
        # A full pipe loses words rather than to hold the decoder.
        os.set_blocking(end, False)
    os.dup2(tells, 2)
    os.close(tells)

    def said() -> bytes:
        words = bytearray()
        with contextlib.suppress(BlockingIOError):
            while len(words) < MOST_SAID_BYTES:
                words += os.read(told, 65_536)
        return bytes(words)

    return said


def _end_with(number: int) -> None:
    """End this process when the other end is closed, whatever its other threads hang in."""
    poller = select.poll()
    poller.register(number, select.POLLRDHUP)
    poller.poll()
    os._exit(0)


def _read(capture: Capture, newest: Newest) -> None:
    pause = threading.Event()
    while True:
        rgb = capture.read()
        with contextlib.suppress(queue.Empty):
            newest.get_nowait()
        with contextlib.suppress(queue.Full):
            newest.put_nowait(rgb)
        if rgb is None:
            pause.wait(FAILED_PAUSE_S)


if __name__ == "__main__":
    sys.exit(main())
