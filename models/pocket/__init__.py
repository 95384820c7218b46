"""The embedded default model: a small CogVLM2 trained by this project on drawn pictures."""

from pathlib import Path


def pocket_bf16_folder() -> Path:
    """Folder of the full-precision pocket model."""
    return Path(__file__).parent / "bf16"


def pocket_int4_folder() -> Path:
    """Folder of the 4-bit pocket model, the assistant's default."""
    return Path(__file__).parent / "int4"
