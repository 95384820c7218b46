"""What a server may answer: every field of it is judged here before anything is done with it.

A server can be taken over, and its answer becomes names of files, numbers of bytes and folders. So
nothing is repaired or guessed: a field that has not exactly the form it must have refuses the whole
answer. The records that earlier pulls left are read through the same functions.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from models.files.bounded import shown

MOST_FILES = 10_000
MOST_FILE_BYTES = 1 << 43
"""Of one file: eight terabytes, more than any model has."""

LONGEST_NAME = 200
LONGEST_PATH = 1000
LONGEST_VERSION = 200

_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_LENGTH = re.compile(r"[0-9]{1,15}")
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)")
_VERSION = re.compile(r"[\x20-\x7e]*")


class AnswerError(ValueError):
    """A field has not the form that it must have; the message says which, fit for brackets."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of a repository, as its server states it.

    size_bytes: 0 where it is not stated.
    sha256:     64 hexadecimal digits, or empty where it is not stated.
    """

    name: str
    size_bytes: int
    sha256: str


def listing(answer: Any, is_wanted: Callable[[str], bool]) -> tuple[str, tuple[ListedFile, ...]]:
    """The commit of a hub's answer about a repository, and those of its files that are wanted.

    is_wanted: says of a name whether the file is to be fetched; others are not looked at further.

    Raises:
        AnswerError: a field has not the form that it must have, or a name occurs twice.
    """
    fields = _mapping(answer, "the answer")
    commit = _matching(fields.get("sha"), _COMMIT, "the commit")
    entries = fields.get("siblings")
    if not isinstance(entries, list) or len(entries) > MOST_FILES:
        raise AnswerError(f"siblings is no list of at most {MOST_FILES} files")
    files: dict[str, ListedFile] = {}
    for entry in entries:
        entry = _mapping(entry, "a file")
        name = entry.get("rfilename")
        if not isinstance(name, str):
            raise AnswerError(f"the name of a file is {shown(name)}")
        if not is_wanted(name):
            continue
        # Names that differ only in case are one file on some systems.
        key = file_name(name).casefold()
        if key in files:
            raise AnswerError(f"the file {name} occurs twice")
        files[key] = _listed(entry, name)
    return commit, tuple(files.values())


def _listed(entry: Mapping[str, Any], name: str) -> ListedFile:
    size = 0 if entry.get("size") is None else size_bytes(entry["size"])
    if entry.get("lfs") is None:
        return ListedFile(name, size, "")
    lfs = _mapping(entry["lfs"], f"lfs of {name}")
    stated = size_bytes(lfs.get("size"))
    if size and stated != size:
        raise AnswerError(f"{name} has two sizes, {size} and {stated}")
    return ListedFile(name, stated, digest(lfs.get("sha256")))


def file_name(value: object) -> str:
    """A plain name of one file: letters, digits and ``._+-``, no path.

    Raises:
        AnswerError: it is another.
    """
    name = _matching(value, _NAME, "the name of a file")
    if len(name) > LONGEST_NAME:
        raise AnswerError(f"the name of a file has {len(name)} characters")
    return name


def relative_path(value: object) -> str:
    """A path inside a folder, with forward slashes; other than a name it may hold any letter.

    Raises:
        AnswerError: it leads elsewhere, or cannot be a path.
    """
    if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_PATH:
        raise AnswerError(f"the path of a file is {shown(value)}")
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or path.as_posix() != value or value == ".":
        raise AnswerError(f"the path {shown(value)} leads out of its folder")
    return value


def size_bytes(value: object) -> int:
    """The size of a file.

    Raises:
        AnswerError: it is no whole number, negative, or larger than any file.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_FILE_BYTES:
        raise AnswerError(f"the size of a file is {shown(value)}")
    return value


def digest(value: object) -> str:
    """A SHA-256 as 64 hexadecimal digits in lower case.

    Raises:
        AnswerError: it is none.
    """
    return _matching(value, _DIGEST, "the SHA-256 of a file")


def text(value: object, what: str) -> str:
    """A text that can be shown.

    Raises:
        AnswerError: it is none.
    """
    if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_PATH:
        raise AnswerError(f"{what} is {shown(value)}")
    return value


def content_length(headers: Mapping[str, str]) -> int | None:
    """The bytes that a body is said to have; None where that is not said, or not in numbers."""
    stated = headers.get("Content-Length", "")
    return int(stated) if _LENGTH.fullmatch(stated) else None


def content_range(headers: Mapping[str, str]) -> tuple[int, int | None] | None:
    """Where a part begins in its file, and the bytes of the whole file, None where not known.

    Returns None where the server does not say which part it sends, or says what cannot be.
    """
    found = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    whole = None if found[3] == "*" else int(found[3])
    if last < first or (whole is not None and last >= whole):
        return None
    return first, whole


def version(headers: Mapping[str, str]) -> str:
    """What names a version of a file on its server, or "".

    A weak tag is no proof that the bytes are the same; what cannot be sent back names nothing.
    """
    tag = headers.get("ETag", "")
    named = headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
    return named if len(named) <= LONGEST_VERSION and _VERSION.fullmatch(named) else ""


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise AnswerError(f"{what} is no object")
    return value


def _matching(value: object, form: "re.Pattern[str]", what: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise AnswerError(f"{what} is {shown(value)}")
    return value
