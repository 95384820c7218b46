"""Frames that were cut on their way: FFmpeg's decoder fills them with the frame before."""

from pathlib import Path

import cv2
import numpy as np

from assistant.devices.capture import VideoCapture
from assistant.seeing.frame_faults import CutFinder


def frame(number: int, *, noise: float = 4.0) -> np.ndarray:
    """A textured picture, (240, 320, 3), that moves and has a sensor's noise."""
    coarse = np.random.default_rng(5).integers(20, 235, (15, 20, 3)).astype(np.uint8)
    scene = np.roll(cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC), 15 * number, 1)
    return np.clip(
        scene + np.random.default_rng(number).normal(0, noise, scene.shape), 0, 255
    ).astype(np.uint8)


def stream(path: Path, cut: dict[int, float]) -> None:
    """A stream of JPEG frames, of some only a part."""
    packed = b""
    for number in range(12):
        data = cv2.imencode(".jpg", frame(number))[1].tobytes()
        packed += data[: int(cut.get(number, 1.0) * len(data))]
    path.write_bytes(packed)


def test_cut_frames_of_a_stream_are_not_given(tmp_path: Path) -> None:
    path = tmp_path / "live.mjpeg"
    stream(path, {6: 0.5, 9: 0.3})
    live = VideoCapture(cv2.VideoCapture(str(path), cv2.CAP_FFMPEG))
    good = [live.read() is not None for _ in range(12)]
    assert good == [number not in (6, 9) for number in range(12)]


def test_whole_streams_are_given_whole(tmp_path: Path) -> None:
    path = tmp_path / "live.mjpeg"
    stream(path, {})
    live = VideoCapture(cv2.VideoCapture(str(path), cv2.CAP_FFMPEG))
    assert all(live.read() is not None for _ in range(12))


def test_a_shown_screen_with_a_resting_lower_half_is_never_doubted() -> None:
    finder = CutFinder()
    for number in range(10):
        screen = frame(number)
        screen[120:] = 200
        assert not finder.is_cut(screen)


def test_the_same_frame_again_is_not_cut() -> None:
    finder = CutFinder()
    frames = [frame(0), frame(1), frame(2), frame(3), frame(4), frame(4)]
    assert not any(map(finder.is_cut, frames))
