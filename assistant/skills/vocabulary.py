"""What other languages print and ask: one TOML file each in `languages`, all of them optional.

English stands in each skill's own file. A language adds labels that stand beside values, and
wordings that ask for a skill, which the router reads by itself; its file holds a table for each
skill that it knows. `typed` is compared with bare words without accents, and written without them:

    [total]
    labels = ["7: zu zahlen; zahlbetrag", "4: summe; gesamt"]
    beside = "der die das euro"
    typed = ["was macht das zusammen", "fallig"]
"""

import functools
from collections.abc import Mapping
from importlib import resources
from typing import Any

from models.files.bounded import parse_toml


@functools.cache
def languages() -> Mapping[str, Mapping[str, Any]]:
    """The tables of each language, by its code of two letters."""
    folder = resources.files("assistant.skills").joinpath("languages")
    return {
        file.name.removesuffix(".toml"): parse_toml(file.read_text("utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }


def _values(skill: str, key: str) -> list[Any]:
    tables = (language.get(skill, {}) for language in languages().values())
    return [table[key] for table in tables if key in table]


def labels(skill: str) -> tuple[tuple[int, str], ...]:
    """(rank, phrases parted by semicolons) of a skill's labels in all languages."""
    entries = [entry for each in _values(skill, "labels") for entry in each]
    split = (entry.partition(":") for entry in entries)
    return tuple((int(rank), phrases) for rank, _, phrases in split)


def beside(skill: str) -> str:
    """Words that may stand beside a skill's labels, in all languages, parted by spaces."""
    return " ".join(str(each) for each in _values(skill, "beside"))


def pattern(skill: str, key: str) -> str:
    """A skill's regular expressions under a key, all languages in one; matches nothing if none."""
    found = [str(each) for each in _values(skill, key)]
    return "|".join(f"(?:{each})" for each in found) or r"(?!)"


def typed(skill: str) -> str:
    """What asks for a skill in other languages, as one regular expression; "" for none."""
    asked = [entry for each in _values(skill, "typed") for entry in each]
    return "|".join(rf"\b(?:{entry})\b" for entry in asked)
