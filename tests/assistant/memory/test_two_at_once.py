"""Several assistants with one memory file: nothing is lost, and who must wait is told why."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.errors import MemoryStoreError
from assistant.memory import file as memory_file
from assistant.memory import keys
from assistant.memory.file import FILE_NAME, LOCK_NAME
from assistant.memory.keys import KeyringKey, PassphraseKey
from assistant.memory.store import Memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are forked")
PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SCRYPT_COST", 2**10)


def opened(folder: Path) -> Memory:
    return Memory(folder, PassphraseKey(PASSPHRASE), enabled=True)


def children(count: int, work: Callable[[int], None]) -> list[int]:
    """Do work in so many processes at once; their exit codes: 0 done, 1 failed."""
    begin, release = os.pipe()
    found = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(release)
                os.read(begin, 1)  # all at one moment: when the last writer is gone
                work(number)
                code = 0
            finally:
                os._exit(code)
        found.append(child)
    os.close(begin)
    os.close(release)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in found]


def test_four_make_the_same_memory_and_save_into_it(tmp_path: Path) -> None:
    folder = tmp_path / "memory"

    def save(number: int) -> None:
        memory = opened(folder)
        for turn in range(5):
            memory.remember(f"thing {number} {turn}", f"text of {number}")

    assert children(4, save) == [0, 0, 0, 0]
    saved = opened(folder).latest(most=100)
    assert sorted(thing.name for thing in saved) == sorted(
        f"thing {number} {turn}" for number in range(4) for turn in range(5)
    )
    assert len({thing.id for thing in saved}) == 20
    assert sorted(path.name for path in folder.iterdir()) == [FILE_NAME, LOCK_NAME]


def test_the_key_in_the_keyring_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second key would lock the first assistant out of what it saves."""
    store = tmp_path / "keyring"

    class Slow:
        """A keyring in a file, slow enough that two makers would meet."""

        def get_password(self, *_: str) -> str | None:
            found = store.read_text() if store.exists() else None
            time.sleep(0.05)
            return found

        def set_password(self, service: str, account: str, key: str) -> None:
            store.write_text(key)

    import keyring

    for name in ("get_password", "set_password"):
        monkeypatch.setattr(keyring, name, getattr(Slow(), name))
    folder = tmp_path / "memory"

    def save(number: int) -> None:
        Memory(folder, KeyringKey(), enabled=True).remember(str(number), "x")

    assert children(4, save) == [0] * 4
    assert len(Memory(folder, KeyringKey(), enabled=True).latest()) == 4


def test_one_that_writes_for_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "memory"
    first, second = opened(folder), opened(folder)
    first.remember("one", "text")
    with first._file.open() as connection:
        connection.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(memory_file, "BUSY_S", 0.1)
        began = time.monotonic()
        with pytest.raises(MemoryStoreError) as caught:
            second.remember("two", "text")
        assert time.monotonic() - began < 20
        connection.rollback()
    assert "another Sightline is writing to it; try again in a moment" in str(caught.value)
    assert "space" not in str(caught.value)
    second.remember("two", "text")
    assert [thing.name for thing in first.latest()] == ["two", "one"]


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("database is locked", "another Sightline is writing"),
        ("database or disk is full", "free space"),
        ("attempt to write a readonly database", "check who owns this folder"),
        ("unable to open database file", "check who owns this folder"),
        ("out of memory", "close other programs"),
    ],
)
def test_what_sqlite_refuses_is_told_as_it_is(tmp_path: Path, said: str, advice: str) -> None:
    from sqlcipher3 import dbapi2

    memory = opened(tmp_path / "memory")
    memory.remember("one", "text")
    with pytest.raises(MemoryStoreError, match=advice) as caught, memory._file.open():
        raise dbapi2.OperationalError(said)
    assert ("free space" in str(caught.value)) == ("full" in said)


def test_a_killed_maker_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    folder.mkdir()
    (tmp_path / ".memory.lock").touch()
    (folder / f"{LOCK_NAME}.half").write_text('{"schema')
    memory = opened(folder)
    memory.remember("one", "text")
    assert sorted(path.name for path in folder.iterdir()) == [FILE_NAME, LOCK_NAME]
    memory.forget_all()
    assert list(folder.iterdir()) == []
