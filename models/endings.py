"""How a command of ours ends: stopped by a signal, without a reader, with nowhere to write to.

    run(command)         from the first moment, while there is nothing to lose yet
    stop_by_exception()  before the work, so that what was begun is tidied up
    finish(code)         brings out what was printed, or says that it is lost

Nothing of it happens to users of the library: only the commands call it.
"""

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

HUNG_UP, INTERRUPTED, TERMINATED = 129, 130, 143
"""128 and the number of the signal, as shells count."""

OUTPUT_LOST = 74
"""What was to be printed could not be (sysexits.h: EX_IOERR)."""

NO_RESOURCES = 71
"""The system had no memory for it (sysexits.h: EX_OSERR)."""

_WORDS = {
    "SIGINT": "stopped with Ctrl+C",
    "SIGTERM": "stopped by another program or the system",
    "SIGHUP": "stopped, because the terminal was closed",
}
_SIGNALS = [getattr(signal, name) for name in _WORDS if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A signal asked the command to end; everything that handles Ctrl+C handles it as well.

    words: what happened, for a message.
    code:  to exit with.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.words = _WORDS[signal.Signals(number).name]
        self.code = 128 + number


def code_of(error: KeyboardInterrupt) -> int:
    """The exit code of a command that was stopped."""
    return error.code if isinstance(error, Stopped) else INTERRUPTED


def words_of(error: KeyboardInterrupt) -> str:
    """What stopped a command."""
    return error.words if isinstance(error, Stopped) else _WORDS["SIGINT"]


def begin() -> None:
    """Make closed streams harmless; from now on a signal ends the process at once, in one line."""
    _prepare_streams()
    _handle(_leave)


def run(body: Callable[[], int]) -> int:
    """Run a command of this process and return its exit code, also where it only shows its help."""
    begin()
    try:
        return body()
    except SystemExit as error:
        return finish(error.code if isinstance(error.code, int) else 0)
    except KeyboardInterrupt as error:
        say(words_of(error))
        return code_of(error)


def stop_by_exception() -> None:
    """From now on a first signal raises `Stopped` in the main thread, a second ends the process."""
    _handle(_raise)


def say(text: str) -> None:
    """Print one line on standard error, where there is one."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def output_fault() -> OSError | None:
    """Why what was printed cannot be written; None if it could."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    except ValueError:  # closed by ourselves
        return None
    # Python forgets what it could not write, so that flushing again may succeed.
    raw = _noting()
    return None if raw is None else raw.fault


def _noting() -> "_Noting | None":
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Noting) else None


def finish(code: int, lost: OSError | None = None) -> int:
    """Bring out what was printed and return the exit code.

    code: of the command itself.
    lost: what writing raised before, if it did.

    A reader that has gone has seen enough, so that is no failure. Anything else that keeps the
    output back is one line on standard error and `OUTPUT_LOST`.
    """
    fault = output_fault() or lost
    if fault is None:
        return code
    if raw := _noting():
        raw.given_up = True
    if fault.errno == errno.EPIPE:
        return code
    say(
        f"error: the output cannot be written ({fault.strerror or fault}); what was printed is lost"
    )
    return code or OUTPUT_LOST


class _Noting(io.FileIO):
    """Standard output that keeps in mind why it could not be written."""

    def __init__(self, *, is_closed: bool) -> None:
        """is_closed: by whoever started us; something else has its number by now."""
        super().__init__(1, "wb", closefd=False)
        self.fault: OSError | None = None
        self.given_up = False
        """True when the loss was said: what Python still holds, and writes at its end, goes."""
        self._is_closed = is_closed

    def write(self, content: Any) -> int:
        if self.given_up:
            return len(content)
        try:
            if self._is_closed:
                raise OSError(errno.EBADF, "it is closed")
            return super().write(content)
        except OSError as error:
            self.fault = error
            raise


def _prepare_streams() -> None:
    """Put something in the place of streams that are closed, and watch over standard output.

    Else the next file that is opened gets the number 1, and what a library prints is written
    into it.
    """
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            break
        os.set_inheritable(descriptor, True)
    streams: Any = sys  # which are None where they are closed; the types say that they never are
    if streams.stdin is None:
        streams.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  open as long as the program
    before = streams.stdout
    if before is None or isinstance(before, io.TextIOWrapper):
        streams.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Noting(is_closed=before is None)),
            encoding="utf-8" if before is None else before.encoding,
            errors="replace",
            line_buffering=before is not None and before.line_buffering,
            write_through=before is not None and before.write_through,
        )
    if streams.stderr is None:
        streams.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  open as long as the program


def _handle(handler: Any) -> None:
    for number in _SIGNALS:
        # Who starts a program with a signal ignored, such as nohup, means it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process; neither a lock nor a buffer of the interrupted code is touched."""
    words = _WORDS[signal.Signals(number).name]
    with contextlib.suppress(OSError):
        os.write(2, f"{words}\n".encode())
    os._exit(128 + number)


def _raise(number: int, frame: FrameType | None) -> None:
    _handle(_leave)
    raise Stopped(number)
