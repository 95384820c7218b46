"""The identifier of this computer that onnxruntime left while its telemetry was on.

Sightline 0.3.0 did not switch it off. The library then keeps a random identifier, and a small
database of events that it has not sent yet, in the user's cache folder, and the identifier of its
last session in the folder for temporary files. Known for Linux only; nothing is looked for
elsewhere.
"""

import contextlib
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from assistant.errors import AssistantError

_FOLDER = Path("Microsoft", "DeveloperTools", ".onnxruntime")
_NAMES = (
    "deviceid",
    "deviceid.lock",
    "onnxruntime.db",
    "onnxruntime.db-journal",
    "onnxruntime.db-shm",
    "onnxruntime.db-wal",
)
_SESSION = ".ses"
# Milliseconds since 1970, and a random identifier.
_SESSION_TEXT = re.compile(rb"\d{13}\n[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\n?")


def folder() -> Path:
    """Where onnxruntime keeps its identifier on Linux."""
    # The system's rule, and not our own folders: the library follows it.
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / _FOLDER


def left_behind() -> tuple[Path, ...]:
    """The files that are there; of others in the same folder nothing is said.

    Raises:
        AssistantError: the folders cannot be looked into.
    """
    if sys.platform != "linux":
        return ()
    try:
        found = [folder() / name for name in _NAMES if _is_own_file(folder() / name)]
        session = Path(tempfile.gettempdir(), _SESSION)
        if _is_own_file(session) and _SESSION_TEXT.fullmatch(session.read_bytes()[:64]):
            found.append(session)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        raise AssistantError(f"the identifier cannot be looked for ({error})") from error
    return tuple(found)


def delete(report: Callable[[Path], None]) -> int:
    """Delete the files that were left, and their folders if nothing else lies there.

    report: is given each file that was deleted.

    Returns:
        How many files were deleted.

    Raises:
        AssistantError: a file cannot be looked at or deleted; those before it are gone.
    """
    files = left_behind()
    for path in files:
        try:
            path.unlink()
        except OSError as error:
            raise AssistantError(
                f"{path}: cannot be deleted ({error.strerror})", "delete it yourself"
            ) from error
        report(path)
    if files:
        place = folder()
        # Up to the maker's folder, which other programs of his may use.
        with contextlib.suppress(OSError):
            for empty in (place, place.parent, place.parent.parent):
                empty.rmdir()
    return len(files)


def _is_own_file(path: Path) -> bool:
    """True for a plain file of this user; what a link points at is not ours to delete."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()
