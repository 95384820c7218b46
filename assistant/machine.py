"""Small questions to the machine: room on the disk, free memory, digests, sizes in words."""

import ctypes
import hashlib
import os
import shutil
import sys
from pathlib import Path

from assistant.errors import NoPlaceError

SPARE_BYTES = 64 * 1024 * 1024
"""Room that is left on the disk besides what a download needs."""


def check_room(folder: Path, needed_bytes: int) -> None:
    """Refuse what would fill the disk.

    Raises:
        NoPlaceError: less is free than is needed, with a little to spare.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes + SPARE_BYTES > free:
        short = needed_bytes + SPARE_BYTES - free
        raise NoPlaceError(
            f"{folder}: {size_text(needed_bytes)} are needed and {size_text(free)} are free",
            f"free {size_text(short)} more, or set SIGHTLINE_HOME to a larger disk",
        )


def is_running(process_id: int) -> bool:
    """True unless no process has this number."""
    if os.name == "nt" or process_id == os.getpid():
        # On Windows signal 0 is no question but Ctrl+C; what it owns is left to the system there.
        return True
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_text(size_bytes: int) -> str:
    """A size as it is spoken: "41 megabytes"."""
    if size_bytes >= 1_000_000_000:
        return f"{size_bytes / 1e9:.1f} gigabytes"
    return f"{size_bytes / 1e6:.{0 if size_bytes >= 10_000_000 else 1}f} megabytes"


def memory_bytes() -> tuple[int, int]:
    """The machine's memory and what of it programs can still have, in bytes.

    Raises:
        OSError, ValueError, AttributeError: this system does not say.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return total, int(line.split()[1]) * 1024
    return total, os.sysconf("SC_AVPHYS_PAGES") * page


def give_memory_back() -> None:
    """Return memory that was freed to the system, where glibc would keep it.

    It keeps a store for many threads apart, and what a question took stays in several of them:
    after a hundred questions 190 MB of 840. It takes some milliseconds, in which no thread gets
    memory.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # other C libraries have none
            trim(0)
