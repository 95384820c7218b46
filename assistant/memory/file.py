"""The encrypted file of the memory: made private, opened with its key, checked, deleted."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assistant.errors import MemoryStoreError
from assistant.memory.keys import KeySource, new_lock, open_lock, read_lock, write_lock
from assistant.settings.paths import FILE_MODE, make_private_folder

SCHEMA_VERSION = 2
FILE_NAME, LOCK_NAME = "memory.db", "memory.json"

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
                raise MemoryStoreError(
                    f"{self._path}: cannot be read or written ({error})", "free space and try again"
                ) from error
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
        connection = dbapi2.connect(str(self._path), check_same_thread=False)
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
        elif self._path.exists() and self._path.stat().st_size:
            raise self._damaged(f"{self._lock_path.name} is missing")
        else:
            lock, key, salt = new_lock(self._keys)
            os.close(os.open(self._begun_path, os.O_WRONLY | os.O_CREAT, FILE_MODE))
            write_lock(self._lock_path, lock)
        # Made before SQLite makes it, so that it is never readable by others.
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, FILE_MODE))
        return key, salt

    def _check_pages(self, connection: Any) -> None:
        broken = connection.execute("PRAGMA cipher_integrity_check").fetchall()
        if broken:
            raise self._damaged(str(broken[0][0]))
        # Each page that is there may be whole, and some gone with the end of the file.
        wrong = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if wrong != "ok":
            raise self._damaged(str(wrong).splitlines()[-1])

    def _prepare(self, connection: Any) -> None:
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

    def _damaged(self, cause: str) -> MemoryStoreError:
        return MemoryStoreError(
            f"{self._path}: what was saved is damaged ({cause})",
            f"restore it from a backup, or delete all that was saved: {DELETE_ALL}",
        )


def unwritable(path: Path, error: OSError) -> MemoryStoreError:
    """The error for a place that the system does not let us write to."""
    return MemoryStoreError(
        f"{path}: cannot be written ({error.strerror or error})", "free space or give another place"
    )
