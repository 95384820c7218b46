"""What was reached of one making, in a small file, so that the same command goes on."""

import json
import os
from typing import Any

from assistant.settings.paths import make_private_folder
from models.files.bounded import read_json
from quantizing.errors import NotDone
from quantizing.wanted import Wanted

VERSION = 1
FILE = "state.json"


class State:
    """Named facts, each on the disk when `put` returns."""

    def __init__(self, wanted: Wanted) -> None:
        """Take up what lies in the work folder, which is made.

        Raises:
            NotDone: it is about another model, or cannot be read.
        """
        make_private_folder(wanted.work)
        self._path = wanted.work / FILE
        self._facts: dict[str, Any] = {}
        try:
            found = read_json(self._path)
            if found["version"] != VERSION:
                raise ValueError(f"version is not {VERSION}")
            self._facts = dict(found["facts"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise NotDone(
                f"{self._path}: cannot be read ({error})", "remove that file and begin anew"
            ) from error
        before = self.get("source")
        if before is not None and before != str(wanted.source):
            raise NotDone(f"{wanted.out} is that of {before}", "give another --out")
        self.put("source", str(wanted.source))

    def get(self, name: str) -> Any:
        """A fact, or None."""
        return self._facts.get(name)

    def put(self, name: str, value: Any) -> None:
        """Keep a fact; None forgets it."""
        if self._facts.get(name) == value:
            return
        if value is None:
            self._facts.pop(name, None)
        else:
            self._facts[name] = value
        half = self._path.with_suffix(".tmp")
        with half.open("w", encoding="utf-8") as file:
            json.dump({"version": VERSION, "facts": self._facts}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, self._path)
