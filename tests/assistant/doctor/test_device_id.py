"""The identifier that 0.3.0 let a library leave: found, told, and deleted with care."""

import json
import tempfile
from pathlib import Path

import pytest

from assistant import cli
from assistant.commands.doctor import DELETE_ID
from assistant.doctor import device_id
from assistant.doctor.checks import State
from assistant.doctor.machine import look_at_device_id

# What onnxruntime 1.31.1 wrote in a session of 0.3.0 on Linux.
LEFT = ("deviceid", "onnxruntime.db", "onnxruntime.db-shm", "onnxruntime.db-wal")
SESSION = "1795952166256\n65c2fd5b-8c08-7572-1fa9-7143c75bd9bb\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / ".cache"


def leave(cache: Path) -> list[Path]:
    folder = cache / "Microsoft" / "DeveloperTools" / ".onnxruntime"
    folder.mkdir(parents=True)
    files = [folder / name for name in LEFT]
    for file in files:
        file.write_text("321bad2a-4d8c-45cf-8de4-95a1c7efda66")
    session = Path(tempfile.gettempdir(), ".ses")
    session.write_text(SESSION)
    return [*files, session]


def test_it_is_found_and_told(cache: Path) -> None:
    assert look_at_device_id(DELETE_ID).state is State.OK
    files = leave(cache)
    assert list(device_id.left_behind()) == files
    finding = look_at_device_id(DELETE_ID)
    assert finding.state is State.LIMITED
    assert str(files[0]) in finding.text and "4 more" in finding.text
    assert "--delete-device-id" in finding.fix and "share" in finding.fix


def test_the_systems_cache_folder_is_followed(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = leave(tmp_path / "elsewhere")
    assert device_id.left_behind() == (files[-1],)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert list(device_id.left_behind()) == files


def test_the_command_deletes_it_with_its_folders(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = leave(cache)
    (cache / "other").mkdir()
    assert cli.main(["doctor", "--delete-device-id"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"Deleted: {file}" for file in files]
    assert list(cache.iterdir()) == [cache / "other"]
    assert not files[-1].exists()
    assert cli.main(["doctor", "--delete-device-id"]) == 0
    assert capsys.readouterr().out == "There is no device identifier.\n"


def test_as_json(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = leave(cache)
    assert cli.main(["doctor", "--delete-device-id", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"schema_version": 1, "deleted": [str(file) for file in files]}


def test_what_others_keep_there_stays(cache: Path) -> None:
    files = leave(cache)
    theirs = files[0].with_name("settings.json")
    beside = files[0].parent.parent / "deviceid"
    theirs.write_text("")
    beside.write_text("of another program of the maker")
    assert device_id.delete(lambda path: None) == len(files)
    assert theirs.exists() and beside.exists()


def test_links_folders_and_strange_files_are_left_alone(cache: Path, tmp_path: Path) -> None:
    folder = cache / "Microsoft" / "DeveloperTools" / ".onnxruntime"
    (folder / "onnxruntime.db").mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.write_text("")
    (folder / "deviceid").symlink_to(precious)
    Path(tempfile.gettempdir(), ".ses").write_text("notes of somebody")
    assert device_id.left_behind() == ()
    assert device_id.delete(lambda path: None) == 0
    assert precious.exists() and (folder / "deviceid").is_symlink()


def test_a_file_that_cannot_be_deleted_is_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(cache)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    assert cli.main(["doctor", "--delete-device-id"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "deviceid: cannot be deleted" in error
