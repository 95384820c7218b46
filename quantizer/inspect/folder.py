"""Describe a quantized checkpoint, sound or damaged, reading one tensor at a time.

Nothing stops at the first error: what cannot be read is noted and the rest is looked at.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.errors import ModelFolderError, ModelsError
from models.families import TEXT_CHECKS, Family, OpenedFolder, build_as_stored, family_of, problems
from models.files.checkpoint import (
    INDEX_FILE,
    PICKLE_SUFFIXES,
    QUANTIZE_CONFIG_FILE,
    QuantizationConfig,
    read_config,
    read_json,
)
from models.files.compressed_tensors import TENSOR_NAMES as COMPRESSED_NAMES
from models.files.formats import read_quantization
from models.files.function_fields import function_fields
from models.files.gguf import refuse_gguf
from models.files.judging import judge_config, judge_fit, judge_sets, judge_values
from models.files.tensor_files import Entry, read_header, read_tensor
from models.files.weight_index import are_complete, unlisted_shards, without_index
from models.files.wrapped_names import plain_names
from models.files.zero_labels import LABELS, right_label, wrong_label
from models.int4.packing import TENSOR_NAMES as GPTQ_NAMES
from quantizer.inspect.checks import LayerFacts
from quantizer.inspect.layer import inspect_layer
from quantizer.recipes.recipe import SKIP

_LAYER_PARTS = (*GPTQ_NAMES, *COMPRESSED_NAMES, "weight_g_idx")
_COMPARED = (
    "quant_method", "bits", "group_size", "sym", "desc_act", "lm_head", "checkpoint_format",
)  # fmt: skip
_SHOWN_NAMES = 5  # of a longer list

PLAIN = "holds no quantized layer"
"""All that is found in a sound folder of full precision."""

OnProgress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Inspection:
    """What was found in a folder.

    form:        GPTQ v1, GPTQ v2 or compressed-tensors; None if nothing is quantized.
    config:      bits, group_size, sym and desc_act as the folder says; empty if it does not.
    layers:      every quantized layer, in the order of the files.
    unquantized: linear layers that are not; without a known model family, every other matrix.
    suspicious:  about the folder as a whole; each layer has its own.
    size_bytes:  of all tensors.
    indexed:     whether the weight files are called as usual, or an index names them.
    wrapped:     whether tensors have other names than programs look for.
    """

    folder: str
    form: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    layers: list[LayerFacts] = field(default_factory=list)
    unquantized: list[str] = field(default_factory=list)
    suspicious: list[str] = field(default_factory=list)
    size_bytes: int = 0
    indexed: bool = True
    wrapped: bool = False

    def findings(self) -> list[str]:
        """Everything suspicious, the layers' own with their names."""
        return self.suspicious + [
            f"{layer.name}: {text}" for layer in self.layers for text in layer.suspicious
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {**asdict(self), "findings": self.findings()}


def inspect_folder(
    folder: Path, on_progress: OnProgress = lambda text, done, total: None
) -> Inspection:
    """Look at every tensor of a folder.

    Raises:
        ModelFolderError: there is no such folder, or not one tensor in it can be read.
    """
    refuse_gguf(folder)
    if not folder.is_dir():
        raise ModelFolderError(f"{folder} is no folder: give the folder of a checkpoint")
    found = Inspection(str(folder))
    entries = _entries(folder, found.suspicious)
    found.indexed = not unlisted_shards(folder)
    raw, configs = _configs(folder, found.suspicious)
    config = next(iter(configs.values()), None)
    found.size_bytes = sum(entry.size for entry in entries.values())
    parts = _parts(entries)
    found.form = _form(parts, config)
    if config is not None:
        found.config = {
            "bits": config.bits,
            "group_size": config.group_size,
            "sym": config.sym,
            "desc_act": config.desc_act,
        }
    _compare_form(found, config)
    for done, (name, shapes) in enumerate(parts.items()):
        on_progress(name, done, len(parts))
        facts = inspect_layer(name, shapes, _reader(entries, name), config)
        facts.size_bytes = sum(entries[f"{name}.{part}"].size for part in shapes)
        found.layers.append(facts)
    _judge_labels(found, configs)
    plain = [name for name in entries if name.rpartition(".")[0] not in parts]
    _judge_values(entries, found.suspicious)
    _compare_model(found, entries, plain, raw, config)
    return found


def _reader(entries: Mapping[str, Entry], name: str) -> Callable[[str], torch.Tensor]:
    def read(part: str) -> torch.Tensor:
        full = f"{name}.{part}"
        return read_tensor(full, entries[full])

    return read


def _entries(folder: Path, suspicious: list[str]) -> dict[str, Entry]:
    """Read every header that can be read, and compare them with the index."""
    promised = _index(folder, suspicious)
    suspicious += [finding.what for finding in judge_sets(folder, promised)]
    shards = unlisted_shards(folder)
    if shards:
        way_out = "quantizer repair writes it" if are_complete(shards) else "shards are missing too"
        suspicious.append(f"{without_index(shards)}: {way_out}")
    files = {path.name for path in folder.glob("*.safetensors")} | set(promised.values())
    entries: dict[str, Entry] = {}
    broken = set()
    for name in sorted(files):
        try:
            header = read_header(folder / name)
        except ModelsError as error:
            suspicious.append(str(error))
            broken.add(name)
            continue
        twice = sorted(set(header) & set(entries))
        if twice:
            first = entries[twice[0]].file.name
            suspicious.append(f"{name} repeats tensors of another file, {first}: {_list(twice)}")
        entries |= header
    if not entries:
        pickles = [path.name for path in folder.iterdir() if path.suffix in PICKLE_SUFFIXES]
        reason = suspicious[0] if suspicious else "it holds no safetensors file"
        if pickles and not suspicious:
            reason = f"it holds weights only as pickles ({min(pickles)}), which are never opened"
        raise ModelFolderError(f"{folder}: not one tensor can be read; {reason}")
    if promised:
        lost = [n for n, file in promised.items() if n not in entries and file not in broken]
        strange = [name for name in entries if name not in promised]
        if lost:
            suspicious.append(f"{INDEX_FILE} promises tensors that no file has: {_list(lost)}")
        if strange:
            suspicious.append(f"{INDEX_FILE} does not know these tensors: {_list(strange)}")
    return entries


def _index(folder: Path, suspicious: list[str]) -> dict[str, str]:
    """Read the index: the file of every tensor; empty if there is none."""
    path = folder / INDEX_FILE
    if not path.exists():
        return {}
    try:
        promised = read_json(path).get("weight_map")
    except ModelsError as error:
        suspicious.append(str(error))
        return {}
    if not isinstance(promised, dict) or not promised:
        suspicious.append(f"{INDEX_FILE} has no weight_map")
        return {}
    # A shard lies in the folder itself; anything else would read files of others.
    sound = {
        str(name): file
        for name, file in promised.items()
        if isinstance(file, str) and Path(file).name == file and file.endswith(".safetensors")
    }
    if len(sound) < len(promised):
        suspicious.append(f"{INDEX_FILE} names files that are no safetensors files of the folder")
    return sound


def _configs(
    folder: Path, suspicious: list[str]
) -> tuple[dict[str, Any], dict[str, QuantizationConfig]]:
    """Read config.json, and how it and quantize_config.json say that the model is quantized.

    The first of those that can be read, by their files' names, is what the model is read by.
    """
    raw: dict[str, Any] = {}
    found: dict[str, dict[str, Any]] = {}
    try:
        raw = read_config(folder / "config.json")
        inline = raw.get("quantization_config")
        if isinstance(inline, dict):
            found["config.json"] = inline
        elif inline is not None:
            suspicious.append("quantization_config of config.json is no JSON object")
    except ModelsError as error:
        suspicious.append(str(error))
    if (folder / QUANTIZE_CONFIG_FILE).exists():
        try:
            found[QUANTIZE_CONFIG_FILE] = read_config(folder / QUANTIZE_CONFIG_FILE)
        except ModelsError as error:
            suspicious.append(str(error))
    if len(found) == 2:
        first, second = found.values()
        suspicious.extend(
            f"config.json says {key} {first[key]}, {QUANTIZE_CONFIG_FILE} says {second[key]}"
            for key in _COMPARED
            if key in first and key in second and first[key] != second[key]
        )
    configs: dict[str, QuantizationConfig] = {}
    for name, values in found.items():
        try:
            configs[name] = read_quantization(values)
        except ModelsError as error:
            if not configs:
                suspicious.append(f"{name}: {error}")
    return raw, configs


def _parts(entries: Mapping[str, Entry]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes of the tensors of every quantized layer, by layer and part."""
    stems = {name.rpartition(".")[0] for name in entries if name.rpartition(".")[2] in _LAYER_PARTS}
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, entry in entries.items():
        stem, _, part = name.rpartition(".")
        if stem in stems:
            parts.setdefault(stem, {})[part] = entry.shape
    return parts


def _form(parts: Mapping[str, Iterable[str]], config: QuantizationConfig | None) -> str | None:
    stored = {part for names in parts.values() for part in names}
    if not parts:
        return None
    if stored & set(COMPRESSED_NAMES):
        return "compressed-tensors"
    second = config is not None and config.checkpoint_format == "gptq_v2"
    return "GPTQ v2" if second else "GPTQ v1"


def _compare_form(found: Inspection, config: QuantizationConfig | None) -> None:
    if found.form is None:
        said = " although its configuration says so" if config is not None else ""
        found.suspicious.append(f"{PLAIN}{said}")
    elif config is None:
        found.suspicious.append(
            "no configuration that can be read says how the layers are quantized; "
            "what follows is told from shapes, zero-points as in GPTQ v1"
        )
    elif (found.form == "compressed-tensors") != (config.method == "compressed-tensors"):
        said = "compressed-tensors" if config.method == "compressed-tensors" else "GPTQ"
        found.suspicious.append(
            f"tensors are stored as {found.form}, the configuration says {said}"
        )


def _judge_values(entries: Mapping[str, Entry], suspicious: list[str]) -> None:
    """Name tensors with values that must not be, but for scales: their layer tells more."""
    for name, entry in entries.items():
        if name.endswith((".scales", ".weight_scale")):
            continue
        try:
            suspicious += [finding.what for finding in judge_values({name: entry})]
        except ModelsError as error:
            suspicious.append(str(error))


def _judge_labels(found: Inspection, configs: Mapping[str, QuantizationConfig]) -> None:
    """Name zero-points that are not what a configuration calls them."""
    if found.form == "compressed-tensors":
        return
    judged: set[int] = set()
    for name, config in configs.items():
        first, offset = next(iter(configs.values())).zero_offset, config.zero_offset
        if offset in judged or config.checkpoint_format not in LABELS.values():
            continue
        judged.add(offset)
        # Layers were measured by the first configuration, which took its own offset off.
        moved = first - offset
        offsets = [layer.offset + moved for layer in found.layers if layer.offset is not None]
        label = right_label(offsets, offset)
        if label is not None:
            whose = "" if len(judged) == 1 else f"{name}: "
            found.suspicious.append(
                f"{whose}{wrong_label(label)}: quantizer repair writes a copy with the right label"
            )


def _compare_model(
    found: Inspection,
    entries: Mapping[str, Entry],
    plain: Iterable[str],
    raw: Mapping[str, Any],
    config: QuantizationConfig | None,
) -> None:
    """Find linear layers left alone, and tensors that the model lacks or does not know."""
    quantized = {layer.name for layer in found.layers}
    stored = _Headers(Path(found.folder), entries)
    if raw:
        found.suspicious += _texts(found.folder, function_fields(Path(found.folder), raw))
    misfits = list(judge_config(raw, stored))
    found.suspicious += [f"config.json {finding.what}" for finding in misfits]
    built = None if misfits else _build(raw, entries, found.suspicious)
    if built is None:
        matrices = [n for n in plain if n.endswith(".weight") and len(entries[n].shape) == 2]
        found.unquantized = [name.removesuffix(".weight") for name in matrices]
    else:
        family, module, notes = built
        found.suspicious += notes
        names = plain_names(family.expected_names(module), entries)
        if any(name != plain for name, plain in names.items()):
            found.wrapped = True
            first = min(name for name, plain in names.items() if name != plain)
            found.suspicious.append(
                f"calls a tensor {first} where others expect {names[first]}, and so on: quantizer "
                "repair writes a copy with the names that they expect"
            )
        opened = OpenedFolder(Path(found.folder), raw, family, module, stored)
        found.suspicious += problems(opened, TEXT_CHECKS)
        linears = {n for n, part in module.named_modules() if isinstance(part, nn.Linear)}
        expected = family.expected_names(module)
        found.unquantized = sorted(
            name for name in linears - quantized if f"{name}.weight" in entries
        )
        lost = {
            name
            for name in expected
            if name not in entries and name.removesuffix(".weight") not in quantized
        }
        if lost:
            found.suspicious.append(f"lacks {len(lost)} tensors of its model: {_list(lost)}")
        known = set(module.state_dict()) | expected
        fitting = [n for n in plain if n in module.state_dict()]
        misfits = list(judge_fit(module.state_dict(), stored, fitting))
        found.suspicious += [finding.what for finding in misfits]
        strange = [n for n in plain if n not in known and not family.may_ignore(n)]
        strange += sorted(quantized - linears)
        if strange:
            found.suspicious.append(f"holds tensors that its model lacks: {_list(strange)}")
    _judge_unquantized(found, raw, config)


def _texts(folder: str, errors: Iterator[ModelFolderError]) -> Iterator[str]:
    """What errors say, the last of them being that a file cannot be read."""
    try:
        yield from map(str, errors)
    except ModelFolderError as error:
        yield str(error)


@dataclass(frozen=True, slots=True)
class _Headers:
    """What the headers that could be read say; see `models.files.judging.Shaped`."""

    folder: Path
    entries: Mapping[str, Entry]

    def names(self) -> tuple[str, ...]:
        return tuple(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def read(self, name: str) -> torch.Tensor:
        return read_tensor(name, self.entries[name])

    def shape(self, name: str) -> tuple[int, ...]:
        return self.entries[name].shape

    def dtype(self, name: str) -> torch.dtype:
        return self.entries[name].dtype


def _build(
    raw: Mapping[str, Any], entries: Mapping[str, Entry], suspicious: list[str]
) -> tuple[Family, nn.Module, tuple[str, ...]] | None:
    """Build the model without weights; None for a family that is not known here.

    What makes a known family refuse its config.json is suspicious, and None as well.
    """
    try:
        family = family_of(raw)
    except ModelsError:
        return None
    try:
        module, _, notes = build_as_stored(family, raw, entries)
    except ModelsError as error:
        suspicious.append(str(error))
        return None
    return family, module, notes


def _judge_unquantized(
    found: Inspection, raw: Mapping[str, Any], config: QuantizationConfig | None
) -> None:
    kinds: dict[str, int] = defaultdict(int)
    for layer in found.layers:
        kinds[kind_of(layer.name)] += 1
    inline = raw.get("quantization_config")
    ignored = inline.get("ignore") if isinstance(inline, dict) else None
    for name in found.unquantized:
        others = kinds[kind_of(name)]
        listed = isinstance(ignored, list) and name in ignored
        dynamic = config is not None and any(
            pattern.startswith("-:") and _matches(pattern[2:], name) for pattern in config.dynamic
        )
        if others and not listed and not dynamic and not _skipped(config, name):
            found.suspicious.append(f"{name} is not quantized, although {others} of its kind are")
        elif found.form == "compressed-tensors" and isinstance(ignored, list) and not listed:
            found.suspicious.append(
                f"{name} is not quantized, and ignore of config.json does not name it"
            )


def _skipped(config: QuantizationConfig | None, name: str) -> bool:
    """Whether a recipe of ours left a layer as it was, see ``quantizer.recipes.recipe``."""
    recipe = None if config is None else config.meta.get("recipe")
    rules = recipe.get("rules") if isinstance(recipe, dict) else None
    for rule in rules if isinstance(rules, list) else ():
        if isinstance(rule, dict) and fnmatchcase(name, str(rule.get("modules"))):
            return rule.get("method") == SKIP
    return False


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.match(pattern, name) is not None
    except re.error:
        return False


def kind_of(name: str) -> str:
    """Turn the numbers in a layer's name into stars, so that layers of one kind agree."""
    return re.sub(r"(?<=\.)\d+(?=\.)", "*", name)


def _list(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _SHOWN_NAMES
    return ", ".join(ordered[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def as_json(found: Inspection, **more: Any) -> str:
    """The inspection as JSON text, with further fields."""
    return json.dumps(found.to_dict() | more, indent=2, ensure_ascii=False, allow_nan=False)
