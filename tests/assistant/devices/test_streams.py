"""A stream that is read by a process of its own: frames come, and every death is told."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.devices import streams
from assistant.devices.camera import Camera
from assistant.devices.streams import HEADER, StreamCapture, StreamKeeper
from assistant.errors import CameraError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="used on Linux only")

PASSWORD = "secret"
NO_KEEPER = "the process that may read the stream has ended; end Sightline and start it again"


@pytest.fixture
def address(stream: Any) -> str:
    return f"http://user:{PASSWORD}@127.0.0.1:{stream.server_address[1]}/video"


@pytest.fixture
def keeper(address: str) -> Iterator[StreamKeeper]:
    keeper = StreamKeeper(address)
    yield keeper
    keeper.close()


def readers(keeper: StreamKeeper) -> set[int]:
    """The readers of a keeper that run."""
    assert keeper._process is not None
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == keeper._process.pid and state != "Z":
                found.add(int(entry.name))
    return found


def wait_until(true: Callable[[], object], timeout_s: float = 10.0) -> None:
    until = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def test_frames_come_and_a_reader_that_dies_is_replaced(
    stream: Any, address: str, keeper: StreamKeeper
) -> None:
    capture = keeper.open(address)
    rgb = capture.read()
    assert rgb is not None and rgb.shape == (48, 64, 3) and rgb.dtype == np.uint8
    assert rgb.mean() == pytest.approx(150, abs=8)
    stream.level = 60
    time.sleep(0.5)
    newer = capture.read()
    assert newer is not None and newer.mean() == pytest.approx(60, abs=8), "an old frame came"

    (reader,) = readers(keeper)
    for place in (f"/proc/{reader}/cmdline", f"/proc/{os.getpid()}/cmdline"):
        assert PASSWORD.encode() not in Path(place).read_bytes()
    os.kill(reader, signal.SIGKILL)
    with pytest.raises(CameraError, match="the process that reads the stream has ended"):
        for _ in range(50):
            capture.read()
    capture.close()

    again = keeper.open(address)
    assert again.read() is not None
    again.close()
    wait_until(lambda: not readers(keeper))


def test_a_keeper_that_dies_is_told_with_the_way_out(address: str, keeper: StreamKeeper) -> None:
    assert keeper._process is not None
    keeper._process.kill()
    keeper._process.wait()
    with pytest.raises(CameraError, match=NO_KEEPER):
        keeper.open(address)


def test_a_reader_goes_on_without_its_keeper_and_its_own_death_is_told_rightly(
    address: str, keeper: StreamKeeper
) -> None:
    capture = keeper.open(address)
    (reader,) = readers(keeper)
    assert keeper._process is not None
    keeper._process.kill()
    keeper._process.wait()
    assert capture.read() is not None
    os.kill(reader, signal.SIGKILL)
    with pytest.raises(CameraError, match=NO_KEEPER):
        for _ in range(50):
            capture.read()
    capture.close()


def test_a_keeper_that_cannot_start_is_told(address: str) -> None:
    keeper = StreamKeeper(address, command=("/nowhere/keeper",))
    with pytest.raises(CameraError, match="end Sightline and start it again"):
        keeper.open(address)
    keeper.close()


def test_an_address_where_nothing_is(stream: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    keeper = StreamKeeper(f"http://user:{PASSWORD}@127.0.0.1:{port}/video")
    with pytest.raises(CameraError, match=f"no pictures come from http://127.0.0.1:{port}"):
        keeper.open("")
    keeper.close()


@pytest.mark.slow
def test_the_camera_says_that_its_reader_died_and_is_back(
    address: str, keeper: StreamKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.devices.camera.FIRST_FRAME_S", 10.0)
    told: list[str] = []
    camera = Camera(address, on_lost=told.append, on_back=told.append, opener=keeper.open)
    assert camera.latest(2.0).rgb.shape == (48, 64, 3)
    (reader,) = readers(keeper)
    os.kill(reader, signal.SIGKILL)
    wait_until(lambda: len(told) >= 2, 20.0)
    assert told == [
        "The camera is lost: the process that reads the stream has ended; it is started again.",
        "The camera is back.",
    ]
    camera.close()
    wait_until(lambda: not readers(keeper))


# What a reader might send


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x00",
        HEADER.pack(streams.FRAME, 1, 1),
        HEADER.pack(77, 0, 0),
        HEADER.pack(streams.FAILED, 2**31, 2**31),
    ],
)
def test_a_reader_that_begins_wrongly(
    ends: tuple[socket.socket, socket.socket], sent: bytes
) -> None:
    ours, theirs = ends
    theirs.sendall(sent)
    theirs.close()
    with pytest.raises(CameraError, match="has ended"):
        StreamCapture(ours)
    assert ours.fileno() == -1, "the socket is left open"


@pytest.mark.parametrize(
    "sent",
    [
        HEADER.pack(streams.FRAME, 0, 5),
        HEADER.pack(streams.FRAME, 2**31, 2**31),
        HEADER.pack(streams.FRAME, 2, 2) + b"short",
        HEADER.pack(streams.OPENED, 2, 2),
    ],
)
def test_a_frame_that_is_none(ends: tuple[socket.socket, socket.socket], sent: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(HEADER.pack(streams.OPENED, 0, 0))
    capture = StreamCapture(ours)
    theirs.sendall(sent)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(CameraError, match="has ended"):
        capture.read()


def test_a_reader_that_hangs(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "READ_LIMIT_S", 0.1)
    ours, theirs = ends
    theirs.sendall(HEADER.pack(streams.OPENED, 0, 0))
    capture = StreamCapture(ours)
    with pytest.raises(CameraError, match="has ended"):
        capture.read()


def test_pieces_of_a_frame_are_joined(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)

    def serve() -> None:
        theirs.sendall(HEADER.pack(streams.OPENED, 0, 0))
        assert theirs.recv(1) == streams.NEXT
        whole = HEADER.pack(streams.FRAME, 30, 40) + picture.tobytes()
        for start in range(0, len(whole), 1000):
            theirs.sendall(whole[start : start + 1000])
            time.sleep(0.005)
        assert theirs.recv(1) == streams.NEXT
        theirs.sendall(HEADER.pack(streams.NO_FRAME, 0, 0))

    thread = threading.Thread(target=serve)
    thread.start()
    capture = StreamCapture(ours)
    rgb = capture.read()
    assert rgb is not None
    np.testing.assert_array_equal(rgb, picture)
    assert capture.read() is None
    thread.join()


@pytest.mark.parametrize(
    ("source", "expected"),
    [("rtsp://a/b", True), (" http://a", True), ("udp://a", True), ("0", False),
     ("file:///a", False), ("/a/http://b", False), ("video.mp4", False)],
)  # fmt: skip
def test_what_an_address_is(source: str, expected: bool) -> None:
    assert streams.is_address(source) is expected
