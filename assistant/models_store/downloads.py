"""One file from an address to the disk: resumed, measured, checked, and moved in one step.

A server is not trusted: it may break off, ignore ranges, state a wrong length, or send something
else. What arrives lies in a `.part` file until its size and its SHA-256 are right.
"""

import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from assistant.errors import DamagedFileError, DownloadError
from assistant.machine import check_room, sha256_of
from assistant.settings.paths import FILE_MODE
from models.files.bounded import read_json

MOST_IDLE_ATTEMPTS = 3
"""Attempts in a row that bring no new byte, before the download is given up for now."""

MOST_ATTEMPTS = 50
TIMEOUT_S = 30.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes of the whole, None where nobody says."""

NetworkError = httpx2.HTTPError
"""What the network library raises; the hub's library is built on the same one."""

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file to fetch.

    size_bytes: of the file; 0 where it is not known.
    sha256:     64 hexadecimal digits; empty where it is not known.
    most_bytes: more is never written, whatever the server says.
    headers:    sent along, such as a token; they never leave the first server.
    """

    address: str
    size_bytes: int = 0
    sha256: str = ""
    most_bytes: int = 1 << 40
    headers: Mapping[str, str] | None = None


class _Broken(Exception):
    """The transfer stopped; what is here may be continued."""


def fetch(
    wanted: Wanted, target: Path, progress: Progress | None = None, *, pause_s: float = 1.0
) -> str:
    """Bring one file to `target` and return its SHA-256.

    What an earlier call left in the `.part` file beside it is continued where the server allows.

    pause_s: wait before the second attempt; it doubles with each that brings nothing.

    Raises:
        DownloadError: no network, no room, a refusal, or a server that always breaks off; what
            has arrived is kept for the next call.
        DamagedFileError: the file is not the one that was wanted; it is removed.
    """
    _check_address(wanted.address)
    part = _Part(target)
    report = progress or (lambda here, whole: None)
    try:
        # The hook sees every request, also those that a redirect leads to.
        hooks = {"request": [lambda request: _check_address(str(request.url))]}
        with httpx2.Client(follow_redirects=True, timeout=TIMEOUT_S, event_hooks=hooks) as client:
            _bring(client, wanted, part, report, pause_s)
        return part.finish(wanted, target)
    except OSError as error:
        raise DownloadError(
            f"{part.path}: cannot be written ({error.strerror or error})",
            "free space and try again",
        ) from error


def first_line(error: BaseException) -> str:
    """What an error of a library says, without the numbers that only programs understand."""
    line = (str(error).splitlines() or [""])[0]
    return re.sub(r"\[Errno -?\d+\] ", "", line) or type(error).__name__


def _bring(
    client: httpx2.Client, wanted: Wanted, part: "_Part", progress: Progress, pause_s: float
) -> None:
    """Ask again until the whole file is here."""
    idle = 0
    reason = ""
    for _ in range(MOST_ATTEMPTS):
        before = part.size
        try:
            _one_attempt(client, wanted, part, progress)
            return
        except (_Broken, httpx2.TransportError) as error:
            reason = first_line(error)
            log.info("the transfer stopped at %d bytes: %s", part.size, reason)
        idle = idle + 1 if part.size <= before else 0
        if idle >= MOST_IDLE_ATTEMPTS:
            break
        time.sleep(min(pause_s * 2 ** max(idle - 1, 0), 30.0))
    rest = f", it goes on after {part.size} bytes" if part.size else ""
    raise DownloadError(
        f"{wanted.address}: the server cannot be reached or breaks off ({reason})",
        f"check the network and give the command again{rest}",
    )


def _one_attempt(client: httpx2.Client, wanted: Wanted, part: "_Part", progress: Progress) -> None:
    if wanted.size_bytes and part.size == wanted.size_bytes:
        return
    # Without this a server may compress, and then neither range nor length mean the file's bytes.
    headers = {**(wanted.headers or {}), "Accept-Encoding": "identity", **part.range_headers()}
    with client.stream("GET", wanted.address, headers=headers) as answer:
        if answer.status_code == 416:
            part.clear()
            raise _Broken("the server has not the range that is missing")
        _check_status(answer, wanted)
        start, whole = _place(answer)
        if start and not part.is_same(answer.headers):
            part.clear()
            raise _Broken("the server sent a part of another version of the file")
        if start != part.size:
            part.clear()
            if start != 0:
                raise _Broken("the server sent another range than was asked for")
        _check_size(wanted, whole, part)
        part.remember(answer.headers)
        _write(answer, wanted, part, whole, progress)


def _write(
    answer: httpx2.Response,
    wanted: Wanted,
    part: "_Part",
    whole: int | None,
    progress: Progress,
) -> None:
    most = whole or wanted.size_bytes or wanted.most_bytes
    with part.open() as file:
        # In the pieces that the network brings: a fixed size would be lost when a piece is cut.
        for chunk in answer.iter_raw():
            if part.size + len(chunk) > most:
                file.close()
                part.clear()
                raise DamagedFileError(
                    f"{wanted.address}: the server sent more than {most} bytes",
                    "it is another file than was announced, try again later",
                )
            file.write(chunk)
            part.size += len(chunk)
            progress(part.size, whole or wanted.size_bytes or None)
    expected = whole or wanted.size_bytes
    if expected and part.size < expected:
        raise _Broken(f"only {part.size} of {expected} bytes came")


def _place(answer: httpx2.Response) -> tuple[int, int | None]:
    """Where the body begins in the file, and the length of the whole file."""
    if answer.status_code == 206:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found is None:
            raise _Broken("the server sent a part without saying which")
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _check_address(address: str) -> None:
    url = httpx2.URL(address)
    if url.scheme != "https" and url.host not in LOOPBACK:
        raise DownloadError(
            f"{address}: the connection would not be encrypted", "give an address with https"
        )


def _check_status(answer: httpx2.Response, wanted: Wanted) -> None:
    status = answer.status_code
    if status in (200, 206):
        return
    if status in (408, 429) or status >= 500:
        raise _Broken(f"the server answered {status}")
    if status in (401, 403):
        raise DownloadError(
            f"{wanted.address}: the server refuses ({status})",
            "accept the model's licence on its page, and log in with hf auth login",
        )
    raise DownloadError(
        f"{wanted.address}: the server has no such file ({status})",
        "a newer version of the program may know another address",
    )


def _check_size(wanted: Wanted, whole: int | None, part: "_Part") -> None:
    """Refuse a file of another size, or one that does not fit, before it is transferred."""
    if whole is not None and wanted.size_bytes and whole != wanted.size_bytes:
        part.clear()
        raise DamagedFileError(
            f"{wanted.address}: the server offers {whole} bytes, the right file has "
            f"{wanted.size_bytes}",
            "nothing was installed, try again later",
        )
    if whole is not None and whole > wanted.most_bytes:
        raise DamagedFileError(
            f"{wanted.address}: the server offers {whole} bytes, far more than the model has",
            "nothing was installed, try again later",
        )
    check_room(part.path.parent, (whole or wanted.size_bytes) - part.size)


class _Part:
    """The unfinished file, and beside it what names its version on the server."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")
        self.size = self.path.stat().st_size if self.path.is_file() else 0

    def range_headers(self) -> dict[str, str]:
        version = self._version()
        if not self.size or not version:
            return {}
        # If-Range: a server that has another version by now sends it from its beginning.
        return {"Range": f"bytes={self.size}-", "If-Range": version}

    def remember(self, headers: Mapping[str, str]) -> None:
        """Keep the strong name of this version; without one a part is never continued."""
        self._note.write_text(json.dumps({"version": _version(headers)}), encoding="utf-8")

    def is_same(self, headers: Mapping[str, str]) -> bool:
        """True unless the server names another version than that of the bytes that are here."""
        return _version(headers) in ("", self._version())

    def open(self) -> Any:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
        return os.fdopen(descriptor, "ab")

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.size = 0

    def finish(self, wanted: Wanted, target: Path) -> str:
        """Check the whole file and give it its name."""
        if not self.size:
            self.clear()
            raise DamagedFileError(f"{wanted.address}: the file is empty", "try again later")
        found = sha256_of(self.path)
        if wanted.sha256 and found != wanted.sha256:
            self.clear()
            raise DamagedFileError(
                f"{wanted.address}: the server sent another file (SHA-256 {found}, expected "
                f"{wanted.sha256})",
                "nothing was installed, try again later",
            )
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, target)
        self._note.unlink(missing_ok=True)
        return found

    def _version(self) -> str:
        try:
            note = read_json(self._note)
            return str(note["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""


def _version(headers: Mapping[str, str]) -> str:
    """What names a version on its server; a weak tag is no proof that the bytes are the same."""
    tag = headers.get("ETag", "")
    return headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
