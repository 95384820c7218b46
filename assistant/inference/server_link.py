"""The way to the user's own server: through a process that may still call it when this one may not.

    program --- a socket's other end --> keeper
    program <------- words -------- keeper <--- HTTP --- server

Elsewhere than on Linux nothing is given up, and a thread of this process does what the keeper does.
"""

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from assistant.errors import VisionError
from assistant.inference.server_address import ServerAddress
from assistant.inference.server_wire import (
    ADDRESS_VARIABLE,
    ENDED,
    FAILED,
    HEADER,
    MOST_RECORD_BYTES,
    NAMES,
    WORDS,
    Fault,
    FaultKind,
    Limits,
    Request,
    receive,
    send_request,
)
from assistant.seeing.text import never
from models.files.bounded import parse_json

KEEPER = (sys.executable, "-m", "assistant.inference.server_keeper")

BEAT_S = 0.05
"""How often whoever waits for words may look whether they are still wanted."""

SLACK_S = 5.0
"""For the keeper itself, beside what the server may take; a name that nobody knows takes longer."""

SWITCH_OFF = 'switch it off with /set server.address ""'
RESTART = "end Sightline and start it again"


class Link(Protocol):
    """Opens a way to the server, for one question."""

    address: ServerAddress

    def open(self) -> socket.socket:
        """The near end of a socket whose other end is answered as `server_wire` says.

        Raises:
            VisionError: nobody is there to call the server.
        """
        ...

    def close(self) -> None:
        """Call the server no more."""
        ...


class ServerKeeper:
    """The process that keeps the right; to be made before the right is given up."""

    def __init__(self, address: ServerAddress, typed: str, command: Sequence[str] = KEEPER) -> None:
        """Start it; where that fails, `open` says so.

        typed:   the address as it stands in the settings.
        command: what to run; tests run something else.
        """
        self.address = address
        self._channel, theirs = socket.socketpair()
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.closing(theirs), contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, ADDRESS_VARIABLE: typed},
                # Ctrl+C is for the assistant; this process ends with its input.
                start_new_session=True,
            )

    def open(self) -> socket.socket:
        """Hand one end of a new socket to the keeper, and return the other.

        Raises:
            VisionError: the keeper has ended.
        """
        ours, theirs = socket.socketpair()
        with contextlib.closing(theirs):
            try:
                if self._process is None or self._process.poll() is not None:
                    raise ConnectionError("the process has ended")
                socket.send_fds(self._channel, [b"n"], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise _without_keeper() from error
        return ours

    def close(self) -> None:
        """End the keeper, and with it every call."""
        self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class ServerThreads:
    """Calls the server from threads of this process, where it may."""

    def __init__(self, address: ServerAddress) -> None:
        self.address = address

    def open(self) -> socket.socket:
        """Let a thread answer at the other end of a new socket."""
        from assistant.inference.server_keeper import answer

        ours, theirs = socket.socketpair()
        threading.Thread(target=answer, args=(theirs, self.address), daemon=True).start()
        return ours

    def close(self) -> None:
        """Nothing: a thread ends with its socket."""


def keep(address: ServerAddress, typed: str) -> Link:
    """What calls the server from now on; to be asked for before the right is given up."""
    on_linux = sys.platform == "linux"
    return ServerKeeper(address, typed) if on_linux else ServerThreads(address)


def names(
    link: Link, limits: Limits, cancelled: Callable[[], bool] = never
) -> Iterator[tuple[str, ...]]:
    """The names of the server's models at the end, and () now and then before.

    Raises:
        Fault: the server gives none.
        VisionError: nobody is there to call it.
    """
    for kind, text in _records(link, Request(None, limits), cancelled):
        yield tuple(map(str, parse_json(text))) if kind == NAMES else ()


def words(
    link: Link,
    chat: Mapping[str, Any],
    limits: Limits,
    cancelled: Callable[[], bool] = never,
) -> Iterator[str]:
    """The words of an answer as they come, and "" now and then while none do.

    So whoever takes them can stop between two words and before the first. Nothing more comes once
    it is cancelled; the call is broken then, and also when the iterator is closed.

    Raises:
        Fault: the server gives no answer, or breaks it off.
        VisionError: nobody is there to call it.
    """
    for kind, text in _records(link, Request(chat, limits), cancelled):
        if kind == WORDS:
            yield text


def _records(
    link: Link, request: Request, cancelled: Callable[[], bool]
) -> Iterator[tuple[int, str]]:
    channel = link.open()
    limits = request.limits
    most_s = limits.connect_s + max(limits.first_s, limits.next_s) + SLACK_S
    with channel:
        # A keeper that hangs must not hang the program.
        channel.settimeout(most_s)
        try:
            send_request(channel, request)
            until_s = time.monotonic() + most_s
            while not cancelled():
                if not select.select([channel], [], [], BEAT_S)[0]:
                    if time.monotonic() > until_s:
                        raise Fault(FaultKind.SLOW_FIRST)
                    yield WORDS, ""
                    continue
                kind, length = HEADER.unpack(receive(channel, HEADER.size))
                if length > MOST_RECORD_BYTES:
                    raise ConnectionError("a record is too large")
                text = receive(channel, length).decode()
                if kind == ENDED:
                    return
                if kind == FAILED:
                    name, _, detail = text.partition("\n")
                    raise Fault(FaultKind(name), detail)
                if not cancelled():
                    yield kind, text
                until_s = time.monotonic() + most_s
        except (OSError, ValueError) as error:
            raise _without_keeper() from error


def _without_keeper() -> VisionError:
    return VisionError("the process that may call the server has ended", RESTART)


def as_error(fault: Fault, named: str, takes_pictures: bool = False) -> VisionError:
    """A fault as one sentence with the way out.

    named:          the server, as it is spoken.
    takes_pictures: whether it was shown one.
    """
    server, detail = f"the server at {named}", fault.detail
    said = f": {detail}" if detail else ""
    match fault.kind:
        case FaultKind.NOTHING_THERE:
            return VisionError(f"nothing answers at {named}", f"start the server, or {SWITCH_OFF}")
        case FaultKind.NO_SUCH_NAME:
            cause = f"there is no computer that is called {named}"
            return VisionError(cause, f"correct server.address, or {SWITCH_OFF}")
        case FaultKind.UNREACHABLE:
            return VisionError(f"{server} cannot be reached{said}", f"start it, or {SWITCH_OFF}")
        case FaultKind.NOT_TRUSTED:
            cause = f"{server} cannot show that it is the right one{said}"
            return VisionError(cause, "correct its certificate, or its address in server.address")
        case FaultKind.SLOW_CONNECT:
            return VisionError(f"{server} does not take the call", f"start it, or {SWITCH_OFF}")
        case FaultKind.SLOW_FIRST:
            return VisionError(
                f"{server} does not begin to answer", "ask again, or give it a smaller model"
            )
        case FaultKind.SLOW_NEXT:
            return VisionError(f"{server} stopped in the middle of its answer", "ask again")
        case FaultKind.ENDLESS:
            return VisionError(
                f"the answer of {server} comes to no end, so I stopped it",
                "ask something shorter, or give it another model",
            )
        case FaultKind.BROKE_OFF:
            way_out = "look whether it still runs, and ask again"
            if takes_pictures:
                way_out += "; or, if its model takes no pictures, set server.answers to texts"
            return VisionError(f"{server} broke off", way_out)
        case FaultKind.OTHER_FORM:
            return VisionError(
                f"what answers at {named} is no server for models, or a faulty one{said}",
                f"correct server.address, or {SWITCH_OFF}",
            )
        case FaultKind.ELSEWHERE:
            return VisionError(
                f"{server} points to another address, and I do not follow",
                "put the right address into server.address",
            )
        case FaultKind.WANTS_KEY:
            return VisionError(f"{server} wants a key, and I have none", "start it without one")
        case FaultKind.BUSY:
            return VisionError(f"{server} has no time now ({detail})", "ask again in a moment")
        case FaultKind.REFUSES:
            way_out = "look at what it prints where it runs"
            if takes_pictures:
                way_out = "if its model takes no pictures, set server.answers to texts"
            return VisionError(f"{server} refuses the question ({detail or 'no reason'})", way_out)
