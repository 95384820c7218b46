"""Servers that answer what none should: one sentence, and nothing of the user's moves."""

import contextlib
import hashlib
import json
import os
import random
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub.constants
import pytest

from assistant.errors import DamagedFileError, DownloadError
from assistant.models_store import downloads
from assistant.models_store.installed import (
    faults,
    is_installed,
    model_folder,
    models_folder,
    record_file,
)
from assistant.models_store.ownership import MARKER
from assistant.models_store.pulling import pull
from models.catalog import CatalogModel, HubSource, ModelKind
from tests.assistant.fakes_server import Manners, hub_listing, serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHARD = b"\x08\0\0\0\0\0\0\0{}      " * 2000
LISTING = "/api/models/maker/model/revision/main"
Entry = dict[str, Any]

MODEL = CatalogModel(
    "big",
    "A big model",
    ModelKind.VISION,
    "its own",
    "https://x.org",
    40_000,
    0,
    HubSource("maker/model", "main", ("*.safetensors", "*.json"), False),
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return tmp_path / "home"


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user's; it must be as it was whatever a server says."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "letter.txt").write_text("precious")
    yield folder
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]
    assert (folder / "letter.txt").read_text() == "precious"


def weights(**changes: Any) -> Entry:
    lfs = {"sha256": hashlib.sha256(SHARD).hexdigest(), "size": len(SHARD), "pointerSize": 130}
    return {"rfilename": "model.safetensors", "size": len(SHARD), "lfs": lfs, **changes}


def hub(files: list[Any] | None = None, commit: Any = COMMIT, body: bytes | None = None) -> Manners:
    listing = hub_listing("maker/model", commit, [weights()] if files is None else files)
    path = f"/maker/model/resolve/{COMMIT}"
    manners = Manners({LISTING: listing if body is None else body})
    manners.files |= {f"{path}/model.safetensors": SHARD, f"{path}/config.json": b"{}"}
    return manners


def fetch(endpoint: str) -> Path:
    return pull(MODEL, lambda text: None, endpoint=endpoint, pause_s=0)


def refused(manners: Manners) -> str:
    with serving(manners) as root, pytest.raises(DownloadError) as caught:
        fetch(root)
    text = str(caught.value)
    assert text.isprintable() and len(text) < 700
    assert not model_folder("big").exists() and not record_file("big").exists()
    return text


@pytest.mark.parametrize(
    "commit",
    [
        "../../../../victim",
        "{victim}",
        "",
        ".",
        "A" * 40,
        7,
        None,
        COMMIT + "\n",
        ["a"],
        COMMIT[1:],
    ],
)
def test_the_commit_is_no_path(victim: Path, commit: Any) -> None:
    if commit == "{victim}":
        commit = str(victim)
    assert "the hub's answer cannot be used (the commit is" in refused(hub(commit=commit))


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([weights(size="abc")], "the size of a file is 'abc'"),
        ([weights(size=-1)], "the size of a file is -1"),
        ([weights(size=1.5)], "the size of a file is 1.5"),
        ([weights(size=True)], "the size of a file is True"),
        ([weights(size=10**30)], "the size of a file is 1000"),
        ([weights(lfs=5)], "lfs of model.safetensors is no object"),
        ([weights(lfs={"size": 5})], "two sizes"),
        ([weights(lfs={"size": len(SHARD), "sha256": "../x"})], "the SHA-256 of a file is '../x'"),
        ([weights(lfs={"size": len(SHARD), "sha256": 7})], "the SHA-256 of a file is 7"),
        ([weights(), weights()], "occurs twice"),
        ([weights(), weights(rfilename="MODEL.safetensors")], "occurs twice"),
        ([weights(rfilename="a\0.safetensors")], r"the name of a file is 'a\\x00"),
        ([weights(rfilename=".safetensors")], "the name of a file is"),
        ([weights(rfilename="\u202e.json")], "the name of a file is"),
        ([weights(rfilename="a b.json")], "the name of a file is"),
        ([weights(rfilename="x" * 300 + ".json")], "has 305 characters"),
        ([weights(), {"rfilename": 7}], "the name of a file is 7"),
        ([weights(), "a"], "a file is no object"),
        ([weights()] * 10_001, "no list of at most 10000"),
        ([weights(size=200_000, lfs=None)], "far more than the model has"),
        ([{"rfilename": "../model.safetensors"}], "no weights as safetensors"),
        ([], "no weights as safetensors"),
    ],
)
def test_fields_of_another_form(victim: Path, files: list[Any], why: str) -> None:
    assert re.search(why, refused(hub(files)))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"7", b"<html>", b"[" * 200_000, b"\xff\xfe", b'{"sha": 1e999}',
     b'{"sha": "' + COMMIT.encode() + b'", "siblings": 5}',
     b'{"sha": "' + COMMIT.encode() + b'", "siblings": []' + b', "a": 1, "a": 2}',
     b'{"sha": ' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_bodies_that_are_no_answer(body: bytes) -> None:
    assert "the hub's answer cannot be used" in refused(hub(body=body))


def test_an_answer_without_end_is_cut() -> None:
    manners = hub(body=b" " * 1_000_000)
    manners.endless = True
    assert "the server's answer has more than" in refused(manners)


@pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 418, 429, 500, 503, 599])
def test_every_status_is_one_sentence(status: int) -> None:
    manners = hub()
    manners.statuses = [status] * 9
    text = refused(manners)
    assert ("no such repository" in text) == (status in (401, 403, 404))


def test_redirects_that_lead_nowhere(offline: None) -> None:
    for target in ("/again", "http://example.com/", "ftp://127.0.0.1/", "http://[::", "//", "\x01"):
        manners = hub()
        manners.redirect = target
        refused(manners)
        assert len(manners.requests) <= downloads.MOST_REDIRECTS + 1


def test_only_the_users_token_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library, no version, no system: what is installed here is nobody's business."""
    for token in ("", "hf_secret"):
        monkeypatch.setenv("HF_TOKEN", token)
        manners = hub([weights(), {"rfilename": "config.json", "size": 2}])
        with serving(manners) as root:
            fetch(root)
        assert len(manners.requests) == 3
        for _, headers in manners.requests:
            known = {"host", "accept", "accept-encoding", "connection", "user-agent"}
            assert {name.lower() for name in headers} - known == (
                {"authorization"} if token else set()
            )
            assert headers["User-Agent"] == "sightline"
            assert headers.get("Authorization", headers.get("authorization")) == (
                f"Bearer {token}" if token else None
            )


def test_a_damaged_token_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_\u00e4\x07")
    manners = hub()
    assert "the token for the hub is damaged" in refused(manners)
    assert manners.requests == []


# Raw answers


@contextlib.contextmanager
def speaking(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads a request and then does with the connection what `answer` does."""
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                connection.recv(65536)
                answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def drip(start: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(0.02)

    return answer


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"H"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK, b"X-More: yes\r\n"),
        (OK + b"Content-Length: 100000\r\n\r\n", b" "),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    ],
)
def test_a_server_that_sends_next_to_nothing(
    start: bytes, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "PATIENCE_S", 0.3)
    began = time.monotonic()
    with speaking(drip(start, piece)) as root, pytest.raises(DownloadError) as caught:
        fetch(root)
    assert time.monotonic() - began < 8
    assert "sends too slowly" in str(caught.value) or "100" not in str(piece)


def test_a_file_that_comes_too_slowly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PATIENCE_S", 0.3)
    answer = drip(OK + b"Content-Length: 100000\r\n\r\n", b"x")
    with speaking(answer) as root, pytest.raises(DownloadError, match="sends too slowly.*goes on"):
        downloads.fetch(downloads.Wanted(f"{root}/a"), tmp_path / "a", pause_s=0)


def test_a_slow_line_that_keeps_going_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "PATIENCE_S", 0.4)
    monkeypatch.setattr(downloads, "LEAST_BYTES", 100)

    def answer(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 1000\r\n\r\n")
        for _ in range(10):
            time.sleep(0.1)
            connection.sendall(b"x" * 100)

    with speaking(answer) as root:
        downloads.fetch(downloads.Wanted(f"{root}/a"), tmp_path / "a", pause_s=0)
    assert (tmp_path / "a").read_bytes() == b"x" * 1000


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x00\xff\xfe",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 999 X\r\n\r\n",
        OK + b"Content-Length: abc\r\n\r\n{}",
        OK + b"Content-Length: -5\r\n\r\n{}",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
        OK + b"Content-Length: \xb2\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        OK + b"Set-Cookie: \xff=\x01; domain=..; expires=9e999\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 302 X\r\nLocation: \xff\xfe\r\n\r\n",
        b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:99999/\r\n\r\n",
        b"HTTP/1.1 302 X\r\n\r\n",
        b"HTTP/1.1 206 X\r\nContent-Range: bytes 0-" + b"9" * 5000 + b"/*\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
    ],
)
def test_answers_that_are_no_http(head: bytes, tmp_path: Path) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)

    with speaking(answer) as root:
        with pytest.raises(DownloadError) as caught:
            fetch(root)
        assert str(caught.value).isprintable()
        with contextlib.suppress(DownloadError):  # two bytes without a digest are a file
            downloads.fetch(downloads.Wanted(f"{root}/a"), tmp_path / "a", pause_s=0)


def mutants(count: int, seed: int) -> Iterator[tuple[list[Any], Any]]:
    """Listings with one or two fields replaced, dropped or nested."""
    draw = random.Random(seed)
    strange = [None, True, 0, -1, 2**70, 1.5, "", "..", "/etc", "a\0b", "\u202e", [], {}, [[]],
               "x" * 5000, {"size": 1}, "0" * 64, "main", "\x1b[2J"]  # fmt: skip
    for _ in range(count):
        files = [weights(), {"rfilename": "config.json", "size": 2, "blobId": "b"}]
        commit: Any = COMMIT
        for _ in range(draw.randint(1, 2)):
            place = draw.randrange(6)
            value = draw.choice(strange)
            if place == 0:
                commit = value
            elif place == 1:
                files[draw.randrange(2)][draw.choice(["rfilename", "size", "lfs"])] = value
            elif place == 2 and isinstance(files[0].get("lfs"), dict):
                files[0]["lfs"][draw.choice(["sha256", "size"])] = value
            elif place == 3:
                files.append(value)  # type: ignore[arg-type]
            elif place == 4:
                files[0].pop(draw.choice(sorted(files[0])), None)
                files[0].setdefault("rfilename", "model.safetensors")
            else:
                draw.shuffle(files)
        yield files, commit


@pytest.mark.parametrize("count", [25, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutated_answers(count: int, victim: Path, home: Path) -> None:
    installed = 0
    manners = hub()
    with serving(manners) as root:
        for files, commit in mutants(count, seed=count):
            body = json.dumps({"id": "maker/model", "sha": commit, "siblings": files}).encode()
            if random.Random(len(body)).random() < 0.2:
                body = body[: len(body) // 2]
            manners.files[LISTING] = body
            try:
                fetch(root)
                installed += 1
                assert list(faults(MODEL)) == []
            except DownloadError as error:
                assert str(error).isprintable()
    inside = {path.relative_to(models_folder()).parts[0] for path in models_folder().iterdir()}
    assert inside <= {"big", "records", ".pulling", ".big.lock"}
    assert 0 < installed < count


def test_a_certificate_of_another_time_is_a_matter_of_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise httpx2.ConnectError("certificate verify failed: certificate is not yet valid")

    monkeypatch.setattr(httpx2.Client, "stream", refuse)
    with pytest.raises(DownloadError, match="check the computer's date and time"):
        fetch("https://127.0.0.1:9")


# Several at once


@pytest.mark.skipif(sys.platform != "linux", reason="children are forked")
def test_five_pulls_of_one_model() -> None:
    """One fetches; the others say that it does, and touch nothing."""
    manners = hub([weights(), {"rfilename": "config.json", "size": 2}])
    with serving(manners) as root:
        begin, release = os.pipe()
        told, tell = os.pipe()
        children = []
        for _ in range(5):
            child = os.fork()
            if child == 0:
                code = 3
                try:
                    os.close(release)
                    os.read(begin, 1)  # all at one moment: when the last writer is gone
                    fetch(root)
                    code = 0
                except DownloadError as error:
                    os.write(tell, f"{error}\n".encode())
                    code = 2
                finally:
                    os._exit(code)
            children.append(child)
        os.close(begin)
        os.close(release)
        os.close(tell)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    with os.fdopen(told) as lines:
        refusals = lines.read().splitlines()
    # One that begins when the first is done fetches it again, which is as good.
    assert set(codes) <= {0, 2} and 0 in codes
    busy = "big is being pulled by another command; wait until that one is finished"
    assert refusals == [busy] * codes.count(2)
    assert list(faults(MODEL)) == []
    assert not (models_folder() / ".pulling" / "big").exists()


# What is replaced


def pulled(**changes: Any) -> Path:
    with serving(hub([weights(**changes), {"rfilename": "config.json", "size": 2}])) as root:
        return fetch(root)


def test_a_folder_of_the_users_is_left_as_it_is() -> None:
    mine = model_folder("big")
    mine.mkdir(parents=True)
    (mine / "thesis.txt").write_text("precious")
    with pytest.raises(DownloadError, match="was not made by this program.*move it away"):
        pulled()
    assert (mine / "thesis.txt").read_text() == "precious"
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    assert not is_installed("big")


def test_a_link_to_a_folder_of_the_users_is_left_as_it_is(victim: Path) -> None:
    models_folder().mkdir(parents=True)
    model_folder("big").symlink_to(victim)
    with pytest.raises(DownloadError, match="was not made by this program"):
        pulled()
    assert model_folder("big").is_symlink()


@pytest.mark.parametrize("kind", ["files", "link"])
def test_what_lies_where_a_pull_would_work_is_left_as_it_is(kind: str, victim: Path) -> None:
    place = models_folder() / ".pulling" / "big"
    place.parent.mkdir(parents=True)
    if kind == "link":
        place.symlink_to(victim)
    else:
        place.mkdir()
        (place / "thesis.txt").write_text("precious")
    with pytest.raises(DownloadError, match="was not made by this program"):
        pulled()
    assert kind == "link" or (place / "thesis.txt").read_text() == "precious"


def test_a_marked_folder_is_replaced() -> None:
    folder = pulled()
    (folder / "more.txt").write_text("x")
    assert pulled() == folder
    assert sorted(path.name for path in folder.iterdir()) == [
        MARKER, "config.json", "model.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize("record", [True, False])
def test_a_folder_of_an_earlier_version_is_known_by_what_it_holds(record: bool) -> None:
    folder = pulled()
    (folder / MARKER).unlink()  # as 0.4 left it
    if not record:
        record_file("big").unlink()
    assert pulled() == folder
    (folder / MARKER).unlink()
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(DownloadError, match="was not made by this program"):
        pulled()
    assert (folder / "thesis.txt").read_text() == "precious"


def test_an_unfinished_pull_of_an_earlier_version_goes_on() -> None:
    place = models_folder() / ".pulling" / "big" / COMMIT
    place.mkdir(parents=True)
    (place / "model.safetensors.part").write_bytes(SHARD[:1000])
    (place / "model.safetensors.part.json").write_text('{"version": "\\"one\\""}')
    manners = hub()
    with serving(manners) as root:
        fetch(root)
    assert manners.starts() == [None, "bytes=1000-"]


def test_a_model_that_a_killed_pull_had_moved_aside_is_back() -> None:
    folder = pulled()
    old = models_folder() / ".pulling" / "big" / "old"
    old.parent.mkdir()
    folder.rename(old)  # killed between the two moves
    manners = hub()
    manners.statuses = [500]
    with serving(manners) as root, pytest.raises(DownloadError):
        fetch(root)
    assert list(faults(MODEL)) == []


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "", ".", "a\0b", "a//b"])
def test_a_record_names_files_inside_the_model_only(name: str) -> None:
    pulled()
    content = json.loads(record_file("big").read_text())
    content["files"][name] = {"size_bytes": 1, "sha256": "0" * 64}
    record_file("big").write_text(json.dumps(content))
    with pytest.raises(DamagedFileError, match="record is damaged"):
        list(faults(MODEL))
