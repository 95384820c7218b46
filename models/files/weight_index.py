"""Which weight file of a model folder holds which tensor, and JSON files beside it.

Only safetensors files are read: a pickle can run code when it is opened.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.errors import CheckpointError, ModelFolderError
from models.files import bounded
from models.files.gguf import refuse_gguf
from models.files.judging import SHARD, judge_sets, refuse
from models.files.tensor_files import INDEX_FILE, SINGLE_FILE, Entry, brief, read_header
from models.plain_text import beginning

ADAPTER_FILE = "adapter_model.safetensors"
"""What PEFT calls the weights of an adapter, which are those of no model."""

_MAKERS_OWN = "consolidated"
_LONGEST_NAME = 255  # bytes, on every usual file system

PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ModelFolderError: the file is missing, unreadable or no JSON object.
    """
    try:
        value = bounded.read_json(path)
    except FileNotFoundError as error:
        raise ModelFolderError(
            f"{path} is missing: give a model folder with all its files"
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(value, dict):
        raise ModelFolderError(f"{path} holds no JSON object: copy it again")
    return value


def read_config(path: Path) -> dict[str, Any]:
    """Read a JSON object of settings, none of which is a long text.

    Raises:
        ModelFolderError: as `read_json`; or a text in it is longer than any setting.
    """
    value = read_json(path)
    try:
        bounded.refuse_long_texts(value)
    except bounded.BoundError as error:
        raise _unreadable(path, error) from error
    return value


def _unreadable(path: Path, error: Exception) -> ModelFolderError:
    return ModelFolderError(f"{path} cannot be read ({brief(error)}): copy it again")


def read_entries(folder: Path) -> dict[str, Entry]:
    """Find every tensor of a folder, by its index or in its only weight file.

    Raises:
        ModelFolderError: the folder or its weight files are missing, or it holds only pickles.
        CheckpointError: a shard is missing, cut short, damaged, or lacks a tensor of the index;
            or the folder holds two sets of weights.
    """
    refuse_gguf(folder)
    if not folder.is_dir():
        raise ModelFolderError(f"{folder} is no folder: give the folder of a model")
    index = folder / INDEX_FILE
    if index.is_file():
        return _read_indexed(folder, index)
    single = folder / SINGLE_FILE
    if single.is_file():
        refuse(judge_sets(folder, {}))
        entries = read_header(single)
        refuse_second_set(folder, {SINGLE_FILE}, entries)
        return entries
    shards = unlisted_shards(folder)
    if shards and not are_complete(shards):
        raise ModelFolderError(
            f"{folder} {without_index(shards)}, and shards are missing too: copy the folder again"
        )
    if shards:
        raise ModelFolderError(
            f"{folder} {without_index(shards)}: copy it from the model's source, or let quantizer "
            f"repair {folder} OUT write it"
        )
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLE_SUFFIXES)
    if pickles:
        raise ModelFolderError(
            f"{folder} holds weights only as pickles ({pickles[0]}), which can run code when "
            "opened: convert them to safetensors, for a language model with transformers' "
            "AutoModelForCausalLM.from_pretrained and save_pretrained"
        )
    raise ModelFolderError(
        f"{folder} holds neither {SINGLE_FILE} nor {INDEX_FILE}: give a complete model folder"
    )


def unlisted_shards(folder: Path) -> list[Path]:
    """The weight files of a folder that has neither an index nor the one usual file.

    Those that are numbered as shards, where there are some: what else is there is none of them. An
    adapter's file is none either, because it holds no model.
    """
    if (folder / INDEX_FILE).exists() or (folder / SINGLE_FILE).exists():
        return []
    found = sorted(path for path in folder.glob("*.safetensors") if path.name != ADAPTER_FILE)
    return [path for path in found if SHARD.fullmatch(path.name)] or found


def are_complete(shards: Sequence[Path]) -> bool:
    """Whether no shard is missing, by the count in their names where they have one."""
    found = [SHARD.fullmatch(path.name) for path in shards]
    if not any(found):
        return True
    counts = {int(match[2]) for match in found if match}
    numbers = [int(match[1]) for match in found if match]
    return all(found) and counts == {len(shards)} and numbers == list(range(1, len(shards) + 1))


def without_index(shards: Sequence[Path]) -> str:
    """Say of a folder that it has weight files and nothing that names them."""
    files = f"the weight file {shards[0].name}" if len(shards) == 1 else f"{len(shards)} shards"
    return f"holds {files} but no {INDEX_FILE}, by which programs find them"


def refuse_second_set(folder: Path, used: Collection[str], names: Collection[str]) -> None:
    """Refuse weights under any other file name that repeat tensors of those that are read.

    A file that cannot be read is taken by nobody for the model, and ``consolidated`` is the form
    of its makers that some publish beside the usual files; Transformers passes over both.

    Raises:
        CheckpointError: there are such weights.
    """
    known = set(names)
    for path in other_weights(folder, used):
        try:
            repeated = known.intersection(read_header(path))
        except CheckpointError:
            continue
        if repeated:
            raise CheckpointError(
                f"{folder} holds two sets of weights: {path.name} repeats {len(repeated)} tensors, "
                f"such as {beginning(min(repeated))}: move the one that is not meant out of the "
                "folder"
            )


def other_weights(folder: Path, used: Collection[str]) -> list[Path]:
    """Weight files beside those that are used, but for those that are another form of them."""
    return [
        path
        for path in sorted(folder.glob("*.safetensors"))
        if path.name not in used and not path.name.startswith(_MAKERS_OWN)
    ]


def _read_indexed(folder: Path, index: Path) -> dict[str, Entry]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index} has no weight_map: copy it again")
    _require_shards(folder, weight_map.values())
    refuse(judge_sets(folder, weight_map))
    headers: dict[str, dict[str, Entry]] = {}
    entries = {}
    for name, file in weight_map.items():
        if file not in headers:
            headers[file] = read_header(folder / file)
        if name not in headers[file]:
            raise CheckpointError(
                f"{folder / file} lacks the tensor {name} that {INDEX_FILE} promises: "
                "copy the shard and the index from the same source"
            )
        entries[name] = headers[file][name]
    _refuse_unlisted(folder, weight_map, headers)
    refuse_second_set(folder, set(headers), entries)
    return entries


def _refuse_unlisted(
    folder: Path, weight_map: Mapping[str, str], headers: Mapping[str, Iterable[str]]
) -> None:
    """Refuse tensors of a shard that the index gives to another shard, or to none.

    Others read whole shards, and would compute with these.
    """
    for file, names in headers.items():
        for name in names:
            if weight_map.get(name) != file:
                place = f"gives to {weight_map[name]}" if name in weight_map else "does not know"
                raise CheckpointError(
                    f"{folder / file} holds the tensor {name}, which {INDEX_FILE} {place}: "
                    "copy the shard and the index from the same source"
                )


def _require_shards(folder: Path, files: Iterable[object]) -> None:
    """Refuse shards that must not be opened, and name all that are missing at once."""
    shards = set()
    for file in files:
        # A shard lies in the folder itself; anything else would read files of others.
        if not isinstance(file, str) or Path(file).name != file:
            raise CheckpointError(
                f"{folder / INDEX_FILE} names the shard {beginning(repr(file))} outside its "
                "folder: copy the index from the model's source again"
            )
        if len(os.fsencode(file)) > _LONGEST_NAME:
            raise CheckpointError(
                f"{folder / INDEX_FILE} names the shard {beginning(repr(file))}, and no file can "
                "have that name: copy the index from the model's source again"
            )
        if Path(file).suffix in PICKLE_SUFFIXES:
            raise CheckpointError(
                f"{folder / file} is a pickle, which can run code when opened: "
                "convert it to safetensors, or get the model's safetensors files"
            )
        shards.add(file)
    missing = sorted(file for file in shards if not (folder / file).is_file())
    if len(missing) == 1:
        raise CheckpointError(
            f"{folder / missing[0]} is missing, one of {len(shards)} shards: copy this shard into "
            "the folder again"
        )
    if missing:
        raise CheckpointError(
            f"{folder} lacks {len(missing)} of {len(shards)} shards: copy {', '.join(missing)} "
            "into the folder again"
        )
