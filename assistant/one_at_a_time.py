"""Work in a folder that one process at a time may do, also where two assistants run."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from assistant.errors import AssistantError
from assistant.settings.paths import FILE_MODE


@contextlib.contextmanager
def one_at_a_time(file: Path, busy: AssistantError, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of a file, which is made; a lock ends with its process, so none goes stale.

    busy:   raised where another process holds it.
    wait_s: how long to wait for it before.

    Raises:
        AssistantError: see busy.
        OSError: the file cannot be made.
    """
    lock = FileLock(file, timeout=wait_s, mode=FILE_MODE)
    try:
        lock.acquire()
    except Timeout as error:
        raise busy from error
    try:
        yield
    finally:
        lock.release()
