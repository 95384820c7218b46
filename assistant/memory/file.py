"""The encrypted file of the memory: made private, opened with its key, checked, deleted."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assistant.errors import MemoryStoreError
from assistant.memory.keys import KeySource, new_lock, open_lock, read_lock, write_lock
from assistant.one_at_a_time import one_at_a_time
from assistant.settings.paths import FILE_MODE, make_private_folder
from models.system_errors import FULL, MORE_MEMORY, is_out_of_memory, reason, way_out

SCHEMA_VERSION = 2
FILE_NAME, LOCK_NAME = "memory.db", "memory.json"

BUSY_S = 5.0
"""How long to wait for another assistant; SQLite waits as long."""

PAGE_BYTES = 4096
"""SQLCipher 4 encrypts by pages of this size: a whole file is a multiple of it."""

DELETE_ALL = "assistant memory forget-all"
"""The command that needs no key and opens nothing."""

_SCHEMA = """
CREATE TABLE things (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    saved_at TEXT NOT NULL,
    picture BLOB,
    picture_model TEXT NOT NULL DEFAULT '',
    landmarks BLOB
);
CREATE TABLE windows (
    thing INTEGER NOT NULL REFERENCES things(id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX windows_of_thing ON windows(thing);
CREATE VIRTUAL TABLE words USING fts5(
    name, text, content='things', content_rowid='id',
    tokenize='porter unicode61 remove_diacritics 2'
);
-- Without this, deleted words stay in the index until it is merged.
INSERT INTO words(words, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER things_added AFTER INSERT ON things BEGIN
    INSERT INTO words(rowid, name, text) VALUES (new.id, new.name, new.text);
END;
CREATE TRIGGER things_removed AFTER DELETE ON things BEGIN
    INSERT INTO words(words, rowid, name, text) VALUES ('delete', old.id, old.name, old.text);
END;
"""

_FROM_1 = "ALTER TABLE things ADD COLUMN landmarks BLOB;"
"""Things that were saved before pictures could be known again are found by their words only."""


class EncryptedFile:
    """One SQLCipher file and, beside it, the lock that says how its key is made."""

    def __init__(self, folder: Path, keys: KeySource) -> None:
        """Name the folder and the source of the key; nothing is opened or written yet."""
        self._folder = folder
        self._path = folder / FILE_NAME
        self._lock_path = folder / LOCK_NAME
        # There from before the lock is written until the file has its tables: a start that was
        # interrupted there has lost nothing, and goes on.
        self._begun_path = folder / f"{FILE_NAME}.begun"
        self._keys = keys
        self._connection: Any = None
        self._turn = threading.RLock()

    @property
    def exists(self) -> bool:
        """True if something was ever saved."""
        return self._path.exists() or self._lock_path.exists()

    def check_whole(self) -> None:
        """Refuse a file that is gone or cut beside its lock: it must not look like nothing saved.

        Raises:
            MemoryStoreError: names the file and the way out.
        """
        if not self._lock_path.exists() or self._begun_path.exists():
            return
        size = self._path.stat().st_size if self._path.exists() else None
        if size is None:
            raise self._damaged("the file is gone")
        if size == 0:
            raise self._damaged("the file is empty")
        # An interrupted change is undone from its journal when the file is opened.
        if size % PAGE_BYTES and not self._path.with_name(f"{FILE_NAME}-journal").exists():
            raise self._damaged("the file is cut short")

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        """The connection, for one thread at a time; it stays open for the next call.

        Raises:
            MemoryStoreError: the file is damaged, newer than the program, or cannot be written.
            MemoryKeyError: there is no key, or the wrong one.
        """
        from sqlcipher3 import dbapi2

        with self._turn:
            try:
                if self._connection is None:
                    self._connection = self._connect(dbapi2)
                yield self._connection
            except dbapi2.OperationalError as error:
                raise self._refused(error) from error
            except dbapi2.DatabaseError as error:
                self.close()
                raise self._damaged(str(error)) from error
            except OSError as error:
                raise unwritable(self._folder, error) from error

    def delete(self) -> None:
        """Remove the file, its lock and its key; needs no key and opens nothing.

        Raises:
            MemoryStoreError: a file cannot be removed.
            MemoryKeyError: the key cannot be removed from the keyring; the file is gone then.
        """
        with self._turn:
            self.close()
            try:
                for path in (*self._folder.glob(f"{FILE_NAME}*"), self._lock_path):
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise unwritable(self._folder, error) from error
            self._keys.forget()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self, dbapi2: Any) -> Any:
        import sqlite_vec

        key, salt = self._unlock()
        connection = dbapi2.connect(str(self._path), timeout=BUSY_S, check_same_thread=False)
        try:
            # The library would print its findings over the user's screen.
            connection.execute("PRAGMA cipher_log_level = NONE")
            connection.execute(f"PRAGMA key = \"x'{key.hex()}{salt.hex()}'\"")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.enable_load_extension(True)
            sqlite_vec.load(connection)
            connection.enable_load_extension(False)
            self._check_pages(connection)
            self._prepare(connection)
            self._begun_path.unlink(missing_ok=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def _unlock(self) -> tuple[bytes, bytes]:
        """Key and salt; a new memory gets its lock and its empty file here."""
        make_private_folder(self._folder)
        lock = read_lock(self._lock_path)
        if lock is not None:
            self.check_whole()
            key, salt = open_lock(lock, self._keys)
        else:
            key, salt = self._begin()
        # Made before SQLite makes it, so that it is never readable by others.
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, FILE_MODE))
        return key, salt

    def _begin(self) -> tuple[bytes, bytes]:
        """Make the lock of a new memory, unless another assistant makes it just now."""
        with self._alone():
            lock = read_lock(self._lock_path)
            if lock is not None:
                return open_lock(lock, self._keys)
            if self._path.exists() and self._path.stat().st_size:
                raise self._damaged(f"{self._lock_path.name} is missing")
            lock, key, salt = new_lock(self._keys)
            os.close(os.open(self._begun_path, os.O_WRONLY | os.O_CREAT, FILE_MODE))
            write_lock(self._lock_path, lock)
            return key, salt

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other assistants from making the same memory, or bringing it to a new version."""
        # Beside the folder, and never removed: one who waits for it could hold a removed file
        # while a third makes it anew.
        file = self._folder.with_name(f".{self._folder.name}.lock")
        with one_at_a_time(file, self._busy(), wait_s=BUSY_S):
            yield

    def _check_pages(self, connection: Any) -> None:
        broken = connection.execute("PRAGMA cipher_integrity_check").fetchall()
        if broken:
            raise self._damaged(str(broken[0][0]))
        # Each page that is there may be whole, and some gone with the end of the file.
        wrong = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if wrong != "ok":
            raise self._damaged(str(wrong).splitlines()[-1])

    def _prepare(self, connection: Any) -> None:
        if connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
            if self._path.with_name(f"{FILE_NAME}-journal").exists():
                # What was interrupted has been undone by now. A journal that is still there was
                # begun and never relied on; a change of nothing ends it.
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            return
        with self._alone():
            self._bring_up(connection)

    def _bring_up(self, connection: Any) -> None:
        # Asked again: another assistant may have been first.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.executescript(
                f"BEGIN;{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"
            )
        elif version == 1:
            connection.executescript(
                f"BEGIN;{_FROM_1}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"
            )
        elif version != SCHEMA_VERSION:
            raise MemoryStoreError(
                f"{self._path}: was written by a newer program (schema {version}, this one knows "
                f"{SCHEMA_VERSION})",
                "update this program",
            )

    def _busy(self) -> MemoryStoreError:
        return MemoryStoreError(
            f"{self._path}: another Sightline is writing to it", "try again in a moment"
        )

    def _refused(self, error: Exception) -> MemoryStoreError:
        """The error for what SQLite could not do; the file itself is sound."""
        said = str(error)
        if "locked" in said or "busy" in said:
            return self._busy()
        advice = "free space, or use another disk"
        if is_out_of_memory(error):
            advice = MORE_MEMORY
        elif "readonly" in said or "unable to open" in said:
            advice = "check who owns this folder, and that its disk can be written"
        return MemoryStoreError(f"{self._path}: cannot be read or written ({said})", advice)

    def _damaged(self, cause: str) -> MemoryStoreError:
        return MemoryStoreError(
            f"{self._path}: what was saved is damaged ({cause})",
            f"restore it from a backup, or delete all that was saved: {DELETE_ALL}",
        )


def unwritable(path: Path, error: OSError) -> MemoryStoreError:
    """The error for a place that the system does not let us write to."""
    advice = "free space or give another place" if error.errno in FULL else way_out(error)
    return MemoryStoreError(f"{path}: cannot be written ({reason(error)})", advice)
