"""The word lists of this folder, read once."""

import functools
from importlib import resources
from typing import Any

from models.files.bounded import parse_toml


@functools.cache
def word_list(name: str) -> dict[str, Any]:
    """What a TOML file beside this one holds."""
    return parse_toml(resources.files("assistant.text").joinpath(name).read_text("utf-8"))
