"""Which folders are ours to replace: those that this program made and marked.

A pull moves folders and deletes what is left over. Should a name ever lead it to a folder of the
user's, whatever lies there must stay.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from assistant.errors import NoPlaceError
from assistant.settings.paths import FILE_MODE

MARKER = ".made-by-sightline"
"""An empty file in every folder that a pull may move or delete."""


def mark(folder: Path) -> None:
    """Mark a folder as made by this program.

    Raises:
        OSError: the marker cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    os.close(os.open(folder / MARKER, flags, FILE_MODE))


def is_marked(folder: Path) -> bool:
    """True for a folder, not a link to one, with the marker."""
    return _is(folder, stat.S_ISDIR) and _is(folder / MARKER, stat.S_ISREG)


def check_ours(folder: Path, *, from_before: Callable[[Path], bool]) -> None:
    """Refuse a folder of somebody else's.

    from_before: says of a folder without marker whether an earlier version made it, by what it
                 holds.

    Raises:
        NoPlaceError: it was not made by this program, or is a link or a file.
    """
    if is_marked(folder) or (_is(folder, stat.S_ISDIR) and from_before(folder)):
        return
    raise NoPlaceError(
        f"{folder}: was not made by this program, so it is left as it is",
        "move it away and pull the model again",
    )


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.lstat().st_mode)
    except OSError:
        return False
