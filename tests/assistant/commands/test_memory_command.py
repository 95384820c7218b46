"""The memory from the command line and from a session: its key, and what is told."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from keyring.backends.fail import Keyring as NoKeyring

from assistant import cli
from assistant.commands import memory as memory_command
from assistant.errors import MemoryKeyError
from assistant.frames import Frame
from assistant.memory import keys as memory_keys
from assistant.memory.keys import KeyringKey, PassphraseKey
from assistant.memory.notebook import (
    PASSPHRASE_VARIABLE,
    REASONS,
    SavedNotebook,
    find_key,
    memory_folder,
    open_notebook,
)
from assistant.memory.search import FoundBy
from assistant.memory.store import Memory
from assistant.session.protocols import Kept, Notebook
from tests.assistant.conftest import UseKeyring

PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_keyring: UseKeyring) -> None:
    """A home of its own, no keyring, and cheap keys."""
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    use_keyring(NoKeyring())
    monkeypatch.setattr(memory_keys, "SCRYPT_COST", 2**4)


def saved() -> Memory:
    memory = Memory(memory_folder(), PassphraseKey(PASSPHRASE), enabled=True)
    memory.remember("kitchen", "a mug\nmy keys")
    memory.remember("letter", "from the tax office")
    memory.close()
    return memory


def run(*words: str) -> int:
    return cli.main(["memory", *words])


def test_nothing_saved(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in (["list"], ["search", "keys"], ["forget", "1"], ["export", str(tmp_path / "x")]):
        assert run(*words) == 0
        assert "othing is saved" in (told := capsys.readouterr().out) or "othing fits" in told
    assert not memory_folder().exists() and not (tmp_path / "x").exists()


def test_the_whole_life_of_what_is_saved(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved()
    assert run("list") == 2
    assert PASSPHRASE_VARIABLE in capsys.readouterr().err
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "something else")
    assert run("list") == 2
    assert "passphrase is wrong" in capsys.readouterr().err
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    assert run("list") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("2: letter, saved ") and first.endswith("from the tax office")
    assert second.endswith("a mug my keys")
    assert run("search", "where are my keys", "--json") == 0
    (hit,) = json.loads(capsys.readouterr().out)["found"]
    assert (hit["id"], hit["name"], hit["line"]) == (1, "kitchen", "my keys")
    assert run("export", str(tmp_path / "out.jsonl")) == 0
    assert "not encrypted" in capsys.readouterr().out
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2
    assert run("search", "kitchen") == 0
    # What was found by its name is told, not the name twice.
    assert ". a mug my keys" in capsys.readouterr().out
    assert run("forget", "first") == 2
    told = capsys.readouterr().err
    assert told == "error: first: not a number; see assistant memory list\n"
    assert run("forget", "1") == 0
    assert run("forget", "1") == 2
    capsys.readouterr()
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    assert run("forget-all") == 0
    assert list(memory_folder().iterdir()) == []


def test_the_passphrase_is_asked_for_at_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(memory_command.getpass, "getpass", lambda prompt: PASSPHRASE)
    assert run("list") == 0
    assert "letter" in capsys.readouterr().out


def test_where_the_key_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = memory_folder()
    asked: list[bool] = []

    def ask(new: bool) -> str:
        asked.append(new)
        return PASSPHRASE

    with pytest.raises(MemoryKeyError, match=f"no keyring.*{PASSPHRASE_VARIABLE}"):
        find_key(folder)
    assert isinstance(find_key(folder, ask), PassphraseKey)
    saved()
    with pytest.raises(MemoryKeyError, match=f"locked with a passphrase.*{PASSPHRASE_VARIABLE}"):
        find_key(folder)
    find_key(folder, ask)
    assert asked == [True, False]
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    assert isinstance(find_key(folder), PassphraseKey)
    lock = folder / "memory.json"
    lock.write_text(lock.read_text().replace('"passphrase"', '"keyring"'))
    assert isinstance(find_key(folder), KeyringKey)


def test_a_session_s_notebook() -> None:
    memory = Memory(memory_folder(), PassphraseKey(PASSPHRASE), enabled=True)
    vector = np.array([1, 2], np.float32)
    seen: list[Frame] = []

    def embed(frame: Frame) -> np.ndarray:
        seen.append(frame)
        return vector

    notebook: Notebook = SavedNotebook(memory, embed, model="pocket")
    patches = np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    frame = Frame(patches.repeat(40, 0).repeat(40, 1), time.monotonic())
    notebook.remember("kitchen", "a mug\nmy keys", frame)
    notebook.remember("note", "no picture", None)
    assert seen == [frame]
    assert notebook.everything() == [
        Kept(2, "note", "no picture"),
        Kept(1, "kitchen", "a mug\nmy keys"),
    ]
    assert notebook.search("keys") == [Kept(1, "kitchen", "my keys", REASONS[FoundBy.WORDS])]
    same = Kept(1, "kitchen", "a mug\nmy keys", REASONS[FoundBy.PICTURE])
    assert notebook.seen_before(frame) == [same]
    assert seen == [frame, frame]
    notebook.forget(1)
    assert notebook.search("keys") == []
    notebook.forget_all()
    assert notebook.everything() == []


def test_a_start_with_history_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MemoryKeyError, match="no keyring"):
        open_notebook()
    saved()
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "something else")
    with pytest.raises(MemoryKeyError, match="wrong"):
        open_notebook()
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    assert [kept.number for kept in open_notebook().everything()] == [2, 1]
