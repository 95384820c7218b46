"""A stream on this machine, as a phone's camera app serves it."""

import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest


def noisy(level: int, seed: int = 0) -> Any:
    grain = np.random.default_rng(seed).normal(0, 8, (48, 64, 3))
    return np.clip(level + grain, 0, 255).astype(np.uint8)


class Mjpeg(http.server.BaseHTTPRequestHandler):
    """An MJPEG stream as a phone's camera app serves it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        server: Any = self.server
        count = 0
        while server.streams:
            picture = noisy(server.level, count)
            data = cv2.imencode(".jpg", picture)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + data + b"\r\n")
            except OSError:
                return
            count += 1
            time.sleep(0.02)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def stream() -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mjpeg)
    server.streams, server.level, server.daemon_threads = True, 150, True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.streams = False
    server.shutdown()
    server.server_close()
