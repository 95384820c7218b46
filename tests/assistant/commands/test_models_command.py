"""Listing, pulling and verifying models, against a server on this machine."""

import dataclasses
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from filelock import FileLock

from assistant import cli, machine
from assistant.commands import models as models_command
from assistant.errors import DamagedFileError, DownloadError
from assistant.models_store import pulling
from assistant.models_store.installed import (
    faults,
    installed_speech_model,
    is_installed,
    model_folder,
    models_folder,
    read_record,
    record_file,
)
from assistant.models_store.ownership import MARKER
from assistant.models_store.pulling import pull
from assistant.settings.file import save_setting
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings
from models import catalog
from models.catalog import ArchiveSource, CatalogModel, HubSource, ModelKind
from tests.assistant.fakes_server import Manners, hub_listing, serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHARD = b"\x08\0\0\0\0\0\0\0{}      " * 20_000


def vosk_zip(folder: str = "vosk-tiny", **more: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as opened:
        files = {"am/final.mdl": b"model" * 999, "conf/mfcc.conf": b"--use", **more}
        for name, content in files.items():
            opened.writestr(zipfile.ZipInfo(f"{folder}/{name}"), content)  # always the same bytes
    return held.getvalue()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def manners() -> Manners:
    return Manners({"/vosk-tiny.zip": vosk_zip()})


@pytest.fixture
def root(manners: Manners) -> Iterator[str]:
    with serving(manners) as address:
        yield address


def speech(root: str, sha256: str = "", size: int = 0, name: str = "vosk-small-en") -> CatalogModel:
    source = ArchiveSource(f"{root}/vosk-tiny.zip", "vosk-tiny", size, sha256)
    return CatalogModel(
        name, "Vosk, tiny", ModelKind.SPEECH, "Apache-2.0", "https://x.org", 6000, 0, source
    )


def fetch(model: CatalogModel, endpoint: str | None = None) -> tuple[Path, list[str]]:
    told: list[str] = []
    return pull(model, told.append, endpoint=endpoint, pause_s=0), told


def test_a_model_is_pulled_checked_and_used_next(root: str, home: Path) -> None:
    content = vosk_zip()
    model = speech(root, hashlib.sha256(content).hexdigest(), len(content))
    assert installed_speech_model() is None
    folder, _ = fetch(model)
    assert folder == home / "data/models/vosk-small-en" == installed_speech_model()
    assert (folder / "am/final.mdl").read_bytes() == b"model" * 999
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*.*")} == {0o600}
    assert stat.S_IMODE(record_file(model.name).stat().st_mode) == 0o600
    assert list(faults(model)) == []
    hidden = [path for path in models_folder().rglob("*") if path.suffix in (".zip", ".part")]
    assert hidden == []


def test_the_speech_model_pulled_last_is_used(root: str) -> None:
    fetch(speech(root, name="vosk-medium-en"))
    fetch(speech(root, name="vosk-small-en"))
    assert installed_speech_model() == model_folder("vosk-small-en")
    fetch(speech(root, name="vosk-medium-en"))
    assert installed_speech_model() == model_folder("vosk-medium-en")


def test_a_clock_that_was_set_back_changes_nothing(root: str) -> None:
    fetch(speech(root, name="vosk-medium-en"))
    future = record_file("vosk-medium-en").stat().st_mtime_ns + 10**15
    os.utime(record_file("vosk-medium-en"), ns=(future, future))
    fetch(speech(root, name="vosk-small-en"))
    assert installed_speech_model() == model_folder("vosk-small-en")


def test_an_unknown_digest_is_recorded_and_then_held_to(root: str, manners: Manners) -> None:
    model = speech(root)
    _, told = fetch(model)
    assert "nobody publishes a digest of this file; the one that came is recorded" in told
    record = read_record(model.name)
    assert record is not None and record.archive is not None
    assert record.archive.sha256 == hashlib.sha256(vosk_zip()).hexdigest()
    manners.files["/vosk-tiny.zip"] = vosk_zip(more=b"another")
    with pytest.raises(DamagedFileError, match="first pull.*remove .*vosk-small-en.json"):
        fetch(model)
    assert list(faults(model)) == []
    record_file(model.name).unlink()
    fetch(model)
    assert (model_folder(model.name) / "more").read_bytes() == b"another"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"<html>moved</html>", "no zip archive"),
        (vosk_zip("other-folder"), "holds no folder vosk-tiny"),
        (vosk_zip(**{"../../../evil": b"x"}), "leads out of the folder"),
        (vosk_zip("/vosk-tiny"), "absolute"),
        (vosk_zip(**{"am/final.mdl": b""}), "holds no Vosk model"),
        (vosk_zip()[:-40], "no zip archive"),
    ],
)
def test_wrong_content_is_not_installed(
    root: str, manners: Manners, home: Path, content: bytes, cause: str
) -> None:
    manners.files["/vosk-tiny.zip"] = content
    with pytest.raises(DamagedFileError, match=cause):
        fetch(speech(root))
    assert not model_folder("vosk-small-en").exists()
    assert not record_file("vosk-small-en").exists()
    assert [path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
    manners.files["/vosk-tiny.zip"] = vosk_zip()
    fetch(speech(root))
    assert is_installed("vosk-small-en")


def test_a_stopped_pull_goes_on(root: str, manners: Manners) -> None:
    manners.cut_after = [3000, 0, 0, 0]
    with pytest.raises(DownloadError, match="3000 bytes"):
        fetch(speech(root))
    fetch(speech(root))
    assert manners.starts()[-1] == "bytes=3000-"


def test_a_new_pull_replaces_and_a_failed_one_does_not(root: str, manners: Manners) -> None:
    model = speech(root)
    fetch(model)
    damaged = model_folder(model.name) / "am/final.mdl"
    damaged.write_bytes(b"x")
    manners.statuses = [404]
    with pytest.raises(DownloadError):
        fetch(model)
    assert damaged.read_bytes() == b"x"
    fetch(model)
    assert list(faults(model)) == []


def test_two_pulls_of_one_model(root: str, home: Path) -> None:
    models_folder().mkdir(parents=True)
    with (
        FileLock(models_folder() / ".vosk-small-en.lock"),
        pytest.raises(DownloadError, match="being pulled by another command"),
    ):
        fetch(speech(root))


def test_no_room_is_said_before_anything_is_fetched(
    root: str, manners: Manners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DownloadError, match="are needed"):
        fetch(speech(root))
    assert manners.requests == []


def test_verify_names_every_fault(root: str) -> None:
    model = speech(root)
    with pytest.raises(DamagedFileError, match="assistant models pull vosk-small-en"):
        list(faults(model))
    folder, _ = fetch(model)
    (folder / "am/final.mdl").write_bytes(b"MODEL" * 999)
    (folder / "conf/mfcc.conf").unlink()
    (folder / "extra").write_bytes(b"")
    found = list(faults(model))
    assert [line.split(": ")[1] for line in found] == [
        "is damaged (its SHA-256 differs from the one recorded)",
        "is missing",
        "was not part of the model",
    ]
    record_file(model.name).write_text("{")
    with pytest.raises(DamagedFileError, match="record is damaged"):
        list(faults(model))


# The hub


def hub_model(consent: bool = False) -> CatalogModel:
    source = HubSource("maker/model", "main", ("*.safetensors", "*.json", "*.bin", "*.py"), consent)
    return CatalogModel(
        "big", "A big model", ModelKind.VISION, "its own", "https://x.org", 400_000, 0, source
    )


@pytest.fixture
def hub(manners: Manners, monkeypatch: pytest.MonkeyPatch) -> Manners:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    lfs = {"sha256": hashlib.sha256(SHARD).hexdigest(), "size": len(SHARD), "pointerSize": 130}
    files: list[dict[str, object]] = [
        {"rfilename": "config.json", "size": 2, "blobId": "b"},
        {"rfilename": "model.safetensors", "size": len(SHARD), "blobId": "a", "lfs": lfs},
        {"rfilename": "pytorch_model.bin", "size": 9},
        {"rfilename": "modeling.py", "size": 9},
        {"rfilename": "original/params.json", "size": 9},
        {"rfilename": "README.md", "size": 9},
    ]
    manners.files = {
        "/api/models/maker/model/revision/main": hub_listing("maker/model", COMMIT, files),
        f"/maker/model/resolve/{COMMIT}/config.json": b"{}",
        f"/maker/model/resolve/{COMMIT}/model.safetensors": SHARD,
    }
    return manners


def test_only_data_is_fetched_from_the_hub(root: str, hub: Manners) -> None:
    folder, _ = fetch(hub_model(), root)
    assert sorted(path.name for path in folder.iterdir()) == [
        MARKER,
        "config.json",
        "model.safetensors",
    ]
    record = read_record("big")
    assert record is not None and record.source == f"maker/model@{COMMIT}"
    assert record.files["model.safetensors"].sha256 == hashlib.sha256(SHARD).hexdigest()
    assert list(faults(hub_model())) == []


def test_what_is_told_of_a_file_is_progress_of_all(root: str, hub: Manners) -> None:
    seen: list[tuple[int, int | None]] = []
    pull(hub_model(), lambda said: None, lambda *each: seen.append(each), endpoint=root, pause_s=0)
    whole = 2 + len(SHARD)
    assert {each for _, each in seen} == {whole} and seen[-1] == (whole, whole)
    assert seen == sorted(seen)


def test_a_shard_goes_on_where_it_stopped(root: str, hub: Manners) -> None:
    hub.cut_after = [9**9, 2, 100_000, 0, 0, 0]
    with pytest.raises(DownloadError, match="100000 bytes"):
        fetch(hub_model(), root)
    before = len(hub.requests)
    fetch(hub_model(), root)
    assert hub.starts()[before:] == [None, "bytes=100000-"]


def test_a_shard_that_is_not_what_the_hub_states(root: str, hub: Manners) -> None:
    hub.files[f"/maker/model/resolve/{COMMIT}/model.safetensors"] = SHARD[::-1]
    with pytest.raises(DamagedFileError, match="another file"):
        fetch(hub_model(), root)
    assert not is_installed("big")


def test_what_the_hub_may_answer(root: str, hub: Manners, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.statuses = [404]
    with pytest.raises(DownloadError, match="the hub cannot be reached|no such repository"):
        fetch(hub_model(), root)
    listing = "/api/models/maker/model/revision/main"
    hub.files[listing] = hub_listing("maker/model", COMMIT, [{"rfilename": "x.bin"}])
    with pytest.raises(DownloadError, match="no weights as safetensors"):
        fetch(hub_model(), root)
    hub.files[listing] = b"<html>"
    with pytest.raises(DownloadError):
        fetch(hub_model(), root)
    with pytest.raises(DownloadError, match="check the network"):
        fetch(hub_model(), "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("SIGHTLINE_SET_HF_HUB_OFFLINE", raising=False)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set; unset it"):
        fetch(hub_model(), root)
    monkeypatch.setenv("SIGHTLINE_SET_HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE was set by this package"):
        fetch(hub_model(), root)


# The command


def run(*words: str) -> int:
    return cli.main(["models", *words])


def test_list_shows_size_licence_and_state(
    capsys: pytest.CaptureFixture[str], offline: None
) -> None:
    assert run("list") == 0
    told = capsys.readouterr().out
    assert "vosk-small-en: Vosk, English, small. 41 megabytes, not installed." in told
    assert "  takes 300 megabytes of memory; licence: Apache-2.0, https://alphacephei" in told
    assert "  takes 11.3 gigabytes of memory in 4 bits; licence: CogVLM2 licence" in told
    assert "takes 0" not in told, "nobody says"
    assert "Llama 3.1 Community License" in told
    assert run("list", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema_version"] == 1
    entry = report["models"][0]
    assert (entry["name"], entry["installed"], entry["folder"]) == ("vosk-small-en", False, None)
    assert report["models"][-1]["sha256"] is None
    languages = {each["name"]: each["languages"] for each in report["models"]}
    assert (languages["smolvlm-256m"], languages["whisper-base"]) == (["en"], ["*"])


@pytest.mark.parametrize(
    ("held", "step"),
    [("x.gguf", "quantizer import vosk-small-en FOLDER"), ("x.txt", "make it small with")],
)
def test_a_text_model_needs_more_than_the_next_start(
    root: str,
    held: str,
    step: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = dataclasses.replace(speech(root), kind=ModelKind.TEXT)
    monkeypatch.setattr(catalog, "_shipped", lambda: (model,))
    monkeypatch.setattr(pulling, "pull", lambda *_: tmp_path)
    (tmp_path / held).touch()
    assert run("pull", "vosk-small-en") == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert step in told and told.endswith("name the result with the setting text_model.folder")


@pytest.mark.parametrize(
    ("memory_bytes", "step"),
    [
        (100, "quantizer run, and then name the result with the setting model.folder"),
        (9000, "it is used from the next start"),
    ],
)
def test_a_picture_model_that_is_too_large_is_not_said_to_be_used(
    root: str,
    memory_bytes: int,
    step: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = dataclasses.replace(speech(root), kind=ModelKind.VISION, memory_bytes=memory_bytes)
    monkeypatch.setattr(catalog, "_shipped", lambda: (model,))
    monkeypatch.setattr(pulling, "pull", lambda *_: tmp_path)
    assert run("pull", "vosk-small-en") == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.endswith(step)


def test_a_picture_model_beside_one_that_was_chosen_is_not_said_to_be_used(
    root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = dataclasses.replace(speech(root), kind=ModelKind.VISION, memory_bytes=9000)
    monkeypatch.setattr(catalog, "_shipped", lambda: (model,))
    monkeypatch.setattr(pulling, "pull", lambda *_: tmp_path)
    save_setting(settings_file(), Settings(model_folder="/elsewhere"), "model.folder")
    assert run("pull", "vosk-small-en") == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.endswith('to use this one, type in a conversation: /set model.folder ""')


@pytest.mark.parametrize(
    ("settings", "pulls", "step"),
    [
        (Settings(), ["small", "other"], "it is used from the next start"),
        (
            Settings(),
            ["small", "german"],
            "it is used from the next start, which then hears German",
        ),
        (
            Settings(hearing_language="en"),
            ["small", "german"],
            "the next start hears with small; to use this one, type in a conversation: /set "
            'hearing.language "de"',
        ),
        (
            Settings(hearing_language="fr"),
            ["small"],
            "the next start hears with PocketSphinx; to use this one, type in a conversation: "
            '/set hearing.language "en"',
        ),
        (
            Settings(hearing_recognizer="pocketsphinx"),
            ["small"],
            "the next start hears with PocketSphinx; to use this one, type in a conversation: "
            '/set hearing.recognizer "vosk"',
        ),
        (Settings(hearing_recognizer="whisper"), ["small"], "or set it to auto"),
        (
            Settings(vosk_folder="/elsewhere/own"),
            ["small"],
            "the next start hears with own; to use this one, type in a conversation: /set "
            'vosk.folder "{home}/data/models/small"',
        ),
    ],
)
def test_a_speech_model_is_said_to_be_used_only_where_it_is(
    root: str,
    home: Path,
    settings: Settings,
    pulls: list[str],
    step: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    languages = {"small": ("en",), "other": ("en",), "german": ("de",)}
    models = [
        dataclasses.replace(speech(root, name=name), languages=languages[name]) for name in pulls
    ]
    monkeypatch.setattr(catalog, "_shipped", lambda: tuple(models))
    for name in ("hearing.language", "hearing.recognizer", "vosk.folder"):
        save_setting(settings_file(), settings, name)
    for name in pulls:
        assert run("pull", name) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.endswith(step.format(home=home)), told


def test_pull_and_verify_by_command(
    root: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_shipped", lambda: (speech(root),))
    assert run("verify", "vosk-small-en") == 1
    assert capsys.readouterr().out == (
        "error: vosk-small-en is not installed; get it with: assistant models pull vosk-small-en\n"
    )
    assert run("pull", "vosk-small-en") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "status: licence: Apache-2.0, https://x.org"
    assert told[-1].endswith("it is used from the next start")
    assert run("pull", "vosk-small-en") == 0
    assert "installed already" in capsys.readouterr().out
    assert run("verify", "VOSK-small-en") == 0
    assert "all 2 files" in capsys.readouterr().out
    (model_folder("vosk-small-en") / "am/final.mdl").write_bytes(b"")
    assert run("verify", "vosk-small-en", "--json") == 1
    assert "has 0 bytes" in json.loads(capsys.readouterr().out)["faults"][0]
    assert run("pull", "vosk-small-en", "--again", "--json") == 0
    for line in capsys.readouterr().out.splitlines():
        json.loads(line)


def test_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("pull", "vosk-smal-en") == 2
    assert "did you mean vosk-small-en?" in capsys.readouterr().err
    assert run("verify", "../../etc") == 2
    assert run() == 2


def test_a_long_download_is_told_of_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    reporter = models_command.Reporter(as_json=False, clock=lambda: now[0])
    for second in range(0, 101, 5):
        now[0] = float(second)
        reporter.progress(second * 1_000_000, 100_000_000)
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "status: 10 percent, 10 megabytes of 100 megabytes",
        "status: 40 percent, 40 megabytes of 100 megabytes",
        "status: 70 percent, 70 megabytes of 100 megabytes",
        "status: 100 percent, 100 megabytes of 100 megabytes",
    ]


def test_the_network_library_is_loaded_only_to_pull() -> None:
    script = (
        "import sys, contextlib, io\n"
        "import argparse\n"
        "from assistant.commands import models\n"
        "from assistant.models_store import installed\n"
        "models.add_options(argparse.ArgumentParser())\n"
        "assert not {'httpx2', 'huggingface_hub', 'torch'} & set(sys.modules), 'loaded'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
