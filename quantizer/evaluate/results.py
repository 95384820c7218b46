"""Result files, one JSON object each as ``quantizer eval`` writes them, and digests of the items
that a result is about, by which a later comparison knows them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.files.bounded import MOST_DATA_BYTES, read_json
from models.plain_text import beginning, escaped
from quantizer.errors import DataError

# Where the values of the single items stand.
_PARTS = ("skills", "categories", "labels")
_LARGEST_LOSS = 700.0  # nats; the exponential of more overflows
_LARGEST = 1e300  # also false of NaN

_PER_ITEM = {
    "perplexity": "losses",
    "sentiment": "answers",
    "pictures": "answers",
    "ocrvqa": "answers",
}


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write a result for `read_result`."""
    text = json.dumps(result, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_result(path: Path) -> dict[str, Any]:
    """Read an earlier result, whole enough to be compared with.

    Raises:
        DataError: the file is missing or no result.
    """
    try:
        result = read_json(path, MOST_DATA_BYTES)
    except FileNotFoundError as error:
        raise DataError(
            lambda name: (
                f"{path}: no such file or folder; give a model folder or an earlier "
                f"{name('json')} file"
            )
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a result ({error}); measure again") from error
    task = result.get("task") if isinstance(result, dict) else None
    each = _PER_ITEM.get(task) if isinstance(task, str) else None
    needed = ("protocol", "value", "interval_95", "items", "seconds", "model", each)
    if each is None or not all(name in result for name in needed) or not _is_sound(result):
        raise DataError(
            lambda name: (
                f"{path}: is no result of quantizer eval; give a file written by {name('json')}"
            )
        )
    # Any of its texts may be shown, and a file may hold any.
    texts = {name: text for name, text in result.items() if isinstance(text, str)}
    shown = {name: beginning(escaped(text)) for name, text in texts.items()}
    found: dict[str, Any] = result | shown
    return found


def _is_sound(result: Mapping[str, Any]) -> bool:
    """Whether every field that is shown or computed with is of the kind that we write."""
    interval = result["interval_95"]
    if not (isinstance(interval, list) and len(interval) == 2 and all(map(_is_number, interval))):
        return False
    if not _is_number(result["value"]) or not _is_number(result["seconds"]):
        return False
    if type(result["items"]) is not int or not isinstance(result["model"], str):
        return False
    if not isinstance(result["protocol"], str):
        return False
    if not all(isinstance(result.get(name, {}), dict) for name in _PARTS):
        return False
    if not all(key.isprintable() for name in _PARTS for key in result.get(name, {})):
        return False
    parts = [part for name in _PARTS for part in result.get(name, {}).values()]
    if not all(isinstance(part, dict) and _is_number(part.get("value")) for part in parts):
        return False
    if not all(type(part.get("items")) is int for part in parts):
        return False
    given = result.get("given", {})
    if not isinstance(given, dict):
        return False
    if not all(type(given.get(label)) is int for label in result.get("labels", {})):
        return False
    if not _is_number(result.get("commonest", 0.0)):
        return False
    if type(result.get("missing_pictures", 0)) is not int:
        return False
    each = result[_PER_ITEM[result["task"]]]
    if not isinstance(each, list) or len(each) != result["items"] or not each:
        return False
    if result["task"] == "perplexity":
        return all(_is_number(loss) and loss < _LARGEST_LOSS for loss in each)
    return all(isinstance(answer, dict) and "right" in answer for answer in each)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < _LARGEST  # type: ignore[arg-type]


def file_digest(*paths: Path) -> str:
    """SHA-256 of files' contents, one after the other; their names do not matter."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def digest_of(items: Any) -> str:
    """SHA-256 of items as JSON: token ids of windows, or questions with their right answers."""
    return hashlib.sha256(json.dumps(items).encode()).hexdigest()
