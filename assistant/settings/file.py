"""The settings file: TOML with a comment beside each setting, kept when one of them changes."""

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.exceptions
from tomlkit.items import Table

from assistant.errors import SettingsError
from assistant.machine import is_running
from assistant.settings.paths import FILE_MODE, make_private_folder
from assistant.settings.settings import (
    DEFAULT_KEYS,
    KEYS,
    Settings,
    Value,
    get_value,
    set_keys,
    set_value,
)
from models.files.bounded import BoundError, FormatError, parse_toml, read_text
from models.system_errors import reason, way_out

MOST_BYTES = 256 * 1024
"""A file with every setting and its comment has 3 kB."""

MOST_SETTINGS = 500
MOST_TOLD = 10
"""Mistakes that one message names; it is listened to."""

_HALF = ".settings-"  # what a file is called while it is written, with the writer's number

VERSION = 1
"""Version of the file's layout; a file of a later one is read as far as it is understood."""

HEADER = "Sightline's settings. Every value can also be changed by voice or with /set NAME VALUE."


def load_settings(path: Path) -> tuple[Settings, list[SettingsError]]:
    """Read the file; what is wrong in it is named and its default used instead.

    Returns the settings and one error for each thing that is wrong, in which the file is not
    named: `wrong_text` names it once. A missing file is none.
    """
    try:
        values = _flat(_parse(path)[1])
        if len(values) > MOST_SETTINGS:
            raise SettingsError(f"holds {len(values)} settings", "remove what is not Sightline's")
    except SettingsError as error:
        way_out = f"{error.way_out}; all settings are at their defaults"
        return Settings(), [SettingsError(error.cause, way_out)]
    settings, wrong = Settings(), []
    version = values.pop("version", VERSION)
    if version != VERSION:
        cause = f"version is {version}, and this program knows {VERSION}"
        wrong.append(SettingsError(cause, "install a newer Sightline"))
    keys = {name[5:]: values.pop(name) for name in list(values) if name.startswith("keys.")}
    settings, refused = set_keys(settings, keys)
    wrong += refused
    for name, value in values.items():
        try:
            settings = set_value(settings, name, value)
        except SettingsError as error:
            wrong.append(error)
    return settings, wrong


def wrong_text(path: Path, wrong: Sequence[SettingsError]) -> str:
    """What `load_settings` found wrong in one message; the file is named once."""
    if len(wrong) == 1:
        return f"{path}: {wrong[0]}"
    first = f"{path}: {len(wrong)} lines are wrong; these settings are at their defaults"
    more = [f"and {len(wrong) - MOST_TOLD} more"] if len(wrong) > MOST_TOLD else []
    return "\n".join((first, *map(str, wrong[:MOST_TOLD]), *more))


def save_setting(path: Path, settings: Settings, name: str) -> None:
    """Write one changed setting; comments and everything else in the file stay.

    A first save writes every setting with its comment, the others at their defaults: what the
    options of one start changed is not kept.

    Raises:
        SettingsError: the file is damaged, or cannot be written.
    """
    try:
        document = tomlkit.parse(_parse(path)[0]) if path.is_file() else _new_document()
    except tomlkit.exceptions.TOMLKitError as error:
        raise SettingsError(f"{path}: is not TOML: {error}", "correct or remove it") from error
    except SettingsError as error:
        raise SettingsError(f"{path}: {error.cause}", error.way_out) from error
    _put(document, name, get_value(settings, name))
    make_private_folder(path.parent)
    remove_left_overs(path)
    _write(path, tomlkit.dumps(document))


def remove_left_overs(path: Path) -> None:
    """Remove what assistants that were killed while they wrote this file left beside it."""
    with contextlib.suppress(OSError):
        for half in path.parent.glob(f"{_HALF}*"):
            owner = half.name.removeprefix(_HALF).split("-")[0]
            if owner.isdigit() and not is_running(int(owner)):
                half.unlink(missing_ok=True)


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    """Read the file, as text and as values; what is raised does not name it."""
    try:
        # tomlkit, which keeps comments, counts lines from the end and has no bounds.
        text = read_text(path, MOST_BYTES)
        return text, parse_toml(text)
    except FileNotFoundError:
        return "", {}
    except OSError as error:
        raise SettingsError(f"cannot be read ({error.strerror})", "correct or remove it") from error
    except UnicodeDecodeError as error:
        raise SettingsError("is not text in UTF-8", "correct or remove it") from error
    except BoundError as error:
        raise SettingsError(str(error), "correct or remove it") from error
    except FormatError as error:
        raise SettingsError(f"is not TOML: {error}", "correct or remove it") from error


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values by dotted name."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{prefix}{name}."))
        else:
            found[prefix + name] = value
    return found


def _new_document() -> tomlkit.TOMLDocument:
    settings = Settings()
    document = tomlkit.document()
    document.add(tomlkit.comment(HEADER))
    document.add("version", tomlkit.item(VERSION))
    # Single names must stand before the first table: TOML would count them to it.
    for name in sorted(KEYS, key=lambda each: "." in each):
        _put(document, name, get_value(settings, name), KEYS[name].comment)
    for action in DEFAULT_KEYS:
        _put(document, f"keys.{action}", settings.keys[action])
    return document


def _put(
    document: tomlkit.TOMLDocument, name: str, value: Value, comment: str | None = None
) -> None:
    table, _, last = name.rpartition(".")
    place: tomlkit.TOMLDocument | Table = document
    if table:
        if not isinstance(document.get(table), dict):
            document[table] = tomlkit.table()
        place = document[table]
    old = place.get(last)
    new = tomlkit.item(value)
    if comment is not None:
        new.comment(comment)
    elif old is not None and hasattr(old, "trivia"):
        new.trivia.comment, new.trivia.comment_ws = old.trivia.comment, old.trivia.comment_ws
    place[last] = new


def _write(path: Path, text: str) -> None:
    """Replace the file as a whole, so that a power cut leaves the old or the new one."""
    try:
        handle, name = tempfile.mkstemp(prefix=f"{_HALF}{os.getpid()}-", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, FILE_MODE)
        os.replace(name, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{path}: cannot be written ({reason(error)})", way_out(error))
