"""Result files: one JSON object each, as ``quantizer eval`` writes them."""

import json
from pathlib import Path
from typing import Any

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
        result = json.loads(path.read_text(encoding="utf-8"))
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
