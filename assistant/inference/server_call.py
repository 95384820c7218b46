"""One call to a model server in OpenAI's form: HTTP with a bound and a time for everything.

By the standard library's `http.client`: it opens one connection to the one address it is given,
and there is nothing in it that follows another address, looks for a proxy in the environment or
keeps a cookie. What is built on it, or in its place, has these and would have to be switched off.

The server may be anything: it can lie about lengths, send one endless line, or one byte a minute.
Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

import contextlib
import http.client
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from assistant.inference.server_address import ServerAddress
from assistant.inference.server_wire import Fault, FaultKind, Limits
from models.files.bounded import FormatError, parse_json
from models.plain_text import escaped

MOST_LINE_BYTES = 256 * 1024
MOST_STREAM_BYTES = 8 * 1024**2
MOST_CHARACTERS = 4000
"""Of one answer: four minutes of speech. A server that was asked for less and sends more does not
stop by itself."""

MOST_LIST_BYTES, MOST_SAID_BYTES = 1024**2, 64 * 1024
MOST_NAMES = 200
LONGEST_NAME = 200
LONGEST_SAID = 200
"""Characters of a server's own words about a fault that are repeated."""

_LOOK_EVERY_S = 0.1
_PIECE_BYTES = 64 * 1024
_HEADERS = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "sightline"}


class Guard:
    """Breaks a connection once nobody wants its answer any more, or its time is over.

    A time-out of the socket would not do: it begins anew with every byte.
    """

    def __init__(self, asker: socket.socket, limits: Limits) -> None:
        """asker: is closed at its other end by who does not want the answer any more."""
        self._asker = asker
        self._last_s = time.monotonic() + limits.whole_s
        self._until_s = self._last_s
        self._late = FaultKind.SLOW_FIRST
        self._ended = threading.Event()
        self.fault: FaultKind | None = None
        """Why it broke the connection; None if it did not, or nobody wants to know."""

    def allow(self, seconds: float, late: FaultKind) -> None:
        """Wait so long from now on; `late` is the matter if nothing comes."""
        self._late = late
        self._until_s = time.monotonic() + seconds

    @contextlib.contextmanager
    def over(self, connection: socket.socket) -> Iterator[None]:
        """Watch a connection in a thread of its own."""
        # Second holds, which are the thread's: it is not waited for, and the first one of the
        # connection may be inside a call of TLS.
        held = connection.dup(), self._asker.dup()
        threading.Thread(target=self._watch, args=held, daemon=True).start()
        try:
            yield
        finally:
            self._ended.set()

    def _watch(self, connection: socket.socket, asker: socket.socket) -> None:
        with connection, asker:
            while not self._ended.is_set():
                # Nothing more is said at that end, so that what can be read there is its end.
                if select.select([asker], [], [], _LOOK_EVERY_S)[0]:
                    break
                now = time.monotonic()
                if now > min(self._until_s, self._last_s):
                    self.fault = self._late if now <= self._last_s else FaultKind.ENDLESS
                    break
            if not self._ended.is_set():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def model_names(address: ServerAddress, limits: Limits, asker: socket.socket) -> tuple[str, ...]:
    """The names of the models that a server has.

    Raises:
        Fault: it does not answer in time, or not in the form that it should.
    """
    with _answer(address, "GET", "/models", None, limits, asker) as (response, _):
        body = response.read(MOST_LIST_BYTES + 1)
    if len(body) > MOST_LIST_BYTES:
        raise Fault(FaultKind.OTHER_FORM, "its list of models has no end")
    entries = _fields(body, "its list of models").get("data")
    if not isinstance(entries, list) or len(entries) > MOST_NAMES:
        raise Fault(FaultKind.OTHER_FORM, "its list of models")
    return tuple(_name(entry) for entry in entries)


def _name(entry: Any) -> str:
    name = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise Fault(FaultKind.OTHER_FORM, "a name in its list of models")
    return name


def chat_words(
    address: ServerAddress, body: Mapping[str, Any], limits: Limits, asker: socket.socket
) -> Iterator[str]:
    """The words of an answer as they come; thoughts that a server sends apart are left out.

    Raises:
        Fault: as for `model_names`; words may have come before.
    """
    sent = json.dumps({**body, "stream": True}).encode()
    said = 0
    with _answer(address, "POST", "/chat/completions", sent, limits, asker) as (response, guard):
        kind = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            raise Fault(FaultKind.OTHER_FORM, "it sends its answer in another form")
        finished = False
        for line in _lines(response):
            if not line.startswith(b"data:"):
                continue  # a comment that keeps the connection alive, or the kind of an event
            data = line[5:].strip()
            if data == b"[DONE]":
                return
            words, is_life, ends = _piece(data)
            finished = finished or ends
            if is_life:
                guard.allow(limits.next_s, FaultKind.SLOW_NEXT)
            said += len(words)
            if said > MOST_CHARACTERS:
                raise Fault(FaultKind.ENDLESS)
            if words:
                yield words
        if not finished:
            raise Fault(FaultKind.BROKE_OFF)


@contextlib.contextmanager
def _answer(
    address: ServerAddress,
    method: str,
    path: str,
    body: bytes | None,
    limits: Limits,
    asker: socket.socket,
) -> Iterator[tuple[http.client.HTTPResponse, Guard]]:
    """The answer to one request, judged by its head; every trouble becomes a Fault."""
    guard = Guard(asker, limits)
    try:
        with _connected(address, limits) as plain, guard.over(plain):
            guard.allow(limits.first_s, FaultKind.SLOW_FIRST)
            connection = http.client.HTTPConnection(address.host, address.port)
            connection.sock = _secured(address, plain, limits)
            with contextlib.closing(connection):
                kinds = {"Content-Type": "application/json", "Accept": "text/event-stream"}
                headers = _HEADERS if body is None else {**_HEADERS, **kinds}
                connection.request(method, address.path + path, body, headers)
                with connection.getresponse() as response:
                    _judge(response)
                    yield response, guard
    except (http.client.HTTPException, OSError, ValueError) as error:
        if guard.fault is not None:
            raise Fault(guard.fault) from error
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            said = getattr(error, "verify_message", "") or error.reason or ""
            raise Fault(FaultKind.NOT_TRUSTED, said) from error
        broken = (http.client.IncompleteRead, http.client.RemoteDisconnected, OSError)
        if isinstance(error, broken):
            raise Fault(FaultKind.BROKE_OFF) from error
        raise Fault(FaultKind.OTHER_FORM, "its answer is no HTTP") from error
    except Fault as fault:
        # A connection that the guard has broken ends like one that the server broke.
        if guard.fault is not None and fault.kind is FaultKind.BROKE_OFF:
            raise Fault(guard.fault) from fault
        raise


def _connected(address: ServerAddress, limits: Limits) -> socket.socket:
    """A connection to the address; to none that it would name itself."""
    until_s = time.monotonic() + limits.connect_s
    trouble: OSError | UnicodeError | None = None
    for number in address.numbers:
        left_s = max(0.1, until_s - time.monotonic())
        try:
            return socket.create_connection((number, address.port), left_s)
        except (OSError, UnicodeError) as error:
            # Of "localhost", the first of the two is what a server usually has.
            trouble = trouble or error
    assert trouble is not None
    if isinstance(trouble, ConnectionRefusedError):
        raise Fault(FaultKind.NOTHING_THERE)
    if isinstance(trouble, socket.gaierror | UnicodeError):
        raise Fault(FaultKind.NO_SUCH_NAME)
    if isinstance(trouble, TimeoutError):
        raise Fault(FaultKind.SLOW_CONNECT)
    raise Fault(FaultKind.UNREACHABLE, trouble.strerror or type(trouble).__name__)


def _secured(address: ServerAddress, plain: socket.socket, limits: Limits) -> socket.socket:
    """The connection with TLS, if the address wants it; from here on the guard keeps the time."""
    plain.settimeout(limits.whole_s)
    if address.scheme == "http":
        return plain
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=address.host)


def _judge(response: http.client.HTTPResponse) -> None:
    """Raise a Fault unless an answer follows."""
    status = response.status
    if 300 <= status < 400:
        raise Fault(FaultKind.ELSEWHERE)
    if status in (401, 403):
        raise Fault(FaultKind.WANTS_KEY)
    if status != 200:
        kind = FaultKind.BUSY if status in (429, 503) else FaultKind.REFUSES
        raise Fault(kind, _with_status(status, _said(response)))
    if response.getheader("Content-Encoding", "identity").strip().lower() != "identity":
        raise Fault(FaultKind.OTHER_FORM, "it packs its answer")


def _with_status(status: int, said: str) -> str:
    return f"{status}, {said}" if said else str(status)


def _said(response: http.client.HTTPResponse) -> str:
    """What a server says about its fault, on one line; "" where it says nothing that is known."""
    try:
        fields = _fields(response.read(MOST_SAID_BYTES), "")
    except (Fault, OSError, http.client.HTTPException, ValueError):
        return ""
    return _message(fields)


def _message(fields: Mapping[str, Any]) -> str:
    """The words of an error in one of the forms that servers have for it."""
    error = fields.get("error", fields)
    if isinstance(error, dict):
        error = error.get("message", error.get("detail"))
    if not isinstance(error, str):
        return ""
    line = escaped(" ".join(error.split()))
    return line if len(line) <= LONGEST_SAID else f"{line[:LONGEST_SAID]}…"


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines of a stream without their ends."""
    begun, taken = bytearray(), 0
    while piece := response.read1(_PIECE_BYTES):
        taken += len(piece)
        if taken > MOST_STREAM_BYTES:
            raise Fault(FaultKind.ENDLESS)
        first, *more = piece.split(b"\n")
        begun += first
        for following in more:
            yield bytes(begun).rstrip(b"\r")
            begun = bytearray(following)
        if len(begun) > MOST_LINE_BYTES:
            raise Fault(FaultKind.OTHER_FORM, "a line of its answer has no end")
    # Who ends in the middle of a line has not finished it.


def _fields(text: bytes, what: str) -> dict[str, Any]:
    try:
        fields = parse_json(text)
    except FormatError as error:
        raise Fault(FaultKind.OTHER_FORM, f"{what} is no JSON") from error
    if not isinstance(fields, dict):
        raise Fault(FaultKind.OTHER_FORM, f"{what} is a list or a value")
    return fields


def _piece(data: bytes) -> tuple[str, bool, bool]:
    """Words of one event, whether the model is at work, and whether the answer is finished."""
    fields = _fields(data, "a part of its answer")
    if "error" in fields:
        raise Fault(FaultKind.REFUSES, _message(fields))
    wrong = Fault(FaultKind.OTHER_FORM, "a part of its answer has another form")
    choices = fields.get("choices")
    if not isinstance(choices, list):
        raise wrong
    if not choices:
        return "", False, False  # how much was used, behind the answer
    choice = choices[0]
    delta = choice.get("delta") if isinstance(choice, dict) else None
    if not isinstance(delta, dict):
        raise wrong
    ends = choice.get("finish_reason")
    words = delta.get("content")
    thoughts = delta.get("reasoning_content") or delta.get("reasoning")
    if not isinstance(words, str | None) or not isinstance(ends, str | None):
        raise wrong
    return words or "", bool(words or thoughts), ends is not None
