"""Settings of a folder that change what its weights compute, and are not computed here.

A rotation, a transform or an adapter is applied beside the stored matrices. A program that reads
the matrices and passes over the setting computes with another model than its users run, and
nothing looks wrong: so such a folder is refused by name.

Sources: transform_config of compressed-tensors (src/compressed_tensors/transform), rotation and
adapter of GPTQModel (gptqmodel/quantization/config.py), adapter_config.json of PEFT, which
Transformers applies on its own where a folder has one (src/transformers/modeling_utils.py).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.errors import ModelFolderError
from models.files.weight_index import read_config
from models.plain_text import beginning

ADAPTER_CONFIG_FILE = "adapter_config.json"

_PART = "quantization_config"
_OWN_FILE = "quantize_config.json"

# What each does to the numbers, and what can be done.
_MERGE = "merge it into the weights with the tool that made it"
_PLAIN = "make the folder again without it"
_FIELDS: Mapping[str, tuple[str, str]] = {
    "transform_config": ("turns activations beside the weights", _PLAIN),
    "rotation": ("rotates activations beside the weights", _PLAIN),
    "rotation_config": ("rotates activations beside the weights", _PLAIN),
    "hadamard": ("rotates activations beside the weights", _PLAIN),
    "adapter": ("adds a product of its own to layers", _MERGE),
    "adapters": ("adds a product of its own to layers", _MERGE),
    "adapter_config": ("adds a product of its own to layers", _MERGE),
    "kv_cache_scheme": ("rounds keys and values while the model runs", _PLAIN),
}
_NOTHING = (None, False, "", "none", "None")


def function_fields(folder: Path, config: Mapping[str, Any]) -> Iterator[ModelFolderError]:
    """Name every setting of a folder that changes what its weights compute.

    config: its config.json.

    Raises:
        ModelFolderError: quantize_config.json cannot be read.
    """
    yield from _of(folder / "config.json", config, "")
    inline = config.get(_PART)
    if isinstance(inline, Mapping):
        yield from _of(folder / "config.json", inline, f"{_PART}.")
    # Of the two files GPTQModel reads this one first.
    if (folder / _OWN_FILE).is_file():
        yield from _of(folder / _OWN_FILE, read_config(folder / _OWN_FILE), "")
    if (folder / ADAPTER_CONFIG_FILE).is_file():
        yield ModelFolderError(
            f"{folder / ADAPTER_CONFIG_FILE}: the folder has an adapter, which Transformers adds "
            f"to the weights and which is not computed here: {_MERGE}, or move its files out of "
            "the folder"
        )


def _of(file: Path, values: Mapping[str, Any], before: str) -> Iterator[ModelFolderError]:
    for field, (effect, way_out) in _FIELDS.items():
        value = values.get(field)
        if _is_set(value):
            yield ModelFolderError(
                f"{file}: {before}{field} {beginning(repr(value))} {effect}, which is not computed "
                f"here: {way_out}"
            )


def _is_set(value: object) -> bool:
    if isinstance(value, Mapping):
        # compressed-tensors always writes the field, with no group in it where nothing is turned.
        return bool(value.get("config_groups", value))
    if isinstance(value, list):
        return bool(value)
    return not any(value is one or value == one for one in _NOTHING)
