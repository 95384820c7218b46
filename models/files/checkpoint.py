"""Model folders on disk: read tensors one at a time, write shards, describe quantization.

Only safetensors files are read: a pickle can run code when it is opened.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.files.auto_round import as_gptq, is_auto_round
from models.files.judging import judge_tensor, pieces_of, refuse
from models.files.tensor_files import (
    INDEX_FILE,
    SINGLE_FILE,
    Entry,
    read_tensor,
    temporary_of,
    write_tensors,
    write_whole,
)
from models.files.weight_index import PICKLE_SUFFIXES, read_config, read_entries, read_json
from models.int4.packing import STORED_BITS, STORED_WIDTHS
from models.plain_text import beginning

__all__ = [
    "INDEX_FILE",
    "MAX_SHARD_BYTES",
    "PICKLE_SUFFIXES",
    "QUANTIZE_CONFIG_FILE",
    "SINGLE_FILE",
    "CheckpointReader",
    "QuantizationConfig",
    "ShardWriter",
    "check_scales",
    "read_config",
    "read_json",
    "write_json",
]

QUANTIZE_CONFIG_FILE = "quantize_config.json"
MAX_SHARD_BYTES = 2 * 1024**3

_MOST_INPUTS = 2**31  # of a layer; a larger group is no number that tensors count by

_SAMPLE_BYTES = 4096  # of every tensor, to tell one model from another

# The second name is for GPTQModel alone: it refuses an asymmetric v1 file unless gptqmodel 0.9.0
# or later stands here, because the zero-points of older tools overflowed into their neighbours.
# Ours, 1 to 15, cannot.
_WRITERS = ("sightline", "gptqmodel:0.9.0")


@dataclass(frozen=True, slots=True)
class QuantizationConfig:
    """How the linear layers of a checkpoint are quantized (GPTQ's fields).

    bits:          3, 4 or 8.
    group_size:    inputs that share a scale; -1 for one scale a row.
    sym:           every zero-point is 2**(bits - 1).
    desc_act:      False for everything written here: groups are always ``k // group_size``.
    checkpoint_format: gptq (v1), gptq_v2, or pack-quantized for compressed-tensors.
    damp_percent:  share of the mean diagonal of the Hessian that was added to it.
    method:        rtn, gptq, rpiq or what another tool wrote.
    modules:       names of linear layers quantized together, relative to a block.
    meta:          further facts about the run; kept as they are.
    lm_head:       whether the head is quantized, too.
    dynamic:       GPTQModel's exceptions: a pattern of layer names after ``+:`` or nothing, and
                   what differs there; after ``-:`` layers that are not quantized.
    """

    bits: int = 4
    group_size: int = 128
    sym: bool = False
    desc_act: bool = False
    damp_percent: float = 0.01
    method: str = "gptq"
    checkpoint_format: str = "gptq"
    modules: tuple[tuple[str, ...], ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    lm_head: bool = False
    dynamic: Mapping[str, Any] = field(default_factory=dict)

    @property
    def zero_offset(self) -> int:
        """What the file subtracts from zero-points before it stores them."""
        return 1 if self.checkpoint_format == "gptq" else 0

    def layer(self, name: str) -> tuple[int, int]:
        """Return bits and group size of a layer by its full name; the first pattern decides.

        Raises:
            CheckpointError: they are no values that can be read.
        """
        for pattern, changes in self.dynamic.items():
            if not pattern.startswith("-:") and _matches(pattern.removeprefix("+:"), name):
                bits = changes.get("bits", self.bits)
                group_size = changes.get("group_size", self.group_size)
                _check_width(bits, group_size)
                return int(bits), int(group_size)
        return self.bits, self.group_size

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary for config.json and quantize_config.json."""
        return {
            "quant_method": "gptq",
            "bits": self.bits,
            "group_size": self.group_size,
            "desc_act": self.desc_act,
            "sym": self.sym,
            "lm_head": self.lm_head,
            **({"dynamic": dict(self.dynamic)} if self.dynamic else {}),
            "checkpoint_format": self.checkpoint_format,
            "modules_in_block_to_quantize": [list(names) for names in self.modules],
            "meta": {
                "quantizer": list(_WRITERS),
                **self.meta,
                "damp_percent": self.damp_percent,
                "method": self.method,
            },
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "QuantizationConfig":
        """Read such a dictionary, ours or another tool's.

        Raises:
            CheckpointError: a field is missing or says what `Int4Linear` cannot read.
        """
        method = values.get("quant_method", "gptq")
        if is_auto_round(method):
            values = as_gptq(values)
        elif method != "gptq":
            raise CheckpointError(
                f"quantization method {beginning(repr(method))} cannot be read: "
                "use a GPTQ v1 checkpoint"
            )
        try:
            meta = dict(values.get("meta") or {})
            modules = values.get("modules_in_block_to_quantize") or ()
            config = cls(
                bits=int(values["bits"]),
                group_size=int(values["group_size"]),
                sym=bool(values.get("sym", True)),
                desc_act=bool(values.get("desc_act", False)),
                damp_percent=float(meta.pop("damp_percent", values.get("damp_percent", 0.01))),
                method=str(meta.pop("method", "gptq")),
                checkpoint_format=str(
                    values.get("checkpoint_format") or values.get("format") or "gptq"
                ),
                modules=tuple(tuple(str(name) for name in names) for names in modules),
                meta=meta,
                lm_head=bool(values.get("lm_head", False)),
                dynamic={
                    str(pattern): dict(changes)
                    for pattern, changes in dict(values.get("dynamic") or {}).items()
                },
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the quantization config has no usable {error}: restore {QUANTIZE_CONFIG_FILE}"
            ) from error
        _check_readable(config)
        return config


def _check_readable(config: QuantizationConfig) -> None:
    _check_width(config.bits, config.group_size)
    if config.checkpoint_format not in ("gptq", "gptq_v2"):
        raise CheckpointError(
            f"checkpoint format {beginning(repr(config.checkpoint_format))} cannot be read: "
            "export it as GPTQ v1 (checkpoint_format gptq)"
        )


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.match(pattern, name) is not None
    except re.error as error:
        raise CheckpointError(
            f"the pattern {beginning(repr(pattern))} in dynamic cannot be read: "
            f"restore {QUANTIZE_CONFIG_FILE}"
        ) from error


def _check_width(bits: object, group_size: object) -> None:
    sound = isinstance(group_size, int) and (0 < group_size < _MOST_INPUTS or group_size == -1)
    if bits not in STORED_BITS or not sound:
        given = f"{beginning(str(bits))} bits with group size {beginning(str(group_size))}"
        raise CheckpointError(
            f"{given} cannot be read: "
            f"use a checkpoint of {STORED_WIDTHS} bits with a positive group size, or -1 for whole "
            "rows"
        )


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object so that the file is either the old or the new one, never half."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


class CheckpointReader:
    """The tensors of a model folder, read one at a time.

    All headers are read and checked when the reader is made, so a missing or truncated shard
    is found before any work is done on the others.

    Raises:
        ModelFolderError: the folder or its weight files are missing, or it holds only pickles.
        CheckpointError: a shard is missing, cut short, damaged, or lacks a tensor of the index.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries = read_entries(folder)

    def names(self) -> tuple[str, ...]:
        """Name every tensor, in the order of the files."""
        return tuple(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape without reading it.

        Raises:
            CheckpointError: there is no such tensor.
        """
        return self.entry(name).shape

    def dtype(self, name: str) -> torch.dtype:
        """Return a tensor's dtype without reading it.

        Raises:
            CheckpointError: there is no such tensor.
        """
        return self.entry(name).dtype

    def read(self, name: str) -> Tensor:
        """Read one tensor to the CPU.

        Raises:
            CheckpointError: there is no such tensor, or its file cannot be read any more.
        """
        entry = self.entry(name)
        tensor = read_tensor(name, entry)
        if name.endswith(".scales"):
            refuse(judge_tensor(entry.file, name, pieces_of(tensor)))
        return tensor

    def file(self, name: str) -> Path:
        """Tell which file a tensor lies in.

        Raises:
            CheckpointError: there is no such tensor.
        """
        return self.entry(name).file

    def entries(self) -> Mapping[str, Entry]:
        """Tell where every tensor lies, in the order of the files."""
        return self._entries

    def size(self, name: str) -> int:
        """Return a tensor's bytes in its file.

        Raises:
            CheckpointError: there is no such tensor.
        """
        return self.entry(name).size

    def digest(self) -> str:
        """Hash what tells one model from another: every name, shape and dtype, and of every
        tensor the first bytes.

        A hash of all bytes would take minutes for a large model; training changes them all, so
        the first few tell as much.

        Raises:
            CheckpointError: a file cannot be read any more.
        """
        hashed = hashlib.sha256()
        for name in sorted(self._entries):
            entry = self._entries[name]
            hashed.update(f"{name} {entry.dtype} {entry.shape}\n".encode())
            sample = replace(
                entry,
                shape=(min(entry.size, _SAMPLE_BYTES),),
                dtype=torch.uint8,
                size=min(entry.size, _SAMPLE_BYTES),
            )
            hashed.update(read_tensor(name, sample).numpy().tobytes())
        return hashed.hexdigest()

    def entry(self, name: str) -> Entry:
        """Tell where a tensor lies.

        Raises:
            CheckpointError: there is no such tensor.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise CheckpointError(
                f"{self.folder} holds no tensor {name}: the weights belong to another config.json"
            )
        return entry


class ShardWriter:
    """Writes tensors into safetensors files of bounded size and then their index.

    Every file is written under a temporary name and renamed, so a file with a final name is
    always whole. One shard becomes ``model.safetensors`` without an index. A tensor larger
    than the bound gets a shard of its own.
    """

    def __init__(self, folder: Path, max_shard_bytes: int = MAX_SHARD_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.max_shard_bytes = max_shard_bytes
        self._pending: dict[str, Tensor] = {}
        self._pending_bytes = 0
        self._shards: list[tuple[Path, tuple[str, ...]]] = []
        self._total_bytes = 0
        self._seen: set[str] = set()

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def add(self, name: str, tensor: Tensor) -> None:
        """Queue a tensor of any device; a full shard is written at once.

        The tensor is not copied: it must not change before the writer is closed.

        Raises:
            CheckpointError: the name was added before, or quantization scales are unsound.
            OSError: a full shard cannot be written.
        """
        if name in self._seen:
            raise CheckpointError(f"tensor {name} was added twice: give every tensor its own name")
        if name.endswith(".scales"):
            check_scales(name, tensor)
        stored = tensor.detach().to("cpu").contiguous()
        size_bytes = stored.numel() * stored.element_size()
        if self._pending and self._pending_bytes + size_bytes > self.max_shard_bytes:
            self._flush()
        self._seen.add(name)
        self._pending[name] = stored
        self._pending_bytes += size_bytes
        self._total_bytes += size_bytes

    def close(self) -> tuple[Path, ...]:
        """Write what is queued, give the shards their final names, write the index.

        Returns the weight files. Stale weight files of an earlier run are removed.
        """
        self._flush()
        count = len(self._shards)
        weight_map: dict[str, str] = {}
        files = []
        for number, (temporary, names) in enumerate(self._shards, start=1):
            final = SINGLE_FILE if count == 1 else f"model-{number:05d}-of-{count:05d}.safetensors"
            temporary.replace(self.folder / final)
            files.append(self.folder / final)
            weight_map.update(dict.fromkeys(names, final))
        index = self.folder / INDEX_FILE
        if count > 1:
            metadata = {"total_size": self._total_bytes}
            write_json(index, {"metadata": metadata, "weight_map": weight_map})
        else:
            index.unlink(missing_ok=True)
        self._remove_stale(set(files))
        self._shards = []
        return tuple(files)

    def abandon(self) -> None:
        """Remove the temporary files of an unfinished write."""
        for temporary, _ in self._shards:
            temporary.unlink(missing_ok=True)
        self._shards = []
        self._pending = {}

    def _flush(self) -> None:
        if not self._pending:
            return
        number = len(self._shards) + 1
        temporary = temporary_of(self.folder / f"model-{number:05d}.safetensors")
        write_tensors(temporary, self._pending)
        self._shards.append((temporary, tuple(self._pending)))
        self._pending = {}
        self._pending_bytes = 0

    def _remove_stale(self, files: set[Path]) -> None:
        for path in self.folder.glob("model*.safetensors"):
            ours = re.fullmatch(r"model(-\d{5}-of-\d{5})?\.safetensors", path.name)
            if ours and path not in files:
                path.unlink()


def check_scales(name: str, scales: Tensor) -> None:
    """Refuse quantization scales that would poison every product.

    Raises:
        CheckpointError: a value is NaN or infinite.
    """
    if not bool(torch.isfinite(scales).all()):
        raise CheckpointError(
            f"{name} holds a NaN or infinite scale: quantize this layer again from sound weights"
        )
