"""A hub on this machine whose answers are damaged: status, headers, listing, redirects, bodies."""

import contextlib
import hashlib
import json
import os
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from assistant.models_store.pulling import pull
from models.catalog import CatalogModel, HubSource, ModelKind
from tests.faults.forked import SilentError
from tests.faults.mutations import damage, damage_json

_COMMIT = "c" * 40
_WEIGHTS = bytes(range(256)) * 40
_LISTING = "listing"
_ANSWERS = (_LISTING, "config.json", "model.safetensors")
_VICTIM = "a letter of the user"

_HEADERS = (
    b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: abc",
    b"Content-Length: 0", b"Content-Length: 3", b"Content-Encoding: gzip", b"Content-Type: \xff",
    b"Transfer-Encoding: chunked", b"Content-Range: bytes 5-4/3", b"ETag: " + b"x" * 70_000,
    b"Location: file:///etc/passwd", b"\x00: \x01", b"no colon", b"Set-Cookie: " + b"a" * 9000,
)  # fmt: skip
_STATUSES = (
    b"HTTP/1.1 206 Part", b"HTTP/1.1 404 No", b"HTTP/1.1 401 No", b"HTTP/1.1 403 No",
    b"HTTP/1.1 500 No", b"HTTP/1.1 416 No", b"HTTP/1.1 304 No", b"HTTP/1.1 204 No",
    b"HTTP/1.1 999 X", b"HTTP/1.1 99999 X", b"HTTP/9.9 200 OK", b"ICY 200 OK", b"", b"\xff\xfe",
    b"HTTP/1.1 302 F\r\nLocation: /api/models/maker/model/revision/main",
    b"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/x", b"HTTP/1.1 302 F\r\nLocation: \xff",
    b"HTTP/1.1 301 F\r\nLocation: //", b"HTTP/1.1 307 F",
)  # fmt: skip
_LIES = (
    '"../../../../victim"', '"/victim"', '"a/b"', '".."', '""', '"-"', '"a\\u0000b"', "null", "7",
    '"\\u001b[2J"', "[]", "{}", '"' + "c" * 5000 + '"', "1e999", "-5", '"abc"', "9" * 5000,
)  # fmt: skip


def make(folder: Path) -> None:
    """Sound answers, and beside the program's home a folder that is nobody's business."""
    lfs = {"sha256": hashlib.sha256(_WEIGHTS).hexdigest(), "size": len(_WEIGHTS)}
    files = [
        {"rfilename": "config.json", "size": 2, "blobId": "b"},
        {"rfilename": "model.safetensors", "size": len(_WEIGHTS), "blobId": "a", "lfs": lfs},
        {"rfilename": "modeling.py", "size": 9},
    ]
    listing = json.dumps({"id": "maker/model", "sha": _COMMIT, "siblings": files}).encode()
    bodies = (listing, b"{}", _WEIGHTS)
    (folder / "answers").mkdir()
    for name, body in zip(_ANSWERS, bodies, strict=True):
        kind = b"application/json" if name == _LISTING else b"application/octet-stream"
        (folder / "answers" / name).write_bytes(_answer(b"HTTP/1.1 200 OK", kind, body))
    (folder / "victim").mkdir()
    (folder / "victim" / "letter.txt").write_text(_VICTIM)


def damage_answer(rng: random.Random, folder: Path) -> None:
    """Damage one of the answers."""
    name = rng.choice((_LISTING, _LISTING, *_ANSWERS))
    path = folder / "answers" / name
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    kind = rng.random()
    if name == _LISTING and kind < 0.6:
        text = body.decode()
        if rng.random() < 0.5:
            text = damage_json(rng, text)
        else:
            old = rng.choice((f'"{_COMMIT}"', '"config.json"', '"model.safetensors"', "10240"))
            text = text.replace(old, rng.choice(_LIES))
        body = text.encode("utf-8", "surrogatepass")
        head = _head(b"HTTP/1.1 200 OK", b"application/json", len(body))
    elif kind < 0.7:
        first, _, rest = head.partition(b"\r\n")
        head = rng.choice(_STATUSES) + b"\r\n" + rest
    elif kind < 0.85:
        lines = head.split(b"\r\n")
        lines.insert(rng.randint(1, len(lines)), rng.choice(_HEADERS))
        head = b"\r\n".join(lines)
    elif kind < 0.93:
        body = damage(rng, body)
    else:
        head = damage(rng, head)
    path.write_bytes(head + b"\r\n\r\n" + body)


def use(folder: Path) -> None:
    """Pull the model.

    Raises:
        SilentError: a file outside the home changed, or what was installed is not what was sent.
    """
    os.environ |= {"SIGHTLINE_HOME": str(folder / "home"), "HOME": str(folder / "user")}
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = False
    source = HubSource("maker/model", "main", ("*.json", "*.safetensors"), False)
    model = CatalogModel("big", "a", next(iter(ModelKind)), "free", "", 10**5, 10**5, source)
    before = _outside(folder)
    installed = None
    with _serving(folder / "answers") as address:
        try:
            installed = pull(model, lambda text: None, endpoint=address, pause_s=0)
        finally:
            if _outside(folder) != before:
                raise SilentError("a file outside the program's own folder changed")
    if not installed.is_relative_to(folder / "home"):
        raise SilentError(f"installed at {installed}")


def _outside(folder: Path) -> dict[str, bytes]:
    """Everything below the folder that the program must leave alone."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_relative_to(folder / "home")
        and not path.is_relative_to(folder / "user")
    }  # fmt: skip


def _answer(status: bytes, kind: bytes, body: bytes) -> bytes:
    return _head(status, kind, len(body)) + b"\r\n\r\n" + body


def _head(status: bytes, kind: bytes, length: int) -> bytes:
    lines = (status, b"Content-Type: " + kind, b"Content-Length: " + str(length).encode())
    return b"\r\n".join((*lines, b'ETag: "one"', b"Connection: close"))


@contextlib.contextmanager
def _serving(answers: Path) -> Iterator[str]:
    """Send the answers as they lie there, byte by byte, to whoever asks."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                asked = b""
                while b"\r\n\r\n" not in asked and (part := connection.recv(65536)):
                    asked += part
                path = asked.split(b" ")[1].decode(errors="replace") if b" " in asked else ""
                name = _LISTING if "/api/" in path else path.rpartition("/")[2].partition("?")[0]
                file = answers / (name if name in _ANSWERS else _ANSWERS[1])
                connection.sendall(file.read_bytes())

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()
