"""The doctor: every finding has a state, a cause and a fix, and nothing hangs or crashes it."""

import contextlib
import dataclasses
import functools
import json
import shutil
import struct
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assistant import cli, wiring
from assistant.commands import doctor
from assistant.commands.doctor import SpokenLines, report
from assistant.doctor import checks
from assistant.doctor import machine as doctor_machine
from assistant.doctor import probes as doctor_probes
from assistant.doctor.checks import Examined, Finding, Probe, State, examine
from assistant.errors import CameraError, PlayerError, RecognizerError, VisionError
from assistant.frames import Frame
from assistant.inference import placing
from assistant.inference.server_opening import DOCTOR_LIMITS
from assistant.models_store.installed import (
    PullRecord,
    model_folder,
    speech_model,
    write_record,
)
from assistant.settings.file import save_setting
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings
from models.pocket import pocket_int4_folder
from models.socket_filter import Offline
from tests.assistant.conftest import UseKeyring
from tests.assistant.fakes_sound import FakeMicrophone, FakePlayer, FakeVoice
from tests.assistant.inference.fake_model_server import serving

GOOD = Finding(State.OK, "it is there")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIGHTLINE_VOSK_MODEL", raising=False)
    return tmp_path / "home"


def one(probe: Probe, limit_s: float = 5.0) -> Examined:
    (examined,) = examine([probe], limit_s=limit_s)
    return examined


def raising(error: Exception) -> Probe:
    def look() -> Finding:
        raise error

    return Probe("camera", look, fix="plug one in")


# How it goes about it


def test_an_error_becomes_cause_and_fix() -> None:
    examined = one(raising(CameraError("camera 0 is busy", "close the other program")))
    assert examined.words() == "camera: Missing. Camera 0 is busy. Close the other program."
    assert one(raising(PlayerError("no sound"))).finding.fix == "plug one in"
    strange = one(raising(ZeroDivisionError("division by zero")))
    assert strange.finding.cause == "it failed (ZeroDivisionError: division by zero)"
    assert strange.is_bad


def test_a_probe_that_hangs_is_left_behind() -> None:
    free = threading.Event()

    def hang() -> Finding:
        free.wait(20)
        return GOOD

    probes = [Probe("camera", hang), Probe("disk", lambda: GOOD)]
    first, second = examine(probes, limit_s=0.05)
    free.set()
    assert first.finding is checks.LATE and first.is_bad
    assert 0.04 < first.seconds < 2
    assert second.finding is GOOD
    assert checks.LIMIT_S == 5.0


def test_exit_code_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    missing = Finding(State.MISSING, "", "it was stolen", "buy another")
    limited = Finding(State.LIMITED, "slow", "it is old", "be patient")
    spoken: list[str] = []
    examined = [
        Examined("camera", missing, True, 0.1),
        Examined("card", missing, False, 0.1),
        Examined("disk", limited, True, 0.1),
    ]
    assert report(examined, as_json=False, say=spoken.append) == 1
    lines = [
        "camera: Missing. It was stolen. Buy another.",
        "card: Missing. It was stolen. Buy another.",
        "disk: Limited. Slow. It is old. Be patient.",
        "Missing: camera.",
    ]
    assert capsys.readouterr().out.splitlines() == lines == spoken
    assert report(examined[1:], as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fine"] is True and told["schema_version"] == 1
    assert told["findings"][0] == {
        "name": "card",
        "state": "missing",
        "matters": False,
        "text": "",
        "cause": "it was stolen",
        "fix": "buy another",
        "seconds": 0.1,
    }


def test_escape_bytes_from_drivers_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    report([one(raising(CameraError("\x1b[31mred\x07", "\u2588 fix")))], as_json=False)
    told = capsys.readouterr().out
    assert "\x1b" not in told and "\x07" not in told and "\u2588" not in told


def test_without_a_voice_it_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    tries: list[None] = []

    def no_sound() -> FakePlayer:
        tries.append(None)
        raise PlayerError("no sound: no loudspeaker or headphones were found")

    with contextlib.closing(SpokenLines(FakeVoice, no_sound)) as voice:
        voice.say("one")
        voice.say("two")
    assert len(tries) == 1
    assert capsys.readouterr().err.count("in text only") == 1


def test_with_a_voice_each_sentence_is_spoken() -> None:
    voice, player = FakeVoice(), FakePlayer()
    lines = SpokenLines(lambda: voice, lambda: player)
    lines.say("camera: Missing. Plug one in.")
    assert voice.made == ["camera: Missing.", "Plug one in."]
    assert player.said == [len(sentence) for sentence in voice.made]
    assert player.closed, "the probes look at the same device"


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "doctor_probes", lambda **_: [Probe("disk", lambda: GOOD)])
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out == "disk: Ok. It is there.\nEverything that matters is there.\n"
    monkeypatch.setattr(doctor, "doctor_probes", lambda **_: [raising(CameraError("none"))])
    assert cli.main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["fine"] is False


def test_all_the_parts_are_looked_at(home: Path) -> None:
    names = ", ".join(
        probe.name for probe in wiring.doctor_probes(delete_id="", offline=Offline(True))
    )
    assert names == (
        "camera, microphone, loudspeaker, voice, recognizer, text recognition, other scripts, "
        "models, graphics card, memory, disk, saved things, offline, device identifier, settings"
    )
    (home / "config").mkdir(parents=True)
    (home / "config/settings.toml").write_text('[speech]\nmode = "screen_reader"\n')
    matters = {
        probe.name: probe.matters
        for probe in wiring.doctor_probes(delete_id="", offline=Offline(True))
    }
    assert matters["camera"] and not matters["loudspeaker"] and not matters["voice"]
    (home / "config/settings.toml").write_text("= broken")
    settings = wiring.doctor_probes(delete_id="", offline=Offline(True))[-1]
    assert one(settings).words() == (
        f"settings: Limited. Their file has a mistake. {home}/config/settings.toml: is not TOML: "
        "Invalid statement (at line 1, column 1). Correct or remove it; all settings are at their "
        "defaults."
    )
    (home / "config/settings.toml").write_text("verbosity = 3\nspeach = 1")
    assert (
        "file has 2 mistakes, of which this is the first. "
        in one(wiring.doctor_probes(delete_id="", offline=Offline(True))[-1]).words()
    )


# What it looks at


class FakeCamera:
    """A source of one picture."""

    def __init__(self, rgb: np.ndarray) -> None:
        self.rgb, self.closed = rgb.astype(np.uint8), False

    def latest(self, max_age_s: float) -> Frame:
        return Frame(self.rgb, 0.0)

    def close(self) -> None:
        self.closed = True


def test_camera() -> None:
    scene = FakeCamera(np.arange(480 * 640 * 3).reshape(480, 640, 3) % 251)
    finding = doctor_probes.look_at_camera("0", lambda source: scene)
    assert (finding.state, scene.closed) == (State.OK, True)
    assert "640 by 480" in finding.text
    dark = FakeCamera(np.full((4, 4, 3), 3))
    assert "blank" in doctor_probes.look_at_camera("0", lambda source: dark).cause
    assert doctor_probes.look_at_camera("none", wiring.open_camera).state is State.LIMITED


def test_a_camera_that_is_slow_to_start() -> None:
    class SlowCamera(FakeCamera):
        tries = 0

        def latest(self, max_age_s: float) -> Frame:
            self.tries += 1
            if self.tries == 1:
                raise CameraError("the camera gives no picture yet; wait a moment")
            return super().latest(max_age_s)

    scene = SlowCamera(np.arange(48).reshape(4, 4, 3) * 5)
    assert doctor_probes.look_at_camera("0", lambda source: scene).state is State.OK


def test_a_picture_file_stands_for_a_camera(tmp_path: Path) -> None:
    picture = tmp_path / "scene.png"
    Image.fromarray(np.arange(64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)).save(picture)
    assert "64 by 48" in doctor_probes.look_at_camera(str(picture), wiring.open_camera).text
    with pytest.raises(CameraError, match=r".+; .+"):
        doctor_probes.look_at_camera(str(tmp_path / "missing.png"), wiring.open_camera)


def test_recognizer_in_use(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = doctor_probes.look_at_recognizer(speech_model(""))
    assert finding.state is State.LIMITED and finding.text.startswith("PocketSphinx")
    # Both are named: where one's server does not answer, the other comes from elsewhere.
    assert "assistant models pull vosk-small-en" in finding.fix
    assert finding.fix.endswith("whisper-tiny-en")
    with pytest.raises(RecognizerError, match="no such folder"):
        doctor_probes.look_at_recognizer(speech_model(str(tmp_path / "nothing")))
    pulled = model_folder("vosk-small-en")
    for name in ("am/final.mdl", "conf/mfcc.conf"):
        (pulled / name).parent.mkdir(parents=True, exist_ok=True)
        (pulled / name).write_bytes(b"x")
    assert doctor_probes.look_at_recognizer(speech_model("")).text.startswith("PocketSphinx")
    write_record(PullRecord("vosk-small-en", "https://x.org", None, {}))
    finding = doctor_probes.look_at_recognizer(speech_model(""))
    assert (finding.state, "vosk-small-en" in finding.text) == (State.OK, True)
    assert finding.text.endswith("you can ask anything, in English")
    shutil.copytree(pulled, model_folder("vosk-small-de"))
    write_record(PullRecord("vosk-small-de", "https://x.org", None, {}))
    assert doctor_probes.look_at_recognizer(speech_model("")).text.endswith("in German")
    own = speech_model(str(shutil.copytree(pulled, tmp_path / "own")))
    assert doctor_probes.look_at_recognizer(own).text.endswith("own; you can ask anything")


def test_models(tmp_path: Path) -> None:
    finding = doctor_machine.look_at_models(Settings())
    assert finding.state is State.OK and "pocket" in finding.text
    finding = doctor_machine.look_at_models(Settings(model_folder=str(tmp_path)))
    assert finding.state is State.MISSING and "config.json" in finding.cause
    finding = doctor_machine.look_at_models(Settings(text_model_folder=str(tmp_path)))
    assert finding.state is State.LIMITED and "text model" in finding.cause


def test_damaged_weights_are_named_without_loading_them(tmp_path: Path) -> None:
    whole = next(pocket_int4_folder().glob("*.safetensors")).read_bytes()
    (tmp_path / "config.json").write_text("{}")
    assert "no safetensors" in (doctor_machine.model_fault(tmp_path) or "")
    path = tmp_path / "model.safetensors"
    for content in (whole[:-1], whole[:5], b"", struct.pack("<Q", 2) + b"[]", b"\xff" * 64):
        path.write_bytes(content)
        fault = doctor_machine.model_fault(tmp_path)
        assert fault is not None and "model.safetensors is" in fault
    path.write_bytes(whole)
    assert doctor_machine.model_fault(tmp_path) is None


def test_graphics_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def card(text: str, build: str) -> Finding:
        reply = subprocess.CompletedProcess([], 0, text, "")
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: reply)
        monkeypatch.setattr(doctor_machine.importlib.metadata, "version", lambda name: build)
        return doctor_machine.look_at_gpu()

    large = "NVIDIA GeForce RTX 4090, 24564\n"
    assert card(large, "2.13.0").state is State.OK
    assert card(large, "2.13.0").text == "NVIDIA GeForce RTX 4090, 25.8 gigabytes"
    assert "without CUDA" in card(large, "2.13.0+cpu").cause
    assert "24 gigabytes" in card("NVIDIA T4, 15360\n", "2.13.0").cause
    for broken in ("", "No devices were found", "a, b"):
        assert "gives no answer" in card(broken, "2.13.0").cause

    def no_driver(*_: object, **__: object) -> None:
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.setattr(subprocess, "run", no_driver)
    finding = doctor_machine.look_at_gpu()
    assert (finding.state, finding.cause) == (State.LIMITED, "no NVIDIA card was found")


def test_what_the_card_computes_and_why_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A card with room, a busy one, a small one, an old one, two, and a driver that is too old."""
    needed = {"pictures": 14_600_000_000, "texts": 8_100_000_000}
    monkeypatch.setattr(placing, "card_bytes", lambda folder: needed[folder.name])
    monkeypatch.setattr(placing, "host_bytes", lambda folder: needed[folder.name])
    settings = Settings(
        model_folder=str(tmp_path / "pictures"), text_model_folder=str(tmp_path / "texts")
    )

    def said(*lines: str, build: str = "13.0", device: str = "auto") -> Finding:
        parts = [line.split("; ") for line in lines]

        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            asked = 0 if "name" in command[1] else 1
            reply = "\n".join(part[asked] for part in parts)
            return subprocess.CompletedProcess(command, 0, reply, "")

        monkeypatch.setattr(subprocess, "run", run)
        monkeypatch.setattr(doctor_machine.importlib.metadata, "version", lambda name: "2.13.0")
        monkeypatch.setattr(doctor_machine.cards, "cuda_of_build", lambda: build)
        return doctor_machine.look_at_gpu(dataclasses.replace(settings, device=device))

    large, driver = "NVIDIA GeForce RTX 4090, 24564; ", "8.9, 580.95.05"
    found = said(f"{large}24100, {driver}")
    assert found.state is State.OK and found.text.endswith("; pictures: card 0, texts: card 0")
    found = said(f"{large}9000, {driver}")
    assert found.text.endswith("pictures: the processor, texts: card 0")
    assert "only 9.4 gigabytes free" in found.cause and "nvidia-smi" in found.fix
    found = said("NVIDIA GeForce RTX 3070, 8192; 7900, 8.6, 580.95.05")
    assert "pictures: the processor, texts: card 0" in found.text
    assert "has 8.6 gigabytes, and the model needs 14.6" in found.cause
    found = said("Tesla V100, 16384; 16000, 7.0, 580.95.05")
    assert "texts: the processor" in found.text and "compute capability 7.0" in found.cause
    found = said(f"{large}9000, {driver}", f"{large}24100, {driver}")
    assert found.state is State.OK and "and 1 more; pictures: card 1, texts: card 0" in found.text
    found = said(f"{large}24100, 8.9, 535.183.01")
    assert found.state is State.LIMITED and "is not used" in found.text
    assert "535.183.1" in found.cause and "580.65" in found.fix
    found = said(f"{large}24100, {driver}", device="cpu")
    assert found.text.endswith("pictures: the processor, texts: the processor")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert "CUDA_VISIBLE_DEVICES" in said(f"{large}24100, {driver}").cause


def test_memory_and_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((5e8, State.MISSING), (1.5e9, State.LIMITED), (8e9, State.OK)):
        finding = doctor_machine.look_at_memory(lambda free=free: (int(16e9), int(free)))
        assert finding.state is state
    assert doctor_machine.look_at_memory().text

    usage = types.SimpleNamespace(free=0)
    monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda place: usage)
    for free, state in ((5e7, State.MISSING), (1e9, State.LIMITED), (9e9, State.OK)):
        usage.free = int(free)
        assert doctor_machine.look_at_disk(tmp_path / "not" / "yet").state is state
    monkeypatch.setattr(doctor_machine.os, "access", lambda place, mode: False)
    assert "cannot be written" in doctor_machine.look_at_disk(tmp_path).cause


def test_saved_things(use_keyring: UseKeyring) -> None:
    from keyring.backends.fail import Keyring as NoKeyring

    use_keyring(NoKeyring())
    assert doctor_machine.look_at_saved_things(Settings()).state is State.OK
    finding = doctor_machine.look_at_saved_things(Settings(history_enabled=True))
    assert finding.state is State.LIMITED and "passphrase" in finding.fix


def test_a_model_server(home: Path) -> None:
    """No line without one; else whether it answers, with which model, and whether it may."""
    assert "model server" not in [each.name for each in wiring.doctor_probes(**NO_DOCTOR)]
    with serving() as server:
        settings = Settings(server_address=server.address)
        kept, said = wiring.keep_server(settings)
        assert kept is not None and said == kept.notice
        find = functools.partial(kept.find, DOCTOR_LIMITS)
        finding = doctor_machine.look_at_server(settings, find)
        where = f"the server at 127.0.0.1:{server.port}"
        assert finding == Finding(
            State.OK, f"answers about pictures and texts come from tiny on {where}"
        )
        server.models = ("a", "b")
        with pytest.raises(VisionError, match="has 2 models; set server.model to one of these"):
            doctor_machine.look_at_server(settings, find)
        kept.close()
        with pytest.raises(VisionError, match="has ended"):
            doctor_machine.look_at_server(settings, find)
    other = Settings(server_address="http://192.0.2.1:80")
    kept, said = wiring.keep_server(other)
    assert kept is None and "to send your pictures and texts there, set server.elsewhere" in said
    finding = doctor_machine.look_at_server(other, None)
    assert (finding.state, finding.cause) == (State.LIMITED, "192.0.2.1:80 is another computer")
    save_setting(settings_file(), other, "server.address")
    probes = {each.name: each for each in wiring.doctor_probes(**NO_DOCTOR)}
    assert probes["model server"].look().state is State.LIMITED
    may_call = "one process alone may call the model server"
    look = doctor_machine.look_at_network
    assert may_call not in look(Offline(True), other, {}).text
    for called in (settings, dataclasses.replace(other, server_elsewhere=True)):
        assert may_call in look(Offline(True), called, {}).text


NO_DOCTOR: dict[str, Any] = {"delete_id": "", "offline": Offline(True)}


def test_a_muted_microphone_is_told() -> None:
    for level, state in ((0, State.LIMITED), (-1, State.LIMITED), (-9, State.OK)):
        microphone = FakeMicrophone([level] * doctor_probes.SILENT_BLOCKS)
        assert doctor_probes.look_at_microphone(microphone).state is state
        assert (microphone.opened, microphone.closed) == (1, 1)


def test_what_is_said_of_the_network() -> None:
    look = doctor_machine.look_at_network
    good = look(Offline(True), Settings(), {})
    assert good == Finding(State.OK, "enforced by the kernel")
    stream = look(Offline(True), Settings(camera_source="rtsp://phone/1"), {})
    assert stream.state is State.OK and "one process alone may go online" in stream.text
    without = look(Offline(False, "only Linux can do this"), Settings(), {})
    assert without.state is State.LIMITED and without.cause == "only Linux can do this"
    assert "not enforced by the kernel" in without.text
    partly = look(Offline(True, "input of this program is a network connection"), Settings(), {})
    assert partly.state is State.LIMITED and "input" in partly.cause
    for server in ("tcp:192.0.2.1:4713", "desk.lan"):
        far = look(Offline(True), Settings(), {"PULSE_SERVER": server})
        assert far.state is State.LIMITED and server in far.cause and "Unix socket" in far.fix
    for server in ("unix:/run/user/1000/pulse/native", "/run/pulse", "{me}unix:/p tcp:desk.lan"):
        assert look(Offline(True), Settings(), {"PULSE_SERVER": server}) == good


@pytest.mark.slow
def test_nothing_crashes_on_this_very_machine(offline: None) -> None:
    found = list(examine(wiring.doctor_probes(delete_id="", offline=Offline(True))))
    assert len(found) == 15
    for one in found:
        assert one.seconds < 6
        if one.finding.state is State.MISSING:
            assert one.finding.cause and one.finding.fix, one


@pytest.mark.slow
def test_the_command_ends_by_itself() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "assistant.cli", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert ended.returncode in (0, 1)
    report = json.loads(ended.stdout)
    (offline,) = (one for one in report["findings"] if one["name"] == "offline")
    assert offline["state"] == "limited" or offline["text"] == "enforced by the kernel"
    assert report["fine"] is (ended.returncode == 0)
