"""The one reader of JSON, TOML and JSON lines: a file is judged before anybody believes it.

A text format promises nothing about its size. One line of a kilobyte can be nested deeper than a
program's stack, name a number that no float holds, or give a key twice, of which libraries take
the one or the other; a name in a folder can be a pipe that never ends. All of that is refused here
in one sentence, so that no other module calls ``json.loads`` or ``tomllib`` (a test looks).

What is refused raises `FormatError`, a ValueError. What is beyond a bound raises its `BoundError`,
whose message fits behind a file's name: "is nested more than 100 deep". What the system refuses
raises OSError as usual.
"""

import errno
import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

MOST_BYTES = 32 * 1024**2
"""Of a file that describes something, such as config.json or the index of a large model."""

MOST_DATA_BYTES = 4 * 1024**3
"""Of a file of data, such as questions about pictures: a published one has 1 GB."""

ANY_VALUES = 10**12
"""For a file of data, which is bounded by its bytes alone."""

MOST_VALUES = 4_000_000
"""Brackets and commas of a file that describes something; each costs up to a hundred bytes."""

LONGEST_SETTING = 2000
"""Characters of any one text in a file of settings, such as config.json, for who asks for that."""

DEEPEST = 100
LONGEST_KEY = 1000
MOST_DIGITS = 40
"""Of a whole number; sizes and counts have at most 20."""

LONGEST_FRACTION = 400
"""Characters of any other number; longer ones take minutes to read."""

MOST_KEY_PARTS = 20
"""Of a dotted key in TOML."""

_LONGEST_SHOWN = 60
_PIECE_BYTES = 1024**2
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

# In TOML, texts with their quotes, and comments; what is left are keys, numbers and brackets.
_TOML_TEXTS = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*',
    re.DOTALL,
)


class FormatError(ValueError):
    """A text is not of the format that it should be; the message is the parser's."""


class BoundError(FormatError):
    """A file is no regular file, or it or something in it is beyond a bound of this module."""


def shown(value: object) -> str:
    """A value as a message repeats it: one line, without control characters, not too long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def refuse_long_texts(value: Any, longest: int = LONGEST_SETTING) -> None:
    """Refuse a value that holds a text longer than any setting: messages repeat settings.

    Raises:
        BoundError: it holds one.
    """
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list):
            left += one
        elif isinstance(one, str) and len(one) > longest:
            raise BoundError(f"has a text of {len(one)} characters, more than {longest}")


def open_regular(path: Path, most_bytes: int = MOST_BYTES) -> BinaryIO:
    """Open a file for reading bytes, if it is a regular file of at most ``most_bytes``.

    Raises:
        BoundError: it is a pipe, a device or a socket, or it is larger.
        OSError: it is missing, a folder, or cannot be opened.
    """
    # Opening a pipe would wait for somebody who writes into it, and a terminal could become ours.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    try:
        facts = os.fstat(descriptor)
        if stat.S_ISDIR(facts.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(facts.st_mode):
            kind = _KINDS.get(stat.S_IFMT(facts.st_mode), "something else")
            raise BoundError(f"is {kind} and no file")
        _check_size(facts.st_size, most_bytes)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Read a regular file whole.

    Raises:
        BoundError, OSError: see `open_regular`.
    """
    with open_regular(path, most_bytes) as file:
        # Not ``most_bytes`` at once, which would be set aside whatever the file has.
        pieces = [file.read(os.fstat(file.fileno()).st_size + 1)]
        # More may come: files grow, and those of /proc state no size.
        while pieces[-1] and (left := most_bytes + 1 - sum(map(len, pieces))) > 0:
            pieces.append(file.read(min(left, _PIECE_BYTES)))
        content = b"".join(pieces) if any(pieces[1:]) else pieces[0]
    _check_size(len(content), most_bytes)
    return content


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """Read a regular file of UTF-8 text whole.

    Raises:
        BoundError, OSError: see `open_regular`.
        UnicodeDecodeError: it is not UTF-8; a ValueError as well.
    """
    return read_bytes(path, most_bytes).decode("utf-8")


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> Any:
    """Read a file of one JSON value; of a file of data, any number of values.

    Raises:
        FormatError, OSError, UnicodeDecodeError: see `read_text` and `parse_json`.
    """
    most_values = MOST_VALUES if most_bytes <= MOST_BYTES else ANY_VALUES
    return parse_json(read_text(path, most_bytes), most_values=most_values)


def read_toml(path: Path, most_bytes: int = 1024**2) -> dict[str, Any]:
    """Read a file of TOML.

    Raises:
        FormatError, OSError, UnicodeDecodeError: see `read_text` and `parse_toml`.
    """
    return parse_toml(read_text(path, most_bytes))


def parse_json(text: str | bytes, *, most_values: int = MOST_VALUES) -> Any:
    """Read one JSON value; NaN and infinite numbers are refused, as the standard has it.

    Raises:
        FormatError: it is not JSON.
        BoundError: it is beyond a bound of this module.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        opened = text.count("[") + text.count("{")
        if opened + text.count(",") > most_values:
            raise BoundError(f"holds more than {most_values} values")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_fraction,
            parse_constant=_refuse_constant,
        )
    except FormatError:
        raise
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise FormatError(str(error)) from error
    # Nothing is deeper than it has brackets, and half a character needs its escape.
    if opened > DEEPEST or _SURROGATE.search(text):
        _check_values(value)
    return value


def json_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a .jsonl file that are not blank, with their numbers from 1."""
    # Not splitlines: it also breaks at characters that JSON allows inside a text.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def parse_toml(text: str) -> dict[str, Any]:
    """Read TOML; NaN and infinite numbers are refused.

    Raises:
        FormatError: it is not TOML.
        BoundError: it is beyond a bound of this module.
    """
    # The library's time grows with the square of a key's parts, and it calls itself for brackets.
    bare = _TOML_TEXTS.sub("_", text)
    if any(part.count(".") >= MOST_KEY_PARTS for part in re.split(r"[=\[\]{},\n]", bare)):
        raise BoundError(f"has a key of more than {MOST_KEY_PARTS} parts")
    if _depth(bare) > DEEPEST:
        raise _too_deep()
    try:
        value = tomllib.loads(text, parse_float=_fraction)
    except FormatError:
        raise
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise FormatError(str(error)) from error
    _check_values(value)
    return value


def _check_size(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise BoundError(f"has more than {most_bytes} bytes, too many for what it is")


def _too_deep() -> BoundError:
    return BoundError(f"is nested more than {DEEPEST} deep")


def _depth(bare: str) -> int:
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", bare):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        _check_key(key)
        if key in found:
            raise BoundError(f"has the key {shown(key)} twice in one object")
        found[key] = value
    return found


def _check_key(key: str) -> None:
    if len(key) > LONGEST_KEY:
        raise BoundError(f"has a key of {len(key)} characters, more than {LONGEST_KEY}")


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise BoundError(f"has a number of {len(text)} digits, more than {MOST_DIGITS}")
    return int(text)


def _fraction(text: str) -> float:
    if len(text) > LONGEST_FRACTION:
        raise BoundError(f"has a number of {len(text)} digits, more than {LONGEST_FRACTION}")
    number = float(text)
    if not math.isfinite(number):
        raise BoundError(f"has the number {text}, which is not finite")
    return number


def _refuse_constant(text: str) -> None:
    raise BoundError(f"has the number {text}, which is not finite")


def _check_values(value: Any) -> None:
    """Refuse what only the finished value shows: its depth, and texts that no file can hold."""
    level, depth = [value], 0
    while level:
        if depth > DEEPEST:
            raise _too_deep()
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                for key in one:
                    _check_key(key)
                    _check_text(key)
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str):
                _check_text(one)
            elif isinstance(one, int) and abs(one) >= 10**MOST_DIGITS:
                raise BoundError(f"has a number of more than {MOST_DIGITS} digits")
        level, depth = below, depth + 1


def _check_text(text: str) -> None:
    """A lone half of a character is no text: it cannot be written, printed or made a name."""
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BoundError("has a text with half a character") from error
