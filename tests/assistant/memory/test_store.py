"""The memory: off until wanted, found again, encrypted, deleted, and honest about what is wrong."""

import contextlib
import hashlib
import json
import logging
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.errors
import numpy as np
import pytest

from assistant.errors import MemoryKeyError, MemoryStoreError, SettingsError
from assistant.memory import file as memory_file
from assistant.memory import keys as memory_keys
from assistant.memory.keys import KeyringKey, PassphraseKey
from assistant.memory.search import FoundBy
from assistant.memory.store import Memory
from assistant.seeing.landmarks import Landmarks
from tests.assistant.conftest import UseKeyring

PASSPHRASE = "correct horse battery"
NO_LANDMARKS = Landmarks(np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8))


class FakeKeyring(keyring.backend.KeyringBackend):
    """A keyring in memory."""

    priority = 1.0  # type: ignore[assignment]

    def __init__(self, *, locked: bool = False, forgetful: bool = False) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.locked, self.forgetful = locked, forgetful

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise keyring.errors.KeyringLocked("the user said no")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if not self.forgetful:
            self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real cost is checked by one test; the others need not wait for it."""
    monkeypatch.setattr(memory_keys, "SCRYPT_COST", 2**4)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Any]:
    """A second connection to what was saved there."""
    file = memory_file.EncryptedFile(folder, PassphraseKey(PASSPHRASE))
    with file.open() as connection:
        yield connection
    file.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "memory"


@pytest.fixture
def memory(folder: Path) -> Memory:
    return Memory(folder, PassphraseKey(PASSPHRASE), enabled=True)


def again(folder: Path, passphrase: str = PASSPHRASE) -> Memory:
    return Memory(folder, PassphraseKey(passphrase), enabled=True)


def names(memory: Memory, query: str) -> list[str]:
    return [hit.name for hit in memory.search(query)]


def test_off_means_nothing_is_written_or_searched(folder: Path) -> None:
    memory = Memory(folder, PassphraseKey(PASSPHRASE))
    for attempt in (
        lambda: memory.remember("keys", "on the table"),
        lambda: memory.search("keys"),
        lambda: memory.latest(),
        lambda: memory.search_picture(NO_LANDMARKS),
    ):
        with pytest.raises(MemoryStoreError, match="switched off"):
            attempt()
    assert not folder.exists()


def test_searching_an_empty_memory_makes_no_file(memory: Memory, folder: Path) -> None:
    assert memory.search("keys") == []
    assert memory.latest() == []
    assert memory.search_picture(NO_LANDMARKS) == []
    assert not folder.exists()


def test_things_are_found_by_what_people_ask(memory: Memory) -> None:
    memory.remember("my blue folder", "Tax office\nSteuernummer 12/345")
    memory.remember("kitchen table", "a mug, my keys and a letter")
    memory.remember("medicine", "lbuprofen 400 mg\ntake one tablet twice a day")
    assert names(memory, "Where did I see my keys?") == ["kitchen table"]
    assert names(memory, "where is the blue folders") == ["my blue folder"]
    assert names(memory, "what did I save") == ["medicine", "kitchen table", "my blue folder"]
    assert names(memory, "did I see a parrot") == []


def test_text_that_was_misread_is_found_by_its_letters(memory: Memory) -> None:
    memory.remember("a box", "for adults\nlbuprofen 400 mg tablets\nkeep dry")
    memory.remember("a letter", "ELECTRICTY BLL March 2026")
    memory.remember("a book", "The old man and the sea")
    (hit,) = memory.search("where did I see ibuprofen")
    assert (hit.name, hit.line) == ("a box", "lbuprofen 400 mg tablets")
    assert names(memory, "my electricity bill") == ["a letter"]


def test_an_exact_word_comes_before_a_similar_one(memory: Memory) -> None:
    memory.remember("one", "lnvoice number 4")
    memory.remember("two", "invoice number 5")
    assert names(memory, "invoice") == ["two", "one"]


@pytest.mark.parametrize("query", ['"', "AND OR NOT", "a* NEAR(b)", "name: x", "'; DROP", "%", ""])
def test_no_query_is_taken_for_the_language_of_the_index(memory: Memory, query: str) -> None:
    memory.remember("x", "y")
    memory.search(query)


def test_a_hit_says_what_it_rests_on(memory: Memory) -> None:
    memory.remember("a box", "lbuprofen 400 mg")
    memory.remember("ibuprofen", "on the shelf")
    found = {hit.name: hit.found_by for hit in memory.search("where did I see ibuprofen")}
    assert found == {"ibuprofen": FoundBy.WORDS, "a box": FoundBy.LETTERS}
    assert [hit.found_by for hit in memory.latest()] == [None, None]


def test_useless_picture_vectors_are_refused(memory: Memory) -> None:
    for useless in (np.zeros(4), np.array([np.nan, 1]), np.zeros(0)):
        with pytest.raises(MemoryStoreError, match="embedding"):
            memory.remember("bad", "", useless.astype(np.float32))


def test_nothing_to_save_is_refused(memory: Memory) -> None:
    with pytest.raises(MemoryStoreError, match="nothing to save"):
        memory.remember("  ", "\n")
    with pytest.raises(MemoryStoreError, match="1000001 characters.*save a part"):
        memory.remember("", "x" * 1_000_001)


def test_files_are_private_and_unreadable_without_the_key(memory: Memory, folder: Path) -> None:
    memory.remember("my diagnosis", "hypertension " * 50)
    memory.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        content = path.read_bytes()
        assert b"diagnosis" not in content and b"hypertension" not in content
        assert not content.startswith(b"SQLite")
    assert names(again(folder), "hypertension") == ["my diagnosis"]


def test_journal_files_are_private_too(memory: Memory, folder: Path) -> None:
    memory.remember("a", "b")
    with opened(folder) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE things SET name = 'hypertension'")
        for path in folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        connection.rollback()


@pytest.mark.parametrize("begun", [b"", bytes(512)])
def test_a_journal_that_was_only_begun_is_gone_after_the_next_start(
    memory: Memory, folder: Path, begun: bytes
) -> None:
    memory.remember("doctor", "Thursday at ten")
    memory.close()
    journal = folder / "memory.db-journal"
    assert not journal.exists()
    journal.write_bytes(begun)
    assert names(again(folder), "Thursday") == ["doctor"]
    assert not journal.exists()


def test_wrong_passphrase_is_told_from_a_damaged_file(memory: Memory, folder: Path) -> None:
    memory.remember("keys", "on the table " * 400)
    memory.close()
    with pytest.raises(MemoryKeyError, match="passphrase is wrong"):
        again(folder, "correct horse buttery").search("keys")
    with pytest.raises(MemoryKeyError, match="locked with a passphrase"):
        Memory(folder, KeyringKey(), enabled=True).search("keys")
    with pytest.raises(MemoryKeyError, match="at least 8"):
        PassphraseKey("short")
    path = folder / "memory.db"
    whole = path.read_bytes()
    for start in (4, 100, len(whole) // 2, len(whole) - 8):
        path.write_bytes(whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])
        if start == 4:
            # SQLCipher keeps the salt there and we keep it in the lock: nothing is lost.
            continue
        with pytest.raises(MemoryStoreError, match="damaged.*backup"):
            again(folder).search("keys")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MemoryStoreError, match="damaged"):
        again(folder).latest()
    path.write_bytes(whole)
    assert names(again(folder), "keys") == ["keys"]


def test_damaged_or_missing_lock(memory: Memory, folder: Path) -> None:
    memory.remember("a", "b")
    memory.close()
    lock = folder / "memory.json"
    good = lock.read_text()
    for bad in ("", "[]", "{}", good.replace('"schema_version": 1', '"schema_version": 2')):
        lock.write_text(bad)
        with pytest.raises(MemoryStoreError, match="memory.json"):
            again(folder).latest()
    lock.unlink()
    with pytest.raises(MemoryStoreError, match=r"memory.json is missing"):
        again(folder).latest()


def test_a_newer_file_is_left_alone(memory: Memory, folder: Path) -> None:
    memory.remember("a", "b")
    with opened(folder) as connection:
        connection.execute(f"PRAGMA user_version = {memory_file.SCHEMA_VERSION + 1}")
    memory.close()
    with pytest.raises(MemoryStoreError, match="newer program"):
        again(folder).latest()


def test_deleting_one_and_all(memory: Memory, folder: Path) -> None:
    one = memory.remember("keys", "on the table")
    memory.remember("folder", "blue")
    memory.forget(one)
    assert names(memory, "keys") == []
    assert names(memory, "what did I save") == ["folder"]
    with pytest.raises(MemoryStoreError, match=f"number {one}"):
        memory.forget(one)
    memory.enabled = False
    memory.forget_all()
    assert list(folder.iterdir()) == []
    memory.enabled = True
    assert memory.latest() == []
    memory.remember("new", "start")
    assert names(memory, "new") == ["new"]


def test_deleted_words_are_not_left_in_the_index(memory: Memory, folder: Path) -> None:
    memory.remember("other", "nothing")
    memory.forget(memory.remember("diagnosis", "hypertension"))
    with opened(folder) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
        held = "".join(
            str(connection.execute(f"SELECT * FROM {table}").fetchall())
            for table in ("things", "windows", "words_data", "words_idx", "words_docsize")
            if table in tables
        )
    assert "noth" in held
    assert "hypertens" not in held and "diagnos" not in held


def test_all_can_be_deleted_without_the_key(memory: Memory, folder: Path) -> None:
    memory.remember("a", "b")
    memory.close()
    (folder / "memory.db").write_bytes(b"rubbish" * 999)
    again(folder, "another passphrase").forget_all()
    assert list(folder.iterdir()) == []


def test_export_is_json_lines_and_private(memory: Memory, tmp_path: Path) -> None:
    memory.remember("größe", "zwei\nzeilen", np.array([0.5, 1], np.float32), picture_model="m")
    memory.remember("b", "c")
    path = tmp_path / "export.jsonl"
    assert memory.export(path) == 2
    first, second = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert (first["name"], first["text"], first["schema_version"]) == ("größe", "zwei\nzeilen", 2)
    assert first["picture_embedding"] == [0.5, 1.0] and first["picture_model"] == "m"
    assert second["picture_embedding"] is None and second["saved_at"].endswith("+00:00")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(MemoryStoreError, match="exists already"):
        memory.export(path)
    with pytest.raises(MemoryStoreError, match="cannot be written"):
        memory.export(tmp_path / "no" / "folder.jsonl")


def test_keyring_holds_the_key(folder: Path, use_keyring: UseKeyring) -> None:
    ring = FakeKeyring()
    use_keyring(ring)
    memory = Memory(folder, KeyringKey(), enabled=True)
    memory.remember("keys", "table")
    memory.close()
    assert len(ring.kept) == 1
    assert names(Memory(folder, KeyringKey(), enabled=True), "keys") == ["keys"]
    with pytest.raises(MemoryKeyError, match="keyring"):
        again(folder).latest()
    (place,) = ring.kept
    good = ring.kept[place]
    for stored, cause in (("ab" * 32, "not that of what was saved"), ("xyz", "damaged")):
        ring.kept[place] = stored
        with pytest.raises(MemoryKeyError, match=cause):
            Memory(folder, KeyringKey(), enabled=True).latest()
    ring.kept.clear()
    with pytest.raises(MemoryKeyError, match="has no key"):
        Memory(folder, KeyringKey(), enabled=True).latest()
    ring.kept[place] = good
    memory.forget_all()
    assert ring.kept == {} and list(folder.iterdir()) == []


def test_keyrings_that_cannot_help(folder: Path, use_keyring: UseKeyring) -> None:
    from keyring.backends.fail import Keyring as NoKeyring

    for ring, cause in (
        (NoKeyring(), "no keyring; give a passphrase"),
        (FakeKeyring(locked=True), "unlock it"),
        (FakeKeyring(forgetful=True), "does not keep keys"),
    ):
        use_keyring(ring)
        with pytest.raises(MemoryKeyError, match=cause):
            Memory(folder, KeyringKey(), enabled=True).remember("a", "b")
        assert not (folder / "memory.db").exists()
    use_keyring(NoKeyring())
    assert "passphrase" in str(memory_keys.keyring_trouble())


def test_passphrases_go_through_scrypt_at_full_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_keys, "SCRYPT_COST", 2**16)
    salt = b"0123456789abcdef"
    expected = hashlib.scrypt(
        PASSPHRASE.encode(), salt=salt, n=65536, r=8, p=1, maxmem=2**28, dklen=32
    )
    assert PassphraseKey(PASSPHRASE).key(salt, new=False) == expected


def test_several_threads_may_ask(memory: Memory) -> None:
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            memory.remember(f"thing {number}", "text")
            memory.search("thing")
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(memory.latest()) == 6


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = again(tmp_path / "file" / "memory")
    with pytest.raises(SettingsError, match="set SIGHTLINE_HOME"):
        memory.remember("a", "b")


def test_what_is_saved_is_never_logged(
    memory: Memory,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    memory.remember("secret name", "secret text")
    memory.search("secret")
    memory.close()
    path = folder / "memory.db"
    path.write_bytes(path.read_bytes()[:-4096] + bytes(4096))
    with pytest.raises(MemoryStoreError):
        again(folder).latest()
    assert "secret" not in caplog.text
    assert capfd.readouterr() == ("", "")
