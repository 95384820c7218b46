"""Result files, one JSON object each as ``quantizer eval`` writes them, and digests of the items
that a result is about, by which a later comparison knows them."""

import hashlib
import json
from pathlib import Path
from typing import Any

from models.files.bounded import MOST_DATA_BYTES, read_json
from quantizer.errors import DataError

# Where the values of the single items stand.
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
    needed = ("protocol", "value", "interval_95", "items", "model", _PER_ITEM.get(str(task), ""))
    if not all(name in result for name in needed):
        raise DataError(
            lambda name: (
                f"{path}: is no result of quantizer eval; give a file written by {name('json')}"
            )
        )
    found: dict[str, Any] = result
    return found


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
