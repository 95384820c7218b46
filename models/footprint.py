"""How much memory a model folder takes, by its headers alone, without PyTorch: an upper bound."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from models.files.bounded import read_json
from models.files.header import HEADER_LIMIT_BYTES, Described, check_header

COMPUTE_BYTES = 2
"""Of a floating-point number on the card: bfloat16."""

KERNEL_GROUP_BYTES = 4
"""What PyTorch's int4 kernel keeps for a group besides the file's scale: two bfloat16 numbers."""

WORK_SHARE, LEAST_WORK_BYTES = 0.12, 256 * 2**20
"""For what is computed on the way, as a share of the weights; CogVLM2's tower takes most."""

MOST_CONTEXT = 8192
"""Tokens whose keys and values are counted: no longer text is asked about."""

_SCALES = (".scales", ".weight_scale")
_FLOATS = ("F64", "F32", "F16", "BF16")
_UNNAMED_KV_HEADS = 8  # CogVLM2's config.json leaves them out


def card_bytes(folder: Path) -> int:
    """Bytes of a card's free memory that a model folder takes when it answers.

    Raises:
        OSError, ValueError: a file is missing, or no header and no config.json that can be read.
    """
    tensors = [each for path in folder.glob("*.safetensors") for each in _described(path)]
    weights = weight_bytes(tensors)
    work = max(LEAST_WORK_BYTES, int(WORK_SHARE * weights))
    return weights + work + key_value_bytes(read_json(folder / "config.json"))


def host_bytes(folder: Path) -> int:
    """Bytes of a folder's weight files; the processor needs at least as many.

    Raises:
        OSError: the folder cannot be read.
    """
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def weight_bytes(tensors: Iterable[Described]) -> int:
    """Bytes of a model's tensors on a card."""
    total = 0
    for tensor in tensors:
        count = math.prod(tensor.shape)
        if tensor.name.endswith(_SCALES):
            total += tensor.size + count * KERNEL_GROUP_BYTES
        else:
            total += count * COMPUTE_BYTES if tensor.dtype in _FLOATS else tensor.size
    return total


def key_value_bytes(config: Mapping[str, Any]) -> int:
    """Bytes of the keys and values of a full context; 0 where config.json does not say."""
    part = config.get("text_config")
    numbers = part if isinstance(part, Mapping) else config
    try:
        heads = int(numbers["num_attention_heads"])
        shared = numbers.get("num_key_value_heads") or numbers.get("num_multi_query_heads")
        if shared is None:
            is_cogvlm2 = "vision_config" in config and numbers is config
            shared = _UNNAMED_KV_HEADS if is_cogvlm2 else heads
        width = int(numbers.get("head_dim") or numbers["hidden_size"] // heads)
        context = min(int(numbers["max_position_embeddings"]), MOST_CONTEXT)
        layers = int(numbers["num_hidden_layers"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0
    return 2 * layers * int(shared) * width * context * COMPUTE_BYTES


def _described(path: Path) -> list[Described]:
    """The tensors of one file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(size, HEADER_LIMIT_BYTES):
            raise ValueError(f"{path}: no safetensors file")
        return check_header(file.read(length), size - 8 - length)
