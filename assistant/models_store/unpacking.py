"""Zip archives from elsewhere, unpacked without believing a word of what they say."""

import os
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from assistant.errors import DamagedFileError
from assistant.machine import check_room
from assistant.settings.paths import FILE_MODE, FOLDER_MODE

MOST_ENTRIES = 10_000
MOST_GROWTH = 20
"""A model's archive grows to less than twice its size; a bomb grows a thousandfold."""

LEAST_LIMIT_BYTES = 16 * 1024 * 1024
LONGEST_NAME = 512
CHUNK_BYTES = 1024 * 1024

_WAY_OUT = "nothing was installed, pull the model again"


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack an archive into a new folder; every entry is judged before the first is written.

    Files become 0600 and folders 0700, whatever the archive says.

    Raises:
        DamagedFileError: the file is no zip archive, is damaged, or holds an entry that a model
            has no use for: a path that leads out of the folder, a link, a device, a name that
            occurs twice, or more bytes than are reasonable.
        DownloadError: it does not fit on the disk.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            limit = max(MOST_GROWTH * archive.stat().st_size, LEAST_LIMIT_BYTES)
            _judge(archive, entries, limit)
            check_room(folder.parent, sum(entry.file_size for entry in entries))
            folder.mkdir(mode=FOLDER_MODE)
            left = limit
            for entry in entries:
                left -= _write(opened, entry, folder, left)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DamagedFileError(
            f"{archive.name}: is no zip archive or is damaged ({error})", _WAY_OUT
        ) from error


def _judge(archive: Path, entries: list[zipfile.ZipInfo], limit: int) -> None:
    if not entries:
        raise DamagedFileError(f"{archive.name}: the archive is empty", _WAY_OUT)
    if len(entries) > MOST_ENTRIES:
        raise DamagedFileError(f"{archive.name}: holds {len(entries)} entries", _WAY_OUT)
    total = sum(entry.file_size for entry in entries)
    if total > limit:
        raise DamagedFileError(
            f"{archive.name}: would grow to {total / 1e6:.0f} MB, far more than a model", _WAY_OUT
        )
    taken: set[str] = set()
    for entry in entries:
        fault = _fault(entry)
        # Two names that differ only in case are one file on some systems.
        key = entry.filename.rstrip("/").casefold()
        if fault is None and key in taken:
            fault = "occurs twice"
        if fault is not None:
            raise DamagedFileError(f"{archive.name}: {entry.filename!r} {fault}", _WAY_OUT)
        taken.add(key)


def _fault(entry: zipfile.ZipInfo) -> str | None:
    """Why an entry must not be unpacked, or None."""
    # zipfile cuts names at NUL and turns the system's separators; judge what stands in the file.
    name = entry.orig_filename
    if name.startswith("/") or "\\" in name or ":" in name:
        return "is an absolute path"
    parts = PurePosixPath(name).parts
    if ".." in parts or ".." in entry.filename.split("/"):
        return "leads out of the folder"
    if not parts or len(name) > LONGEST_NAME or not name.isprintable():
        return "has no usable name"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    return None


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, left: int) -> int:
    """Unpack one entry and return its real size in bytes."""
    target = folder.joinpath(*PurePosixPath(entry.filename).parts)
    if entry.is_dir():
        _make_folders(folder, target)
        return 0
    _make_folders(folder, target.parent)
    size = 0
    try:
        # O_EXCL: no file is written twice, and no link is followed.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except (FileExistsError, IsADirectoryError) as error:
        raise DamagedFileError(
            f"{entry.filename!r} is a file and a folder in one", _WAY_OUT
        ) from error
    with os.fdopen(descriptor, "wb") as file, opened.open(entry) as source:
        for chunk in _chunks(source):
            size += len(chunk)
            if size > left:
                raise DamagedFileError(
                    f"{entry.filename!r} is larger than the archive says", _WAY_OUT
                )
            file.write(chunk)
    return size


def _chunks(source: Any) -> Any:
    return iter(lambda: source.read(CHUNK_BYTES), b"")


def _make_folders(folder: Path, target: Path) -> None:
    current = folder
    for part in target.relative_to(folder).parts:
        current = current / part
        try:
            current.mkdir(mode=FOLDER_MODE, exist_ok=True)
        except FileExistsError as error:
            raise DamagedFileError(f"{part!r} is a file and a folder in one", _WAY_OUT) from error
