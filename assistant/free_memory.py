"""How much memory there is, asked of the system."""

import os
from pathlib import Path


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
