"""Cameras: folders, files, a video, a stream on this machine, and drivers that misbehave."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from assistant.devices.camera import Camera
from assistant.devices.capture import PictureFolder, open_source
from assistant.errors import CameraError
from assistant.seeing.frame_faults import MOST_REPEATS, Fault, FaultFinder
from tests.assistant.devices.conftest import noisy

QUICK: dict[str, Any] = {
    "stall_s": 0.15,
    "retry_s": (0.02, 0.04),
    "open_limit_s": 0.3,
    "judged_every_s": 0.001,
}


class FakeCapture:
    """Gives what the test says: new pictures, None, or nothing for a long time."""

    def __init__(self) -> None:
        self.mode, self.count, self.closed = "good", 0, False
        self.go_on = threading.Event()

    def read(self) -> Any:
        self.count += 1
        if self.mode == "hangs":
            self.go_on.wait(5)
        if self.mode == "broken":
            raise RuntimeError("driver bug")
        if self.mode == "none":
            return None
        if self.mode == "green":
            return np.full((48, 64, 3), (0, 135, 0), np.uint8)
        return noisy(120, 0 if self.mode == "repeats" else self.count)

    def close(self) -> None:
        self.closed = True


class Watched:
    """A camera over fake captures, with what it announced."""

    def __init__(self, *, opens: bool = True) -> None:
        self.told: list[str] = []
        self.captures: list[FakeCapture] = []
        self.opens = opens
        self.mode = "good"
        self.camera = Camera(
            "0",
            opener=self.open,
            on_lost=self.told.append,
            on_back=self.told.append,
            **QUICK,
        )

    def open(self, source: str) -> FakeCapture:
        if not self.opens:
            raise CameraError("camera 0 cannot be opened", "plug it in")
        self.captures.append(FakeCapture())
        self.captures[-1].mode = self.mode
        return self.captures[-1]

    def set(self, mode: str) -> None:
        self.mode = mode
        for capture in self.captures:
            capture.mode = mode

    def until_told(self, count: int) -> None:
        until = time.monotonic() + 5
        while len(self.told) < count:
            assert time.monotonic() < until, self.told
            time.sleep(0.01)


@pytest.fixture
def watched() -> Iterator[Watched]:
    each = Watched()
    yield each
    for capture in each.captures:
        capture.go_on.set()
    each.camera.close()


def test_the_newest_frame_comes_and_an_old_one_never(watched: Watched) -> None:
    first = watched.camera.latest(2.0)
    assert time.monotonic() - first.captured_at < 1
    watched.set("none")
    time.sleep(0.1)
    with pytest.raises(CameraError, match="plug it in"):
        watched.camera.latest(0.05)


def test_who_came_too_early_is_told_of_the_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.devices.camera.FIRST_FRAME_S", 0.01)
    opened = threading.Event()

    def open_late(source: str) -> FakeCapture:
        assert opened.wait(5)
        return FakeCapture()

    told: list[str] = []
    camera = Camera(
        "0", opener=open_late, on_lost=told.append, on_back=told.append, judged_every_s=0.001
    )
    with pytest.raises(CameraError, match="no picture yet"):
        camera.latest(2.0)
    opened.set()
    until = time.monotonic() + 5
    while not told and time.monotonic() < until:
        time.sleep(0.01)
    camera.close()
    assert told == ["The camera is back."]


@pytest.mark.parametrize(
    ("mode", "cause"),
    [
        ("none", "no picture comes"),
        ("green", "green"),
        ("repeats", "repeats"),
        ("hangs", "no picture comes"),
        ("broken", "no picture comes"),
    ],
)
def test_loss_and_return_are_announced_once(watched: Watched, mode: str, cause: str) -> None:
    watched.camera.latest(2.0)
    watched.set(mode)
    watched.until_told(1)
    time.sleep(0.2)
    assert len(watched.told) == 1 and cause in watched.told[0]
    with pytest.raises(CameraError, match=cause):
        watched.camera.latest(0.05)
    watched.set("good")
    for capture in watched.captures:
        capture.go_on.set()
    watched.until_told(2)
    assert watched.told[1:] == ["The camera is back."]
    watched.camera.latest(2.0)


def test_a_camera_that_is_missing_is_told_once_and_tried_again() -> None:
    watched = Watched(opens=False)
    watched.until_told(1)
    # Nothing is lost that was never there.
    assert watched.told == [
        "There is no picture from the camera: camera 0 cannot be opened; plug it in."
    ]
    with pytest.raises(CameraError, match="cannot be opened") as caught:
        watched.camera.latest(2.0)
    assert (caught.value.cause, caught.value.way_out) == (
        "camera 0 cannot be opened",
        "plug it in",
    )
    watched.opens = True
    watched.until_told(2)
    assert watched.camera.latest(2.0).rgb.shape == (48, 64, 3)
    watched.camera.close()
    assert len(watched.told) == 2


def test_a_camera_that_hangs_while_it_is_opened() -> None:
    release = threading.Event()
    late = FakeCapture()

    def open_slowly(source: str) -> FakeCapture:
        release.wait(5)
        return late

    told: list[str] = []
    camera = Camera("3", opener=open_slowly, on_lost=told.append, **QUICK)
    began = time.monotonic()
    with pytest.raises(CameraError, match="camera 3 does not answer"):
        camera.latest(2.0)
    assert time.monotonic() - began < 1
    camera.close()
    release.set()
    until = time.monotonic() + 2
    while not late.closed and time.monotonic() < until:
        time.sleep(0.01)
    assert late.closed


def test_the_sharpest_of_the_last_frames_is_given() -> None:
    sharp = np.zeros((48, 64, 3), np.uint8)
    sharp[::4] = 255
    pictures = [cv2.GaussianBlur(sharp, (0, 0), 2), sharp, cv2.GaussianBlur(sharp, (0, 0), 3)]

    class Three(FakeCapture):
        def read(self) -> Any:
            self.count += 1
            return pictures[self.count - 1] if self.count <= 3 else None

    camera = Camera(
        "0", opener=lambda source: Three(), stall_s=2.0, retry_s=(1,), judged_every_s=0.001
    )
    time.sleep(0.25)
    assert np.array_equal(camera.latest(2.0).rgb, sharp)
    camera.close()


def test_faults_of_frames() -> None:
    finder = FaultFinder()
    assert finder.judge(np.full((40, 40, 3), (0, 135, 0), np.uint8)) is Fault.GREEN
    assert finder.judge(np.zeros((40, 40, 3), np.uint8)) is None
    lawn = np.repeat(np.repeat(noisy(0)[::4, ::4] * 3, 4, axis=0), 4, axis=1)
    lawn[..., 1] += 100
    assert finder.judge(lawn) is None
    still = FaultFinder(still=True)
    judged = [(finder.judge(noisy(9)), still.judge(noisy(9))) for _ in range(MOST_REPEATS + 1)]
    assert judged[-1] == (Fault.REPEATED, None)
    assert judged[-2] == (None, None)


def save(folder: Path, name: str, level: int) -> Path:
    path = folder / name
    Image.fromarray(np.full((20, 30, 3), level, np.uint8)).save(path)
    return path


def test_a_picture_file_and_its_next_version(tmp_path: Path) -> None:
    path = save(tmp_path, "a.png", 10)
    source = open_source(str(path))
    assert source.read().mean() == 10  # type: ignore[union-attr]
    path.write_bytes(b"half a file")
    assert source.read().mean() == 10  # type: ignore[union-attr]
    time.sleep(0.01)
    save(tmp_path, "a.png", 99)
    assert source.read().mean() == 99  # type: ignore[union-attr]
    path.unlink()
    assert source.read() is None


def test_the_pictures_of_a_folder_follow_each_other(tmp_path: Path) -> None:
    for name, level in (("b.png", 20), ("a.png", 10), ("c.png", 30)):
        save(tmp_path, name, level)
    (tmp_path / "notes.txt").write_text("no picture")
    clock = [0.0]
    folder = PictureFolder(tmp_path, lambda: clock[0])
    seen = []
    for clock[0] in (0.0, 0.5, 1.1, 2.1, 60.0):
        rgb = folder.read()
        assert rgb is not None
        seen.append(int(rgb.mean()))
    assert seen == [10, 10, 20, 30, 30]


def test_a_folder_through_the_camera(tmp_path: Path) -> None:
    save(tmp_path, "a.png", 10)
    camera = Camera(str(tmp_path))
    assert camera.latest(2.0).rgb.mean() == 10
    camera.close()


def test_a_video_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 50, (64, 48))  # type: ignore[attr-defined]
    for level in (40, 120, 200):
        writer.write(np.full((48, 64, 3), (level, 0, 0), np.uint8))
    writer.release()
    source = open_source(str(path))
    frames = [source.read() for _ in range(5)]
    levels = [int(frame[:, :, 2].mean()) for frame in frames if frame is not None]
    assert levels == pytest.approx([40, 120, 200, 200, 200], abs=6)
    source.close()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("none.mp4", "there is no such file"),
        ("empty", "holds no pictures"),
        ("bad.mp4", "no video"),
    ],
)
def test_sources_that_cannot_be_used(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.mp4").write_bytes(b"this is no video")
    with pytest.raises(CameraError, match=text):
        open_source(str(tmp_path / name))


def test_a_stream_stays_fresh_while_nobody_asks(
    stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.devices.camera.FIRST_FRAME_S", 8.0)
    told: list[str] = []
    address = f"http://127.0.0.1:{stream.server_address[1]}/video"
    camera = Camera(address, on_lost=told.append, on_back=told.append)
    assert camera.latest(2.0).rgb.mean() == pytest.approx(150, abs=8)
    stream.level = 60
    time.sleep(1.0)
    frame = camera.latest(1.0)
    assert frame.rgb.mean() == pytest.approx(60, abs=8)
    assert told == []
    camera.close()


@pytest.mark.slow
def test_a_stream_that_breaks_off_and_comes_back(
    stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.devices.camera.FIRST_FRAME_S", 20.0)
    told: list[str] = []
    address = f"http://127.0.0.1:{stream.server_address[1]}/video"
    camera = Camera(address, on_lost=told.append, on_back=told.append, stall_s=0.5)
    camera.latest(2.0)
    until = time.monotonic() + 20
    stream.streams = False
    while not told and time.monotonic() < until:
        time.sleep(0.02)
    stream.streams = True
    while len(told) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert len(told) == 2 and told[0].startswith("The camera is lost: ")
    camera.close()
