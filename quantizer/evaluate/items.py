"""What a measurement was made on, as digests that a later comparison can check."""

import hashlib
import json
from pathlib import Path
from typing import Any


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
