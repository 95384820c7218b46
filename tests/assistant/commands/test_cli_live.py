"""`assistant` without a command: which front end starts, and what it does where all is missing."""

import argparse
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.cli import main
from assistant.commands.live import choose_front, with_options
from assistant.errors import MicrophoneError, SettingsError, UsageError
from assistant.inference import opening
from assistant.session import phrases
from assistant.settings.settings import Settings
from tests.assistant.fakes_session import FakeCamera, FakeListener, picture_file


def options(**given: Any) -> argparse.Namespace:
    defaults = dict.fromkeys(("plain", "tui", "json", "no_speech"), False)
    paths = dict.fromkeys(("picture", "camera", "model", "device", "vosk_model"))
    return argparse.Namespace(**{**defaults, **paths, **given})


@pytest.mark.parametrize(
    ("given", "environment", "interface", "terminal", "front"),
    [
        ({}, {}, "auto", True, "tui"),
        ({}, {}, "auto", False, "plain"),
        ({}, {}, "plain", True, "plain"),
        ({}, {"ACCESSIBLE": "1"}, "tui", True, "plain"),
        ({}, {"ACCESSIBLE": "0"}, "tui", True, "tui"),
        ({}, {"TERM": "dumb"}, "tui", True, "plain"),
        ({"tui": True}, {"ACCESSIBLE": "1", "TERM": "dumb"}, "plain", True, "tui"),
        ({"plain": True}, {}, "tui", True, "plain"),
        ({"json": True}, {"ACCESSIBLE": "1"}, "tui", True, "json"),
    ],
)
def test_a_flag_beats_the_environment_and_that_the_settings(
    given: dict[str, bool],
    environment: dict[str, str],
    interface: str,
    terminal: bool,
    front: str,
) -> None:
    settings = Settings(interface=interface)
    assert choose_front(options(**given), environment, settings, on_terminal=terminal) == front


def test_the_full_screen_needs_a_terminal() -> None:
    with pytest.raises(UsageError, match="--plain"):
        choose_front(options(tui=True), {}, Settings(), on_terminal=False)


def test_options_change_the_settings_of_one_start(tmp_path: Path) -> None:
    settings = with_options(Settings(), options(no_speech=True, camera="none"))
    assert (settings.speech_mode, settings.camera_source) == ("none", "none")
    with pytest.raises(UsageError, match="config.json"):
        with_options(Settings(), options(model=tmp_path))
    for device in ("auto", "cpu", "cuda", "cuda:1"):
        assert with_options(Settings(), options(device=device)).device == device
    assert with_options(Settings(device="cpu"), options()).device == "cpu"
    with pytest.raises(SettingsError, match='device is "gpu"; it must be "auto", "cpu"'):
        with_options(Settings(), options(device="gpu"))


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine without microphone, camera and model; the user's folders are new."""

    def missing(self: object) -> None:
        raise MicrophoneError("no microphone was found; plug one in")

    class NoCamera(FakeCamera):
        def __init__(self, source: str, *, on_lost: Callable[[str], None], **_: object) -> None:
            super().__init__()
            self.error = "no camera was found"
            on_lost("There is no picture from the camera: no camera was found.")

    monkeypatch.setattr("assistant.devices.camera.Camera", NoCamera)
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("assistant.devices.microphone.SoundDeviceMicrophone.open", missing)
    monkeypatch.setattr(opening, "pocket_int4_folder", lambda: tmp_path / "pocket")
    yield tmp_path
    for thread in threading.enumerate():
        if thread.name == "devices":
            thread.join(30)


def converse(monkeypatch: pytest.MonkeyPatch, lines: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    return main(arguments)


@pytest.mark.usefixtures("offline")
def test_where_all_is_missing_each_thing_is_told_once(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = picture_file(bare)
    lines = f"/open {picture}\nwhat colour is it\nwhat colour is it\n"
    assert converse(monkeypatch, lines, "--no-speech") == 0
    out, error = capsys.readouterr()
    assert error == ""
    for told in (
        "There is no picture from the camera",
        "there is no vision model at ",
    ):
        assert out.count(f"status: {told}") == 1, told
    assert out.count("answer: I can't tell: ") == 2
    assert "microphone" not in out, "nobody tried to talk"
    assert all(
        line.startswith(("you: ", "answer: ", "status: ", "error: ", "  "))
        for line in out.splitlines()
    )


@pytest.mark.usefixtures("offline")
def test_a_missing_microphone_is_told_to_who_talks(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Deaf(FakeListener):
        def start(self) -> None:
            raise MicrophoneError("no microphone was found; plug one in")

    monkeypatch.setattr("assistant.wiring.open_listener", lambda chosen: Deaf())
    assert converse(monkeypatch, "/talk\n", "--no-speech") == 0
    assert capsys.readouterr().out.count("error: no microphone was found; plug one in") == 1


@pytest.mark.usefixtures("offline")
def test_with_a_picture_nobody_misses_a_camera(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(picture_file(bare))
    assert converse(monkeypatch, "", "--no-speech", "--camera", "none", "--picture", picture) == 0
    assert phrases.NO_CAMERA not in capsys.readouterr().out
    assert converse(monkeypatch, "", "--no-speech", "--camera", "none") == 0
    assert phrases.NO_CAMERA in capsys.readouterr().out


@pytest.mark.usefixtures("offline")
def test_a_settings_file_with_errors_is_told_and_does_not_stop_the_start(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = bare / "home" / "config" / "settings.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[speech]\nrate = 9000\n")
    assert converse(monkeypatch, "", "--json", "--no-speech") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [error] = [event["text"] for event in events if event["event"] == "error_said"]
    assert error == f"{file}: speech.rate is 9000; it must be a whole number from 80 to 600"


def test_who_leaves_does_not_wait_for_what_is_still_loading(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loading, loaded = threading.Event(), threading.Event()

    def load(self: object) -> None:
        loading.set()
        loaded.wait(30)

    class Lines(io.StringIO):
        def __next__(self) -> str:
            assert loading.wait(30)
            return super().__next__()

    monkeypatch.setattr("assistant.seeing.ocr.RapidOcrReader.load", load)
    monkeypatch.setattr(sys, "stdin", Lines("/quit\n"))
    began: list[float] = []
    threading.Thread(target=lambda: loading.wait(30) and began.append(time.monotonic())).start()
    assert main(["--no-speech", "--camera", "none"]) == 0
    assert time.monotonic() - began[0] < 4.0
    loaded.set()


def test_options_that_cannot_be_used_are_refused(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (("--plain", "--json"), ("--tui",), ("--vosk-model", str(bare / "none"))):
        assert converse(monkeypatch, "", *arguments) == 2
        assert capsys.readouterr().err.startswith("error: ")
