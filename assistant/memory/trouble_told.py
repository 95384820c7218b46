"""What the user was told of a memory that cannot be opened: once, and not at every start.

Orders about the memory still say it each time, and so does `doctor`.
"""

import contextlib
import logging
from pathlib import Path

from assistant.settings.paths import data_folder

MOST_BYTES = 4096
"""Longer than any sentence; a longer file is none of ours."""


def was_told(why: str) -> bool:
    """True if the user was told this at an earlier start; from now on it counts as told.

    Where nothing can be written it is told at each start.
    """
    file = _file()
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if file.stat().st_size <= MOST_BYTES and file.read_text("utf-8") == why:
            return True
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(why, encoding="utf-8")
    except OSError as error:
        logging.getLogger(__name__).info("cannot note what was told: %s", error)
    return False


def forget() -> None:
    """The memory could be opened: the next trouble is news."""
    with contextlib.suppress(OSError):
        _file().unlink(missing_ok=True)


def _file() -> Path:
    return data_folder() / "memory-trouble-told.txt"
