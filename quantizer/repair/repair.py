"""Write a copy of a model folder in which what can be set right is set right.

What can be told from the weights alone: under which names others expect them, which file holds
which, whether the head is the embedding, and which version of GPTQ the zero-points are stored in.
No value of any tensor is changed, and nothing in the folder itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import CheckpointError, ModelFolderError, ModelsError
from models.families import build_as_stored, family_of
from models.files.checkpoint import (
    INDEX_FILE,
    QUANTIZE_CONFIG_FILE,
    SINGLE_FILE,
    CheckpointReader,
    read_config,
    write_json,
)
from models.files.formats import read_quantization
from models.files.gguf import refuse_gguf
from models.files.judging import SHARD, judge_config, refuse
from models.files.quantized_source import QuantizedSource
from models.files.tensor_files import Entry, copy_tensors, join_headers
from models.files.weight_index import (
    ADAPTER_FILE,
    are_complete,
    other_weights,
    read_entries,
    refuse_second_set,
    unlisted_shards,
)
from models.files.wrapped_names import plain_names
from models.files.zero_labels import LABELS, right_label, sampled_offsets
from quantizer.errors import OutputError
from quantizer.run.output import atomic_folder, copy_small_files
from quantizer.run.progress import write_index

OnProgress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Repaired:
    """What was set right, one sentence each; empty where there was nothing and nothing written."""

    folder: str
    out: str
    done: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Copy:
    """What the copy will hold. tensors: by the names that they get; config, packed: as read."""

    tensors: dict[str, Entry]
    config: dict[str, Any]
    packed: dict[str, Any] | None
    done: list[str]


def repair(
    folder: Path, out: Path, on_progress: OnProgress = lambda text, done, total: None
) -> Repaired:
    """Write a repaired copy; where there is nothing to repair, nothing is written.

    Raises:
        ModelFolderError, CheckpointError: the folder cannot be read even so: a shard or
            config.json is missing or damaged, or the family is not known.
        OutputError: ``out`` is in the folder, or holds files that are not ours.
    """
    refuse_gguf(folder)
    if not folder.is_dir():
        raise ModelFolderError(f"{folder} is no folder: give the folder of a model")
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise OutputError(f"{out}: lies in the folder that it is a copy of; give another place")
    copy = _planned(folder)
    if copy.done:
        with atomic_folder(out) as target:
            _write(copy, target, on_progress)
            copy_small_files(folder, target)
    return Repaired(str(folder), str(out), copy.done)


def _planned(folder: Path) -> _Copy:
    config = read_config(folder / "config.json")
    path = folder / QUANTIZE_CONFIG_FILE
    packed = read_config(path) if path.is_file() else None
    entries, done = _entries(folder)
    # Before anything of the size that config.json asks for is built.
    refuse(judge_config(config, _Renamed(folder, entries)))
    family = family_of(config)
    names = plain_names(family.expected_names(family.build(config)), entries)
    changed = sorted(name for name, plain in names.items() if name != plain)
    if changed:
        entries = {names[name]: entry for name, entry in entries.items()}
        done.append(
            f"{len(changed)} tensors have the names that others expect: {changed[0]} is "
            f"{names[changed[0]]}, and so on"
        )
    _, untied, notes = build_as_stored(family, config, entries)
    if notes:
        done.append(
            "tie_word_embeddings of config.json is false: lm_head.weight is stored with values of "
            "its own"
        )
    copy = _Copy(entries, untied, packed, done)
    _set_label(copy, folder)
    return copy


def _entries(folder: Path) -> tuple[dict[str, Entry], list[str]]:
    """Find every tensor, by the index or, where that is missing or wrong, in all shards."""
    try:
        return read_entries(folder), []
    except ModelsError:
        shards = unlisted_shards(folder)
        if not shards and (folder / INDEX_FILE).exists():
            shards = sorted(p for p in folder.glob("*.safetensors") if SHARD.fullmatch(p.name))
        if not shards or not are_complete(shards):
            raise
    entries = join_headers(shards)
    # Nothing may be left out of the copy: neither another set of weights nor a part of this one.
    used = {path.name for path in shards}
    refuse_second_set(folder, used, entries)
    left_out = [path for path in other_weights(folder, used) if path.name != ADAPTER_FILE]
    if left_out:
        raise CheckpointError(
            f"{folder} holds {left_out[0].name} beside its shards, and nothing says whether it is "
            f"one of them: copy {INDEX_FILE} from the model's source, or move it out of the folder"
        )
    if len(shards) == 1:
        return entries, [f"{shards[0].name} is called {SINGLE_FILE}"]
    return entries, [f"{INDEX_FILE} names the {len(entries)} tensors of {len(shards)} shards"]


def _set_label(copy: _Copy, folder: Path) -> None:
    """Let both configurations say in which version of GPTQ the zero-points are stored.

    Programs differ in which of the two they read first, so each is judged by the codes on its own.
    """
    inline = copy.config.get("quantization_config")
    label, whose = None, "checkpoint_format"
    if isinstance(inline, dict):
        label = _right_label(copy, folder, inline)
        if label is not None:
            changed = inline | {"checkpoint_format": label}
            copy.config = copy.config | {"quantization_config": changed}
    if label is None and copy.packed is not None:
        whose = f"checkpoint_format of {QUANTIZE_CONFIG_FILE}"
        try:
            label = _right_label(copy, folder, copy.packed)
        except CheckpointError:
            if not isinstance(inline, dict):  # which else is what the weights are read by
                raise
    if label is None:
        return
    if copy.packed is not None:
        copy.packed = copy.packed | {"checkpoint_format": label}
    copy.done.append(f"{whose} is {label}, in which the zero-points are stored")


def _right_label(copy: _Copy, folder: Path, said: Mapping[str, Any]) -> str | None:
    """What one configuration must call the version; None where it is right or none can tell."""
    config = read_quantization(said)
    if config.checkpoint_format not in LABELS.values():
        return None
    offsets = sampled_offsets(QuantizedSource(_Renamed(folder, copy.tensors), config))
    return right_label(offsets, config.zero_offset)


class _Renamed(CheckpointReader):
    """The tensors that a copy will hold, read from where they are now."""

    def __init__(self, folder: Path, entries: Mapping[str, Entry]) -> None:
        self.folder = folder
        self._entries = dict(entries)


def _write(copy: _Copy, target: Path, on_progress: OnProgress) -> None:
    """Write the tensors file by file, as they were divided, with the index that belongs to them."""
    files: dict[Path, dict[str, Entry]] = {}
    for name, entry in copy.tensors.items():
        files.setdefault(entry.file, {})[name] = entry
    weight_map: dict[str, str] = {}
    for number, (file, entries) in enumerate(sorted(files.items()), start=1):
        on_progress(file.name, number - 1, len(files))
        name = SINGLE_FILE
        if len(files) > 1:
            name = f"model-{number:05d}-of-{len(files):05d}.safetensors"
        copy_tensors(entries, target / name)
        weight_map |= dict.fromkeys(entries, name)
    if len(files) > 1:
        write_index(target, weight_map, sum(entry.size for entry in copy.tensors.values()))
    write_json(target / "config.json", copy.config)
    if copy.packed is not None:
        write_json(target / QUANTIZE_CONFIG_FILE, copy.packed)
    if {*weight_map} != set(join_headers(target.glob("*.safetensors"))):
        raise CheckpointError(f"{target}: tensors were lost while writing: check the disk")
