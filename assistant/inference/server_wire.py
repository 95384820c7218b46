"""What the program and the process that calls the server say to each other, over a Unix socket.

One socket serves one question. The program sends a `Request`: its length, then JSON. Records come
back, each with its kind and its length: words as they come, then the end or a fault. Who closes
the socket before that does not want the rest.
"""

import enum
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from models.files.bounded import FormatError, parse_json

ADDRESS_VARIABLE = "SIGHTLINE_SERVER"
"""Holds the one address that the calling process knows."""

LENGTH = struct.Struct("<I")
HEADER = struct.Struct("<BI")
"""The kind of a record, and the length in bytes of what follows."""

WORDS, NAMES, ENDED, FAILED = range(4)
"""Kinds of records: words of an answer; models, as a JSON list; the end; a kind of fault and what
it is about, with a line break between them.
"""

MOST_REQUEST_BYTES = 24 * 1024**2
MOST_RECORD_BYTES = 1024**2


class FaultKind(enum.Enum):
    """What can be the matter with a server."""

    NOTHING_THERE = "nothing_there"
    NO_SUCH_NAME = "no_such_name"
    UNREACHABLE = "unreachable"
    """What the system says."""
    NOT_TRUSTED = "not_trusted"
    """What is wrong with its certificate."""
    SLOW_CONNECT = "slow_connect"
    SLOW_FIRST = "slow_first"
    SLOW_NEXT = "slow_next"
    ENDLESS = "endless"
    BROKE_OFF = "broke_off"
    OTHER_FORM = "other_form"
    """Where its answer is not what it should be."""
    ELSEWHERE = "elsewhere"
    WANTS_KEY = "wants_key"
    BUSY = "busy"
    """The status, and what the server says."""
    REFUSES = "refuses"
    """The same."""


class Fault(Exception):
    """One kind of fault, and what it is about; "" where the kind says it all."""

    def __init__(self, kind: FaultKind, detail: str = "") -> None:
        super().__init__(kind, detail)
        self.kind, self.detail = kind, detail


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, in seconds, a server may take.

    connect_s: until it takes the call.
    first_s:   from then to the first word; a large model on a processor looks for a minute.
    next_s:    between words.
    whole_s:   for the whole answer.
    """

    connect_s: float = 3.0
    first_s: float = 120.0
    next_s: float = 20.0
    whole_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted: an answer to `chat` in OpenAI's form, or with None the models' names."""

    chat: Mapping[str, Any] | None
    limits: Limits


def send_request(channel: socket.socket, request: Request) -> None:
    """Send it whole.

    Raises:
        ValueError: it is too large.
        OSError: nobody takes it.
    """
    body = json.dumps({"chat": request.chat, "limits": asdict(request.limits)}).encode()
    if len(body) > MOST_REQUEST_BYTES:
        raise ValueError(f"a request of {len(body)} bytes is too large")
    channel.sendall(LENGTH.pack(len(body)) + body)


def receive_request(channel: socket.socket) -> Request:
    """Take it whole.

    Raises:
        ValueError: it is none.
        OSError: it does not come, or breaks off.
    """
    (length,) = LENGTH.unpack(receive(channel, LENGTH.size))
    if length > MOST_REQUEST_BYTES:
        raise FormatError("is too large")
    fields = parse_json(bytes(receive(channel, length)))
    return Request(fields["chat"], Limits(**fields["limits"]))


def send_record(channel: socket.socket, kind: int, text: str = "") -> None:
    """Send one record; raises OSError where nobody takes it."""
    body = text.encode()
    channel.sendall(HEADER.pack(kind, len(body)) + body)


def receive(channel: socket.socket, length: int) -> bytearray:
    """So many bytes.

    Raises:
        OSError: they do not come.
    """
    whole = bytearray(length)
    left = memoryview(whole)
    while left:
        count = channel.recv_into(left)
        if not count:
            raise ConnectionError("the other end was closed")
        left = left[count:]
    return whole
