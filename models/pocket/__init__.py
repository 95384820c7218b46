"""The embedded default model: a small CogVLM2 trained by this project on drawn pictures."""

from pathlib import Path


def POCKET_BF16() -> Path:
    """Folder of the full-precision pocket model."""
    return Path(__file__).parent / "bf16"


def POCKET_INT4() -> Path:
    """Folder of the 4-bit pocket model, the assistant's default."""
    return Path(__file__).parent / "int4"
