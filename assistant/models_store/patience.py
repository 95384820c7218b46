"""An end to servers that keep a line open and send next to nothing.

The network library counts the seconds from one piece to the next. A server that sends one byte, or
one more header, or one more "100 Continue" now and then is never too slow for it.
"""

import socket
import threading
import time
from collections.abc import Mapping
from typing import Any


class Patience:
    """Shuts the connection of one request when too little has come for too long.

    A thread of its own waits; whoever reads then finds the connection closed, and `is_over`.
    """

    def __init__(self, seconds: float, least_bytes: int) -> None:
        """seconds: to wait for the answer to begin, and then for each `least_bytes` of it."""
        self.is_over = False
        self._seconds, self._least_bytes = seconds, least_bytes
        self._until = time.monotonic() + seconds
        self._came = 0
        self._sockets: list[socket.socket] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._wait, name="patience", daemon=True)

    def __enter__(self) -> "Patience":
        self._until = time.monotonic() + self._seconds
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def extensions(self) -> dict[str, Any]:
        """What to give a request, so that its connections are known here."""
        return {"trace": self._trace}

    def came(self, count: int) -> None:
        """Note that bytes of the answer have come, 0 when it has begun."""
        self._came += count
        if not count or self._came >= self._least_bytes:
            self._came, self._until = 0, time.monotonic() + self._seconds

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            connected = info["return_value"].get_extra_info("socket")
            if isinstance(connected, socket.socket):
                self._sockets.append(connected)

    def _wait(self) -> None:
        while not self._done.wait(max(self._until - time.monotonic(), 0.0)):
            if time.monotonic() < self._until:
                continue
            self.is_over = True
            for connected in self._sockets:
                try:
                    connected.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # closed already
            if self._done.wait(0.1):
                return
