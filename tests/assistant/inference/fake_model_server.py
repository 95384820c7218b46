"""A model server on this machine that answers as it is told, byte by byte; it keeps what it got."""

import base64
import contextlib
import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from PIL import Image

PING = b": still here\n\n"
DONE = b"data: [DONE]\n\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def chat(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body)
        return found


class Gone(Exception):
    """Whoever asked has hung up."""


class Caller:
    """The connection to whoever asked."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            try:
                self.connection.sendall(piece)
            except OSError as error:
                raise Gone from error

    def wait(self, seconds: float) -> None:
        """Say nothing for a while; raises Gone as soon as the caller hangs up."""
        self.connection.settimeout(seconds)
        try:
            if not self.connection.recv(1):
                raise Gone
        except TimeoutError:
            return
        except OSError as error:
            raise Gone from error


Manner = Callable[[Caller], None]


def event(text: str | None = None, *, ends: str | None = None, **delta: object) -> bytes:
    """One event of a stream, as a server sends it."""
    said = {**delta} if text is None else {"content": text, **delta}
    choice = {"index": 0, "delta": said, "finish_reason": ends}
    whole = {"id": "1", "object": "chat.completion.chunk", "choices": [choice]}
    return f"data: {json.dumps(whole)}\n\n".encode()


def plain(status: str, body: bytes, *headers: str) -> bytes:
    """A whole answer that is no stream."""
    kind = "Content-Type: application/json"
    lines = (f"HTTP/1.1 {status}", kind, f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def says(*pieces: str) -> Manner:
    """Answer in these pieces, as a server does that works."""

    def answer(caller: Caller) -> None:
        caller.send(STREAM, event(role="assistant", content=None))
        for piece in pieces:
            caller.send(event(piece))
        caller.send(event(ends="stop"), DONE)

    return answer


def sends(*pieces: bytes) -> Manner:
    """Send these bytes and hang up."""
    return lambda caller: caller.send(*pieces)


def stalls(*pieces: bytes) -> Manner:
    """Send these bytes, then nothing, until whoever asked hangs up."""

    def answer(caller: Caller) -> None:
        caller.send(*pieces)
        caller.wait(60)

    return answer


@dataclass
class ModelServer:
    """What it answers to a question, which models it has, and what came."""

    manner: Manner = field(default_factory=lambda: says("It is ", "a cup."))
    models: tuple[str, ...] = ("tiny",)
    sees: bool = True
    """Whether it tells the colour of a picture that has only one."""
    lists: Manner | None = None
    asked: list[Asked] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when somebody hung up before the answer was over."""
    connections: int = 0
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def questions(self) -> list[Asked]:
        """What was asked, without the two plain pictures that show whether it sees."""
        asked = [each for each in self.asked if each.method == "POST"]
        return [each for each in asked if not _test_colour(each.body)]

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, Gone):
            connection.settimeout(10)
            asked = _read(connection)
            self.asked.append(asked)
            caller = Caller(connection)
            if asked.method == "GET":
                (self.lists or sends(plain("200 OK", _listing(self.models))))(caller)
                return
            colour = _test_colour(asked.body) if self.sees else ""
            try:
                (says(colour) if colour else self.manner)(caller)
            except Gone:
                self.gone.set()

    def run(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()


def _test_colour(body: bytes) -> str:
    """The colour of a plain picture in a question; "" where there is none, or it is not plain."""
    found = re.search(rb"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", body)
    if found is None:
        return ""
    picture = Image.open(io.BytesIO(base64.b64decode(found[1])))
    if max(high - low for low, high in picture.getextrema()) > 5:
        return ""
    red, _, blue = picture.getpixel((0, 0))
    return "Red." if red > blue else "It is blue."


def _listing(models: tuple[str, ...]) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name} for name in models]}).encode()


def _read(connection: socket.socket) -> Asked:
    came = b""
    while b"\r\n\r\n" not in came:
        part = connection.recv(65536)
        if not part:
            raise Gone
        came += part
    head, _, body = came.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    while len(body) < int(headers.get("Content-Length", "0")):
        body += connection.recv(65536)
    method, path, _ = first.split(" ")
    return Asked(method, path, headers, body)


@contextlib.contextmanager
def serving(**how: object) -> Iterator[ModelServer]:
    """Run a server until the end of the block."""
    server = ModelServer(**how)  # type: ignore[arg-type]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server.port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, args=(listening,), daemon=True)
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def until(true: Callable[[], object], limit_s: float = 5.0) -> None:
    """Wait until something holds."""
    last_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < last_s, "it did not happen in time"
        time.sleep(0.01)
