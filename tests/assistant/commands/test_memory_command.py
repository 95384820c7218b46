"""The memory from the command line and from a session: its key, and what is told."""

import json
import time
from datetime import datetime
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


def today() -> str:
    now = datetime.now()
    return f"{now.day} {now:%B %Y}"


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
    assert run("forget", "1", "--yes") == 0
    assert run("forget", "1", "--yes") == 2
    capsys.readouterr()
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    assert run("forget-all", "--yes") == 0
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
        Kept(2, "note", "no picture", saved=today()),
        Kept(1, "kitchen", "a mug\nmy keys", saved=today()),
    ]
    found = Kept(1, "kitchen", "my keys", REASONS[FoundBy.WORDS], today())
    assert notebook.search("keys") == [found]
    assert notebook.named("my Kitchens") == [Kept(1, "kitchen", "a mug\nmy keys", saved=today())]
    assert notebook.named("garden") == []
    same = Kept(1, "kitchen", "a mug\nmy keys", REASONS[FoundBy.PICTURE], today())
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


@pytest.mark.parametrize("words", [("forget", "2"), ("forget-all",)])
@pytest.mark.parametrize(("answer", "left"), [("no", 2), ("", 2), ("yes", 1)])
def test_deleting_asks_once(
    words: tuple[str, ...],
    answer: str,
    left: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved()
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    assert run(*words) == 2
    assert capsys.readouterr().err == (
        "error: nothing is deleted: nobody can be asked here; add --yes\n"
    )
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or answer)
    assert run(*words) == 0
    assert len(asked) == 1 and asked[0].startswith("Delete ") and "yes or no" in asked[0]
    if words == ("forget", "2"):
        assert "number 2, letter, saved " in asked[0]
        assert run("list") == 0
        assert capsys.readouterr().out.count(", saved ") == left
    else:
        assert bool(list(memory_folder().iterdir())) is (answer != "yes")


def test_one_thing_is_read_by_name_or_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = saved()
    memory.remember("doctor letter", "Dear Mr Brown,\n" + "word " * 60)
    memory.close()
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    for words in (("my", "doctor's", "letter"), ("3",)):
        assert run("read", *words) == 0
        head, *text = capsys.readouterr().out.splitlines()
        assert head.startswith("3: doctor letter, saved ") and text[0] == "Dear Mr Brown,"
        assert text[1].count("word") == 60
    assert run("list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == 3 and all(len(each) < 200 for each in listed)
    assert run("read", "garden") == 2
    assert "see assistant memory list" in capsys.readouterr().err


@pytest.mark.parametrize("part", [0.0, 0.4, 0.5, 0.75, None])
def test_an_emptied_or_cut_file_beside_its_key_is_an_error_and_not_nothing(
    part: float | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved()
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    file = memory_folder() / "memory.db"
    content = file.read_bytes()
    pages = len(content) // 4096
    if part is None:
        file.unlink()
    else:
        # To a whole page where the part is a multiple of a quarter, else within a page.
        cut = int(pages * part) * 4096 if part in (0.0, 0.5, 0.75) else int(len(content) * part) + 7
        file.write_bytes(content[:cut])
    for words in (("list",), ("search", "keys"), ("export", str(memory_folder() / "x"))):
        assert run(*words) == 2
        told = capsys.readouterr()
        assert told.out == "" and str(file) in told.err
        assert "what was saved is damaged" in told.err
        assert "assistant memory forget-all" in told.err
    assert run("forget-all", "--yes") == 0
    assert run("list") == 0
    assert "Nothing is saved" in capsys.readouterr().out


def test_a_start_that_was_interrupted_before_anything_was_saved_goes_on() -> None:
    saved()
    file = memory_folder() / "memory.db"
    file.write_bytes(b"")
    file.with_name("memory.db.begun").touch()
    memory = Memory(memory_folder(), PassphraseKey(PASSPHRASE), enabled=True)
    assert memory.latest() == []
    memory.remember("kitchen", "a mug")
    memory.close()
    assert [path.name for path in sorted(memory_folder().iterdir())] == ["memory.db", "memory.json"]
