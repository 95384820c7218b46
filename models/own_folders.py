"""Where this project keeps its files: the system's folders for it, or one that the user names."""

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "SIGHTLINE_HOME"
"""Names one folder that holds all four; for a memory stick, a test, or a second user."""

APPLICATION = "sightline"


def config_folder() -> Path:
    """The folder of the settings file."""
    return _home("config") or platformdirs.user_config_path(APPLICATION, appauthor=False)


def data_folder() -> Path:
    """The folder of models that were pulled and of what the user saved."""
    return _home("data") or platformdirs.user_data_path(APPLICATION, appauthor=False)


def imported_folder(name: str) -> Path:
    """The folder made of a model of the catalog that comes as a GGUF file, there or not."""
    return data_folder() / "imported" / name


def cache_folder() -> Path:
    """The folder of what can be made again."""
    return _home("cache") or platformdirs.user_cache_path(APPLICATION, appauthor=False)


def runtime_folder() -> Path:
    """The folder of what does not outlive the session; in memory where the system has one."""
    return _home("runtime") or platformdirs.user_runtime_path(APPLICATION, appauthor=False)


def _home(part: str) -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser().absolute() / part if home else None
