"""Where the key of the memory comes from: the system's keyring, or a passphrase."""

import base64
import contextlib
import errno
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from assistant.errors import MemoryKeyError, MemoryStoreError, NoKeyringError
from assistant.settings.paths import FILE_MODE
from models.files.bounded import read_json

KEY_BYTES, SALT_BYTES = 32, 16
SCHEMA_VERSION = 1

SCRYPT_COST, SCRYPT_BLOCK, SCRYPT_LANES = 2**16, 8, 1
"""64 MB and about 0.2 s for each guess (RFC 7914)."""

MOST_LOCK_BYTES = 64 * 1024
"""A lock has 200 bytes."""

LEAST_PASSPHRASE = 8
KEYRING_SERVICE, KEYRING_ACCOUNT = "sightline", "memory"


class KeySource(Protocol):
    """Anything that can give the key of one memory again and again."""

    kind: str

    def key(self, salt: bytes, *, new: bool) -> bytes:
        """Return 32 bytes; `new` says that the memory does not exist yet."""
        ...

    def forget(self) -> None:
        """Destroy the key where it is kept."""
        ...


class PassphraseKey:
    """A key made from what the user types or says; it is kept nowhere."""

    kind = "passphrase"

    def __init__(self, passphrase: str) -> None:
        """Take the passphrase.

        Raises:
            MemoryKeyError: it is shorter than 8 characters.
        """
        if len(passphrase) < LEAST_PASSPHRASE:
            raise MemoryKeyError(
                "the passphrase is too short", f"give at least {LEAST_PASSPHRASE} characters"
            )
        self._passphrase = passphrase

    def key(self, salt: bytes, *, new: bool) -> bytes:
        """Return scrypt of the passphrase, 32 bytes."""
        return hashlib.scrypt(
            self._passphrase.encode(),
            salt=salt,
            n=SCRYPT_COST,
            r=SCRYPT_BLOCK,
            p=SCRYPT_LANES,
            maxmem=2 * 128 * SCRYPT_COST * SCRYPT_BLOCK,
            dklen=KEY_BYTES,
        )

    def forget(self) -> None:
        """Nothing is kept."""


class KeyringKey:
    """A random key in the system's keyring (Secret Service, KWallet, Windows, macOS)."""

    kind = "keyring"

    def key(self, salt: bytes, *, new: bool) -> bytes:
        """Return the key; make and store one for a new memory.

        Raises:
            MemoryKeyError: there is no keyring, it is locked, or it has no key for a memory that
                exists.
        """
        with _keyring() as keyring:
            stored = keyring.get_password(KEYRING_SERVICE, KEYRING_ACCOUNT)
            if stored is None and new:
                stored = secrets.token_hex(KEY_BYTES)
                keyring.set_password(KEYRING_SERVICE, KEYRING_ACCOUNT, stored)
                if keyring.get_password(KEYRING_SERVICE, KEYRING_ACCOUNT) != stored:
                    raise MemoryKeyError(
                        "the system's keyring does not keep keys", "give a passphrase instead"
                    )
        if stored is None:
            raise MemoryKeyError(
                "the keyring has no key for what was saved",
                "log in as the user who saved it, or delete everything that was saved",
            )
        try:
            found = bytes.fromhex(stored)
        except ValueError:
            found = b""
        if len(found) != KEY_BYTES:
            raise MemoryKeyError("the key in the keyring is damaged", "restore it from a backup")
        return found

    def forget(self) -> None:
        """Remove the key from the keyring, if it is there."""
        if isinstance(keyring_trouble(), NoKeyringError):
            return  # then it cannot be kept there
        with _keyring() as keyring:
            if keyring.get_password(KEYRING_SERVICE, KEYRING_ACCOUNT) is not None:
                keyring.delete_password(KEYRING_SERVICE, KEYRING_ACCOUNT)


@contextlib.contextmanager
def _keyring() -> Iterator[Any]:
    """The system's keyring; what it raises gets a cause and a way out."""
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise MemoryKeyError(
            f"the package keyring is missing ({error})", "run scripts/setup, or give a passphrase"
        ) from error
    try:
        yield keyring
    except keyring.errors.NoKeyringError as error:
        raise NoKeyringError(
            "this system has no keyring",
            "give a passphrase, or install one (Debian: apt install gnome-keyring)",
        ) from error
    except keyring.errors.KeyringError as error:
        raise MemoryKeyError(
            f"the system's keyring gives no key ({error or type(error).__name__})", "unlock it"
        ) from error


def keyring_trouble() -> MemoryKeyError | None:
    """Why the keyring cannot hold a key and what to do, or None; nothing is written."""
    try:
        with _keyring() as keyring:
            keyring.get_password(KEYRING_SERVICE, KEYRING_ACCOUNT)
    except MemoryKeyError as error:
        return error
    except Exception as error:  # backends raise what their desktop raises
        return MemoryKeyError(
            f"the system's keyring gives no key ({error})", "give a passphrase instead"
        )
    return None


@dataclass(frozen=True, slots=True)
class Lock:
    """What stands beside the encrypted file: how its key is made, and a way to check the key.

    kind:  "passphrase" or "keyring".
    salt:  base64 of 16 bytes.
    check: HMAC-SHA256 of a fixed text under the key, hexadecimal; without it a wrong passphrase
           could not be told from a damaged file.
    """

    kind: str
    salt: str
    check: str


def read_lock(path: Path) -> Lock | None:
    """Return the lock, or None where there is none.

    Raises:
        MemoryStoreError: it cannot be read.
    """
    try:
        content = read_json(path, MOST_LOCK_BYTES)
        if content.pop("schema_version") != SCHEMA_VERSION:
            raise ValueError("it was written by a newer program")
        lock = Lock(**content)
        if len(base64.b64decode(lock.salt, validate=True)) != SALT_BYTES:
            raise ValueError(f"its salt has not {SALT_BYTES} bytes")
        if not re.fullmatch(r"[0-9a-f]{64}", lock.check):
            raise ValueError("its check is no SHA-256")
        return lock
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MemoryStoreError(
            f"{path}: cannot be read ({error.strerror})", "check who owns this folder"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MemoryStoreError(
            f"{path}: is damaged ({error})",
            "restore it from a backup, or delete all that was saved",
        ) from error


def write_lock(path: Path, lock: Lock) -> None:
    """Write the lock of a new memory, whole or not at all; an existing one is never replaced.

    Raises:
        OSError: it is there already, or cannot be written.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    half = path.with_name(f"{path.name}.half")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"schema_version": SCHEMA_VERSION, **asdict(lock)}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)
    except OSError:
        half.unlink(missing_ok=True)
        raise


def new_lock(source: KeySource) -> tuple[Lock, bytes, bytes]:
    """Make the lock of a new memory; return it with the key and the salt.

    Raises:
        MemoryKeyError: the source gives no key.
    """
    salt = secrets.token_bytes(SALT_BYTES)
    key = source.key(salt, new=True)
    return Lock(source.kind, base64.b64encode(salt).decode(), _check(key)), key, salt


def open_lock(lock: Lock, source: KeySource) -> tuple[bytes, bytes]:
    """Return the key and the salt of an existing memory.

    Raises:
        MemoryKeyError: the source gives no key, or the wrong one.
    """
    if lock.kind != source.kind:
        way = "a passphrase" if lock.kind == "passphrase" else "the key in the system's keyring"
        raise MemoryKeyError(f"what was saved is locked with {way}", "open it with that")
    salt = base64.b64decode(lock.salt)
    key = source.key(salt, new=False)
    if not hmac.compare_digest(_check(key), lock.check):
        if lock.kind == "passphrase":
            raise MemoryKeyError("the passphrase is wrong", "try again")
        raise MemoryKeyError(
            "the key in the keyring is not that of what was saved", "restore the keyring"
        )
    return key, salt


def _check(key: bytes) -> str:
    return hmac.new(key, b"sightline memory key check", hashlib.sha256).hexdigest()
