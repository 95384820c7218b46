"""A server on this machine that serves files, and misbehaves as it is told."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Manners:
    """How the server behaves; the lists are used up, one entry an answer."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    stated_length: int | None = None
    no_length: bool = False
    endless: bool = False
    ranges: bool = True
    shift_range: int = 0
    etag: str = '"one"'
    redirect: str = ""
    joins_versions: bool = False
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def starts(self) -> list[str | None]:
        """The Range header of each request."""
        return [headers.get("Range") for _, headers in self.requests]


class _Handler(BaseHTTPRequestHandler):
    manners: Manners

    def do_GET(self) -> None:
        manners = self.manners
        manners.requests.append((self.path, dict(self.headers)))
        if manners.redirect:
            self._head(302, Location=manners.redirect)
            return
        if manners.statuses:
            self._head(manners.statuses.pop(0))
            return
        content = manners.files.get(self.path.split("?")[0])
        if content is None:
            self._head(404)
            return
        start = self._start(len(content))
        if start is not None and start >= len(content):
            self._head(416)
            return
        with contextlib.suppress(ConnectionError):
            self._send(content, start)

    def _start(self, length: int) -> int | None:
        """Where the wanted range begins; None for the whole file."""
        wanted = self.headers.get("Range", "")
        if not self.manners.ranges or not wanted.startswith("bytes="):
            return None
        asked = self.headers.get("If-Range", self.manners.etag)
        if asked != self.manners.etag and not self.manners.joins_versions:
            return None
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def _send(self, content: bytes, start: int | None) -> None:
        manners = self.manners
        headers = {"ETag": manners.etag} if manners.etag else {}
        body = content[start or 0 :]
        if start is not None:
            first = start + manners.shift_range
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        if not (manners.no_length or manners.endless):
            headers["Content-Length"] = str(manners.stated_length or len(body))
        if self.path.startswith("/api/"):
            headers["Content-Type"] = "application/json"
        self._head(200 if start is None else 206, **headers)
        if manners.cut_after:
            body = body[: manners.cut_after.pop(0)]
        while True:
            self.wfile.write(body)
            if not manners.endless:
                return

    def _head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status not in (200, 206):
            self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def serving(manners: Manners) -> Iterator[str]:
    """Run the server; yields its address, without a slash at the end."""
    handler = type("Handler", (_Handler,), {"manners": manners})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hub_listing(repository: str, commit: str, files: list[dict[str, object]]) -> bytes:
    """What the hub answers about a repository."""
    return json.dumps({"id": repository, "sha": commit, "siblings": files}).encode()
