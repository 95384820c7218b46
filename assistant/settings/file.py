"""The settings file: TOML with a comment beside each setting, kept when one of them changes."""

import contextlib
import os
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.exceptions
from tomlkit.items import Table

from assistant.errors import SettingsError
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

VERSION = 1
"""Version of the file's layout; a file of a later one is read as far as it is understood."""

HEADER = "Sightline's settings. Every value can also be changed by voice or with /set NAME VALUE."


def load_settings(path: Path) -> tuple[Settings, list[SettingsError]]:
    """Read the file; what is wrong in it is named and its default used instead.

    Returns the settings and one error for each thing that is wrong, in which the file is not
    named: `wrong_text` names it once. A missing file is none.
    """
    try:
        document = _parse(path)
    except SettingsError as error:
        way_out = f"{error.way_out}; all settings are at their defaults"
        return Settings(), [SettingsError(error.cause, way_out)]
    settings, wrong = Settings(), []
    values = _flat(document)
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
    return "\n".join((first, *map(str, wrong)))


def save_setting(path: Path, settings: Settings, name: str) -> None:
    """Write one changed setting; comments and everything else in the file stay.

    A first save writes every setting with its comment, the others at their defaults: what the
    options of one start changed is not kept.

    Raises:
        SettingsError: the file is damaged, or cannot be written.
    """
    try:
        document = _parse(path) if path.is_file() else _new_document()
    except SettingsError as error:
        raise SettingsError(f"{path}: {error.cause}", error.way_out) from error
    _put(document, name, get_value(settings, name))
    make_private_folder(path.parent)
    _write(path, tomlkit.dumps(document))


def _parse(path: Path) -> tomlkit.TOMLDocument:
    """Read the file; what is raised does not name it."""
    try:
        text = path.read_text(encoding="utf-8")
        # Asked first because it says where a mistake stands; tomlkit counts lines from the end.
        tomllib.loads(text)
        return tomlkit.parse(text)
    except FileNotFoundError:
        return tomlkit.document()
    except OSError as error:
        raise SettingsError(f"cannot be read ({error.strerror})", "correct or remove it") from error
    except UnicodeDecodeError as error:
        raise SettingsError("is not text in UTF-8", "correct or remove it") from error
    except (tomllib.TOMLDecodeError, tomlkit.exceptions.TOMLKitError) as error:
        raise SettingsError(f"is not TOML: {error}", "correct or remove it") from error


def _flat(table: Any, prefix: str = "") -> dict[str, Any]:
    """The values by dotted name, as plain Python objects."""
    found: dict[str, Any] = {}
    for name, value in table.unwrap().items() if not prefix else table.items():
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
        handle, name = tempfile.mkstemp(prefix=".settings-", dir=path.parent)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror})") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, FILE_MODE)
        os.replace(name, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise SettingsError(f"{path}: cannot be written ({error.strerror})") from error
