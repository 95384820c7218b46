"""Running one use of a damaged input in a process of its own, with limits, and naming its end."""

import contextlib
import faulthandler
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import AssistantError
from models.errors import ModelsError
from quantizer.errors import QuantizerError

OK, REFUSED = "ok", "refused"
TRACEBACK, HANG, MEMORY = "traceback", "hang", "memory"
SILENT, NO_NUMBERS = "silent", "nan"
KINDS = (OK, REFUSED, TRACEBACK, HANG, MEMORY, SILENT, NO_NUMBERS)
BAD = KINDS[2:]

GROWTH_BYTES = 2**30
"""What a use may take beyond what the process had, and beyond the file itself."""

LIMIT_S = 10.0
"""Of processor time; a busy machine may let more pass on the clock."""

_CLOCK_S = 30.0
_NO_MEMORY = ("not enough memory", "alloc", "out of memory", "std::bad_alloc")


class RefusedError(Exception):
    """A command said why it does not go on; the message is its line."""


class SilentError(Exception):
    """A use went through although the reference library refuses the file."""


class NoNumbersError(Exception):
    """A use answered out of NaN or infinity."""


_EXPECTED = (ModelsError, QuantizerError, AssistantError, RefusedError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a use ended: one of `KINDS`, and the message or the last frames."""

    kind: str
    words: str = ""


def forked(use: Callable[[], object], *, file_bytes: int = 0) -> Outcome:
    """Run a use in a forked process with limits of memory and time.

    The caller must have computed with one thread only, so that nothing holds a lock.

    file_bytes: of the input, which the use may hold besides `GROWTH_BYTES`.
    """
    receiving, sending = os.pipe()
    # Python 3.12 warns of forks beside threads; those of libraries sleep here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        os.close(receiving)
        _work(use, sending, file_bytes)
    os.close(sending)
    try:
        return _outcome(child, receiving)
    finally:
        os.close(receiving)


def _work(use: Callable[[], object], sending: int, file_bytes: int) -> None:
    """The child; it never returns."""
    outcome = Outcome(TRACEBACK, "the process ended without a word")
    try:
        faulthandler.disable()  # the parent tells how it ended
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        limit = _address_space() + GROWTH_BYTES + file_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        seconds = int(_cpu_seconds() + LIMIT_S) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        outcome = judge(use)
    finally:
        with contextlib.suppress(OSError):
            os.write(sending, json.dumps([outcome.kind, outcome.words[:4000]]).encode())
        os._exit(0)


def judge(use: Callable[[], object]) -> Outcome:
    """Run a use here and name its end."""
    try:
        use()
    except _EXPECTED as error:
        return _refused(str(error))
    except SilentError as error:
        return Outcome(SILENT, str(error))
    except NoNumbersError as error:
        return Outcome(NO_NUMBERS, str(error))
    except MemoryError:
        return Outcome(MEMORY, _frames())
    except BaseException as error:  # whatever it is, it is what is looked for
        message = str(error).lower()
        kind = MEMORY if any(word in message for word in _NO_MEMORY) else TRACEBACK
        return Outcome(kind, _frames())
    return Outcome(OK)


def _refused(message: str) -> Outcome:
    """A refusal is one line that can be shown as it is."""
    if not message.strip() or "\n" in message.strip():
        return Outcome(TRACEBACK, f"a refusal that is no single line: {message!r}")
    if any(not (char.isprintable() or char == "\t") for char in message):
        return Outcome(TRACEBACK, f"a refusal with control characters: {message!r}")
    if len(message) > 3000:
        return Outcome(TRACEBACK, f"a refusal of {len(message)} characters: {message[:300]!r}")
    return Outcome(REFUSED, message)


def _frames() -> str:
    return "".join(traceback.format_exception(*sys.exc_info(), limit=-4))


def _outcome(child: int, receiving: int) -> Outcome:
    ends = time.monotonic() + _CLOCK_S
    received = b""
    while True:
        ready, _, _ = select.select([receiving], [], [], max(0.0, ends - time.monotonic()))
        if not ready:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Outcome(HANG, f"more than {_CLOCK_S:.0f} s")
        part = os.read(receiving, 65536)
        if not part:
            break
        received += part
    _, status = os.waitpid(child, 0)
    if received:
        kind, words = json.loads(received)
        return Outcome(kind, words)
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if ended in (signal.SIGXCPU, signal.SIGKILL):
        return Outcome(HANG, f"more than {LIMIT_S:.0f} s of processor time")
    # A native library that finds no memory aborts.
    kind = MEMORY if ended == signal.SIGABRT else TRACEBACK
    return Outcome(kind, f"the process was ended by signal {ended}")


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
