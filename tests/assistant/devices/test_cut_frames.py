"""Frames that were cut on their way: decoders fill them with the frame before, or with grey."""

import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from assistant.devices.capture import VideoCapture
from assistant.seeing.frame_faults import MOST_DAMAGED, CutFinder, DamageFinder


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


def grey_end(number: int) -> np.ndarray:
    """A frame as libjpeg gives it when its end is missing."""
    cut = frame(number)
    cut[150:] = 128
    return cut


def test_a_frame_whose_end_is_plain_is_cut_until_the_scene_itself_ends_plain() -> None:
    finder = CutFinder()
    assert not any(finder.is_cut(frame(number)) for number in range(4))
    assert finder.is_cut(grey_end(4)) and not finder.is_cut(frame(5))
    # A hand before the lower half stays.
    told = [finder.is_cut(grey_end(number)) for number in range(6, 20)]
    assert told[0] and not any(told[8:])


def test_night_and_blinding_light_are_not_cut() -> None:
    for level in (0, 255):
        finder = CutFinder()
        assert not any(finder.is_cut(frame(number)) for number in range(4))
        lit = frame(4)
        lit[120:] = level
        assert not finder.is_cut(lit)


def test_what_the_decoder_says_spoils_a_frame_and_what_rests_on_it() -> None:
    finder = DamageFinder()
    told = [
        finder.is_damaged(said, kind)
        for said, kind in [
            (b"", "I"), (b"[mjpeg @ 0x1] unable to decode APP fields: unknown\n", "I"),
            (b"[mjpeg @ 0x1] overread 8\n", "I"), (b"", "I"), (b"", "P"),
            (b"[h264 @ 0x1] concealing 300 DC, 300 AC, 300 MV errors in P frame\n", "P"),
            (b"", "P"), (b"", "B"), (b"", "I"), (b"", "P"),
        ]
    ]  # fmt: skip
    assert told == [False, False, True, False, False, True, True, True, False, False]


def test_a_camera_of_which_the_decoder_always_complains_is_believed_after_a_while() -> None:
    finder = DamageFinder()
    told = [finder.is_damaged(b"overread 8", "I") for _ in range(MOST_DAMAGED + 20)]
    assert all(told[:MOST_DAMAGED]) and not any(told[MOST_DAMAGED:])


def jpeg(encoder: str, rgb: np.ndarray) -> bytes:
    if encoder == "opencv":
        return bytes(cv2.imencode(".jpg", rgb[:, :, ::-1])[1].tobytes())
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=80, progressive=encoder == "progressive")
    return file.getvalue()


READ_ALL = """
import json, sys
from assistant.devices.capture import open_stream
from assistant.devices.stream_reader import own_errors
live = open_stream(sys.argv[1], own_errors())
print(json.dumps([live.read() is not None for _ in range(int(sys.argv[2]))]))
"""
"""A process of its own, as the reader of streams is: it gives up its standard error."""


@pytest.mark.parametrize(
    "encoder",
    ["opencv", *(pytest.param(each, marks=pytest.mark.slow) for each in ("pillow", "progressive"))],
)
def test_frames_that_the_decoder_mends_are_not_given(tmp_path: Path, encoder: str) -> None:
    whole = [jpeg(encoder, frame(number)) for number in range(14)]
    sent = list(whole)
    for number, begin in ((4, 0.3), (7, 0.5), (10, 0.8)):
        # Before any frames can be compared, and with other ends than those of the frame before.
        at = int(begin * len(whole[number]))
        sent[number] = whole[number][:at] + (b"" if number != 10 else whole[number][at + 400 :])
    sent[1] = whole[1][: len(whole[1]) // 2]
    path = tmp_path / "live.mjpeg"
    path.write_bytes(b"".join(sent))
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(path), "14"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [number not in (1, 4, 7, 10) for number in range(14)]
    path.write_bytes(b"".join(whole))
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(path), "14"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [True] * 14
