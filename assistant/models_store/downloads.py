"""One file from an address to the disk: resumed, measured, checked, and moved in one step.

A server is not trusted: it may break off, ignore ranges, state a wrong length, or send something
else. What arrives lies in a `.part` file until its size and its SHA-256 are right.
"""

import functools
import json
import logging
import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from assistant.errors import DamagedFileError, DownloadError
from assistant.machine import check_room, sha256_of
from assistant.models_store.patience import Patience
from assistant.models_store.schema import content_length, content_range, version
from assistant.settings.paths import FILE_MODE
from models import system_errors
from models.files.bounded import read_json
from models.plain_text import escaped

MOST_IDLE_ATTEMPTS = 3
"""Attempts in a row that bring no new byte, before the download is given up for now."""

MOST_ATTEMPTS = 50
TIMEOUT_S = 30.0
"""For each single step: to connect, to send, to wait for the next piece."""

PATIENCE_S, LEAST_BYTES = 60.0, 32 * 1024
"""A minute for the answer to begin, and for every 32 kB of it; the slowest modem was faster."""

MOST_REDIRECTS = 5
AGENT = "sightline"
"""Who asks. The network library's own words would tell its version, and through that ours."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes of the whole, None where nobody says."""

_UNUSABLE = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError)
"""What the network library raises for an answer that trying again will not mend."""

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


class _TooSlow(_Broken):
    """The server sent next to nothing, which counts as nothing."""


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
        with _client() as client:
            _bring(client, wanted, part, report, pause_s)
        return part.finish(wanted, target)
    except OSError as error:
        raise DownloadError(
            f"{part.path}: cannot be written ({system_errors.reason(error)})",
            system_errors.way_out(error),
        ) from error


def ask(address: str, headers: Mapping[str, str], most_bytes: int) -> tuple[int, bytes]:
    """Ask a server once; return the status and the body, which is empty unless the status is 200.

    headers: sent along, such as a token; they never leave the first server.

    Raises:
        DownloadError: no network, or the answer breaks off, is too slow, or has more than
            `most_bytes`.
    """
    _check_address(address)
    sent = {**headers, "Accept-Encoding": "identity"}
    body = bytearray()
    with _client() as client, Patience(PATIENCE_S, LEAST_BYTES) as patience:
        try:
            with client.stream(
                "GET", address, headers=sent, extensions=patience.extensions
            ) as answer:
                patience.came(0)
                status = answer.status_code
                for chunk in answer.iter_raw() if status == 200 else ():
                    patience.came(len(chunk))
                    body += chunk
                    if len(body) > most_bytes:
                        raise DownloadError(
                            f"{address}: the server's answer has more than {most_bytes} bytes",
                            "try again later",
                        )
        except _UNUSABLE as error:
            reason = "it sends too slowly" if patience.is_over else first_line(error)
            raise DownloadError(
                f"{address}: the server cannot be reached or breaks off ({reason})",
                _advice(reason),
            ) from error
    return status, bytes(body)


def first_line(error: BaseException) -> str:
    """What an error of a library says, without the numbers that only programs understand."""
    line = (str(error).splitlines() or [""])[0]
    return escaped(re.sub(r"\[Errno -?\d+\] ", "", line))[:200] or type(error).__name__


def _advice(reason: str) -> str:
    """What to do about a server that cannot be reached."""
    if "certificate" in reason.lower():
        return "check the computer's date and time, and the network"
    return "check the network"


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Whom to believe; reading the system's list takes a tenth of a second."""
    return httpx2.create_ssl_context()


def _client() -> httpx2.Client:
    return httpx2.Client(
        verify=_certificates(),
        follow_redirects=True,
        max_redirects=MOST_REDIRECTS,
        timeout=TIMEOUT_S,
        headers={"User-Agent": AGENT, "Accept": "*/*"},
        # The hook sees every request, also those that a redirect leads to.
        event_hooks={"request": [lambda request: _check_address(str(request.url))]},
    )


def _bring(
    client: httpx2.Client, wanted: Wanted, part: "_Part", progress: Progress, pause_s: float
) -> None:
    """Ask again until the whole file is here."""
    idle = 0
    reason = ""
    for _ in range(MOST_ATTEMPTS):
        before = part.size
        slow = False
        try:
            _one_attempt(client, wanted, part, progress)
            return
        except (_Broken, httpx2.TransportError) as error:
            slow = isinstance(error, _TooSlow)
            reason = first_line(error)
            log.info("the transfer stopped at %d bytes: %s", part.size, reason)
        except _UNUSABLE as error:
            raise DownloadError(
                f"{wanted.address}: the server's answer cannot be used ({first_line(error)})",
                "try again later",
            ) from error
        idle = idle + 1 if part.size <= before or slow else 0
        if idle >= MOST_IDLE_ATTEMPTS:
            break
        time.sleep(min(pause_s * 2 ** max(idle - 1, 0), 30.0))
    rest = f", it goes on after {part.size} bytes" if part.size else ""
    raise DownloadError(
        f"{wanted.address}: the server cannot be reached or breaks off ({reason})",
        f"{_advice(reason)} and give the command again{rest}",
    )


def _one_attempt(client: httpx2.Client, wanted: Wanted, part: "_Part", progress: Progress) -> None:
    if wanted.size_bytes and part.size == wanted.size_bytes:
        return
    # Without this a server may compress, and then neither range nor length mean the file's bytes.
    headers = {**(wanted.headers or {}), "Accept-Encoding": "identity", **part.range_headers()}
    with Patience(PATIENCE_S, LEAST_BYTES) as patience:
        try:
            _transfer(client, wanted, part, progress, headers, patience)
        except httpx2.TransportError as error:
            if not patience.is_over:
                raise
            raise _TooSlow("the server sends too slowly") from error


def _transfer(
    client: httpx2.Client,
    wanted: Wanted,
    part: "_Part",
    progress: Progress,
    headers: Mapping[str, str],
    patience: Patience,
) -> None:
    with client.stream(
        "GET", wanted.address, headers=headers, extensions=patience.extensions
    ) as answer:
        patience.came(0)
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
        _write(answer, wanted, part, whole, progress, patience)


def _write(
    answer: httpx2.Response,
    wanted: Wanted,
    part: "_Part",
    whole: int | None,
    progress: Progress,
    patience: Patience,
) -> None:
    most = whole or wanted.size_bytes or wanted.most_bytes
    with part.open() as file:
        # In the pieces that the network brings: a fixed size would be lost when a piece is cut.
        for chunk in answer.iter_raw():
            patience.came(len(chunk))
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
        found = content_range(answer.headers)
        if found is None:
            raise _Broken("the server sent a part without saying which")
        return found
    return 0, content_length(answer.headers)


def _check_address(address: str) -> None:
    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, ValueError) as error:
        raise DownloadError(
            f"{escaped(address)[:200]}: is no address ({first_line(error)})", "try again later"
        ) from error
    if url.scheme != "https" and url.host not in LOOPBACK:
        raise DownloadError(
            f"{escaped(address)[:200]}: the connection would not be encrypted",
            "give an address with https",
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
        named = self._version()
        if not self.size or not named:
            return {}
        # If-Range: a server that has another version by now sends it from its beginning.
        return {"Range": f"bytes={self.size}-", "If-Range": named}

    def remember(self, headers: Mapping[str, str]) -> None:
        """Keep the strong name of this version; without one a part is never continued."""
        self._note.write_text(json.dumps({"version": version(headers)}), encoding="utf-8")

    def is_same(self, headers: Mapping[str, str]) -> bool:
        """True unless the server names another version than that of the bytes that are here."""
        return version(headers) in ("", self._version())

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
            return version({"ETag": str(read_json(self._note)["version"])})
        except (OSError, ValueError, KeyError, TypeError):
            return ""
