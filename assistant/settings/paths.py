"""Where the assistant keeps what it keeps: three folders, all of them the user's alone."""

import os
import urllib.parse
from pathlib import Path

import platformdirs

from assistant.errors import SettingsError

HOME_VARIABLE = "SIGHTLINE_HOME"
"""Names one folder that holds all three; for a memory stick, a test, or a second user."""

APPLICATION = "sightline"
FOLDER_MODE, FILE_MODE = 0o700, 0o600


def config_folder() -> Path:
    """The folder of the settings file."""
    return _home("config") or platformdirs.user_config_path(APPLICATION, appauthor=False)


def data_folder() -> Path:
    """The folder of models that were pulled and of what the user saved."""
    return _home("data") or platformdirs.user_data_path(APPLICATION, appauthor=False)


def runtime_folder() -> Path:
    """The folder of what does not outlive the session; in memory where the system has one."""
    return _home("runtime") or platformdirs.user_runtime_path(APPLICATION, appauthor=False)


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
        folder.chmod(FOLDER_MODE)
    except OSError as error:
        raise SettingsError(
            f"{folder}: the folder cannot be made ({error.strerror})",
            f"free space, or set {HOME_VARIABLE} to a folder of your own",
        ) from error
    return folder


def _home(part: str) -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser().absolute() / part if home else None


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
