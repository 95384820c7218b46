"""Where the assistant keeps what it keeps: four folders, all of them the user's alone."""

import os
import stat
import urllib.parse
from pathlib import Path

from assistant.errors import SettingsError
from models.own_folders import (
    HOME_VARIABLE,
    config_folder,
    data_folder,
    runtime_folder,
)
from models.system_errors import FULL, reason

__all__ = [
    "HOME_VARIABLE",
    "config_folder",
    "data_folder",
    "make_private_folder",
    "runtime_folder",
    "settings_file",
    "typed_path",
]

FOLDER_MODE, FILE_MODE = 0o700, 0o600


def settings_file() -> Path:
    """The one settings file."""
    return config_folder() / "settings.toml"


def make_private_folder(folder: Path) -> Path:
    """Create a folder that only the user can enter, with its parents, and return it.

    Raises:
        SettingsError: it cannot be created.
    """
    try:
        # Parents keep the system's usual mode: they are shared with other programs.
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) != FOLDER_MODE:
            folder.chmod(FOLDER_MODE)
    except OSError as error:
        advice = "free space, or set" if error.errno in FULL else "set"
        raise SettingsError(
            f"{folder}: the folder cannot be made ({reason(error)})",
            f"{advice} {HOME_VARIABLE} to a folder of your own",
        ) from error
    return folder


def typed_path(text: str) -> Path:
    """The path that a user typed, pasted, or dragged into the terminal.

    Terminals put dragged files between quotes or backslashes before their spaces; file managers
    copy them as addresses.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    if text.startswith("file://"):
        return Path(urllib.parse.unquote(urllib.parse.urlsplit(text).path))
    # Path's own questions raise where a name is too long, or its user is not known.
    path = os.path.expanduser(text)
    plain = path.replace("\\ ", " ")
    return Path(plain if not os.path.exists(path) and os.path.exists(plain) else path)
