"""The speech worker: sound comes out, nothing stays behind, and it may hang or die."""

import ctypes.util
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from assistant.devices.synthesizer import Pyttsx3Synthesizer
from assistant.errors import SynthesizerError

needs_espeak = pytest.mark.skipif(
    ctypes.util.find_library("espeak-ng") is None, reason="the espeak-ng library is not installed"
)

HANGING = 'import json, sys, time\nprint(json.dumps({"ready": True}), flush=True)\ntime.sleep(60)\n'
DYING = "import sys\nprint('{\"ready\": true}', flush=True)\nsys.stdin.readline()\nsys.exit(3)\n"
ENGINELESS = 'print(\'{"ready": false, "error": "RuntimeError: no eSpeak"}\', flush=True)\n'


@pytest.fixture
def private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the worker's folder is created; it must be empty again at the end."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    assert speech_folders(folder) == []


def speech_folders(folder: Path) -> list[Path]:
    """Our folders in the runtime folder; other libraries put theirs there too."""
    return sorted(folder.glob("sightline-*"))


def worker(tmp_path: Path, source: str) -> Path:
    path = tmp_path / "worker.py"
    path.write_text(source)
    return path


@needs_espeak
def test_sentences_come_out_of_one_worker(private_folder: Path) -> None:
    with Pyttsx3Synthesizer() as synthesizer:
        short = synthesizer.synthesize("Yes.")
        children = speech_folders(private_folder)
        long = synthesizer.synthesize("The total on this receipt is thirty ringgit ninety.")
        assert speech_folders(private_folder) == children, "a second worker was started"
        assert stat.S_IMODE(children[0].stat().st_mode) == 0o700
        assert list(children[0].iterdir()) == [], "sound outlived its sentence"
    assert short.samples.dtype == np.int16
    assert long.duration_s > 2 * short.duration_s > 0.5
    assert np.abs(long.samples.astype(int)).max() > 3000


@needs_espeak
def test_speed_changes_the_length(private_folder: Path) -> None:
    sentence = "One two three four five six seven eight nine ten."
    with Pyttsx3Synthesizer(rate_wpm=120) as slow, Pyttsx3Synthesizer(rate_wpm=360) as fast:
        ratio = slow.synthesize(sentence).duration_s / fast.synthesize(sentence).duration_s
    assert 2 < ratio < 4


@needs_espeak
def test_a_missing_voice_is_named(private_folder: Path) -> None:
    with (
        Pyttsx3Synthesizer(voice="klingon") as synthesizer,
        pytest.raises(SynthesizerError, match="no voice 'klingon'.*installed voices: "),
    ):
        synthesizer.synthesize("Hello.")


@pytest.mark.parametrize("rate_wpm", [79, 601])
def test_impossible_speeds_are_refused(rate_wpm: int) -> None:
    with pytest.raises(SynthesizerError, match="80 to 600"):
        Pyttsx3Synthesizer(rate_wpm=rate_wpm)


def test_nothing_to_say_is_refused() -> None:
    with pytest.raises(SynthesizerError, match="nothing to say"):
        Pyttsx3Synthesizer().synthesize("  ")


def test_a_hanging_engine_is_killed(private_folder: Path, tmp_path: Path) -> None:
    synthesizer = Pyttsx3Synthesizer(timeout_s=1.0, worker=worker(tmp_path, HANGING))
    began = time.monotonic()
    with pytest.raises(SynthesizerError, match="within 1 s"):
        synthesizer.synthesize("Hello.")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("source", "named"), [(DYING, "stopped"), (ENGINELESS, "no eSpeak.*apt install espeak-ng")]
)
def test_a_dead_or_missing_engine_is_reported(
    private_folder: Path, tmp_path: Path, source: str, named: str
) -> None:
    with pytest.raises(SynthesizerError, match=named):
        Pyttsx3Synthesizer(worker=worker(tmp_path, source)).synthesize("Hello.")


@needs_espeak
def test_it_recovers_after_a_crash(private_folder: Path, tmp_path: Path) -> None:
    path = worker(tmp_path, DYING)
    with Pyttsx3Synthesizer(worker=path) as synthesizer:
        with pytest.raises(SynthesizerError):
            synthesizer.synthesize("Hello.")
        from assistant.devices.synthesizer import WORKER

        path.write_text(WORKER.read_text())
        assert synthesizer.synthesize("Hello.").duration_s > 0.2


@needs_espeak
def test_a_killed_assistant_leaves_no_speech_behind(private_folder: Path) -> None:
    script = (
        "from assistant.devices.synthesizer import Pyttsx3Synthesizer\n"
        "import os, signal\n"
        "Pyttsx3Synthesizer().start()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False, env=dict(os.environ))
    deadline = time.monotonic() + 5
    while speech_folders(private_folder) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_left_overs_of_killed_runs_are_removed(private_folder: Path, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = private_folder / f"sightline-speech-{ended.pid}-abc"
    left.mkdir()
    (left / "1.wav").write_bytes(b"private")
    with pytest.raises(SynthesizerError):
        Pyttsx3Synthesizer(worker=worker(tmp_path, ENGINELESS)).synthesize("Hello.")
    assert not left.exists()
