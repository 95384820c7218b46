"""What is wrong with a folder's weights: judged here for everything that loads or walks a model.

`judge_sets` looks at the files, `judge_config` at the numbers of config.json beside the shapes in
the files, before anything of that size is built, `judge_fit` at shapes and kinds of value beside
the module, and `judge_tensor` at the values. Loading, ``quantizer run``, ``eval`` and ``compare``
refuse at the first finding that must be refused; ``quantizer inspect`` names them all.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.files.tensor_files import INDEX_FILE, SINGLE_FILE, Entry, read_pieces

_SCALES = (".scales", ".weight_scale")
_SLACK = 8  # a word holds 8 codes of 4 bits; what is a little too long shows in the shapes
_PIECE = 1 << 20  # values looked at together; their sum needs four bytes each

SHARD = re.compile(r"model-(\d+)-of-(\d+)\.safetensors")
"""What a shard is called."""

# Numbers of config.json that some tensor must be as long as. What only enters the arithmetic,
# such as max_position_embeddings, has no such bound.
_LENGTHS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "ffn_dim",
    "word_embed_proj_dim",
    "num_attention_heads",
    "num_key_value_heads",
    "num_multi_query_heads",
    "head_dim",
    "num_heads",
    "patch_size",
    "in_channels",
)
_LAYERS = "num_hidden_layers"  # every one of them has a tensor of its own
_PARTS = ("vision_config", "text_config")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    file:    where; the folder itself where it concerns no single file.
    tensor:  its name, or "" for the file as a whole.
    text:    what is wrong, after the tensor's name or the file's.
    way_out: what can be done.
    refused: nothing must be computed with it; otherwise it is only named.
    """

    file: Path
    tensor: str
    text: str
    way_out: str
    refused: bool = True

    @property
    def what(self) -> str:
        """Without the file and the way out."""
        return f"{self.tensor} {self.text}" if self.tensor else self.text

    def __str__(self) -> str:
        return f"{self.file}: {self.what}: {self.way_out}"


class Shaped(Protocol):
    """Tensors whose headers were read; `CheckpointReader` is one."""

    @property
    def folder(self) -> Path:
        """Where they come from."""
        ...

    def names(self) -> tuple[str, ...]:
        """Name every tensor."""
        ...

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape without reading it."""
        ...

    def dtype(self, name: str) -> torch.dtype:
        """Return a tensor's dtype without reading it."""
        ...


def refuse(findings: Iterable[Finding]) -> None:
    """Raise for the first finding that must be refused.

    Raises:
        CheckpointError: there is one.
    """
    for finding in findings:
        if finding.refused:
            raise CheckpointError(str(finding))


def judge_sets(folder: Path, named: Mapping[str, str]) -> Iterator[Finding]:
    """Find a second set of weights: which of the two is read differs from program to program.

    named: the file of every tensor by the index; empty where there is no index.
    """
    present = {
        path.name
        for path in folder.glob("model*.safetensors")
        if path.name == SINGLE_FILE or SHARD.fullmatch(path.name)
    }
    used = set(named.values()) if named else {SINGLE_FILE}
    others = sorted(present - used)
    if others and present & used:
        first = INDEX_FILE if named else SINGLE_FILE
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        yield Finding(
            folder,
            "",
            f"holds two sets of weights, that of {first} and {others[0]}{more}",
            "move the one that is not meant out of the folder",
        )


def judge_config(config: Mapping[str, Any], shapes: Shaped) -> Iterator[Finding]:
    """Find numbers of a config.json that no model with these tensors can have.

    Only what is too large is found, whatever the family: it would be built before the shapes
    could be compared. Everything else shows in `judge_fit`.
    """
    file = shapes.folder / "config.json"
    names = shapes.names()
    longest = max((side for name in names for side in shapes.shape(name)), default=0)
    for prefix, part in _parts(config):
        bounds = {key: (longest, _SLACK, "the longest side of any tensor is") for key in _LENGTHS}
        bounds[_LAYERS] = len(names), 1, "the number of tensors is"
        for key, (limit, slack, what) in bounds.items():
            value = part.get(key)
            if isinstance(value, int) and value > slack * limit:
                yield Finding(
                    file,
                    "",
                    f"says {prefix}{key}={_short(value)} but {what} {limit}",
                    "restore the config.json that belongs to these weights",
                )


def judge_fit(
    expected: Mapping[str, Tensor], source: Shaped, names: Iterable[str], *, prefix: str = ""
) -> Iterator[Finding]:
    """Compare tensors of a checkpoint with a module's by their headers alone.

    expected: the module's state dict.
    names:    names in the checkpoint.
    prefix:   what stands before a name of the module, with its dot.
    """
    for name in names:
        wanted = expected.get(name.removeprefix(prefix))
        if wanted is None:
            yield Finding(
                source.folder,
                "",
                f"tensor {name} has no place in the model",
                "weights and config.json do not fit, restore the folder's files",
            )
        elif source.shape(name) != tuple(wanted.shape):
            yield Finding(
                source.folder,
                "",
                f"tensor {name} is {source.shape(name)} in {source.folder} but "
                f"{tuple(wanted.shape)} by config.json",
                "restore the folder's files",
            )
        elif source.dtype(name).is_floating_point != wanted.dtype.is_floating_point:
            kind = "numbers with a fraction" if wanted.is_floating_point() else "whole numbers"
            yield Finding(
                source.folder,
                "",
                f"tensor {name} is {_dtype(source.dtype(name))} where {kind} belong",
                "copy the weights again",
            )


def judge_tensor(file: Path, name: str, pieces: Iterable[Tensor]) -> list[Finding]:
    """Judge the values of one tensor, given in pieces one after the other.

    NaN and infinity are refused; numbers too small for the dtype's full precision are named in
    scales and norms, where one value governs many.
    """
    refused = small = shown = 0
    for piece in pieces:
        if not piece.is_floating_point():
            return []
        if not _all_finite(piece):
            refused += int((~torch.isfinite(piece)).sum())
        if name.endswith(_SCALES) or _is_norm(name):
            small += _denormals(piece)
        shown += piece.numel()
    findings = []
    if refused:
        scales = name.endswith(_SCALES)
        text = "holds a NaN or infinite scale" if scales else "holds NaN or infinity"
        way_out = (
            "quantize this layer again from sound weights"
            if scales
            else "copy the file again, or make these weights again"
        )
        findings.append(Finding(file, name, f"{text} ({refused} of {shown} values)", way_out))
    if small:
        text = f"holds denormal numbers ({small} of {shown} values), which keep few digits"
        findings.append(Finding(file, name, text, "compare the weights with their source", False))
    return findings


def judge_values(
    entries: Mapping[str, Entry], on_tensor: Callable[[str, int, int], None] | None = None
) -> Iterator[Finding]:
    """Judge the values of every tensor, read from the files piece by piece in their order.

    on_tensor: told of every tensor, with how many are done and how many there are.

    Raises:
        CheckpointError: a file cannot be read any more.
    """
    for done, (name, entry) in enumerate(entries.items()):
        if on_tensor is not None:
            on_tensor(name, done, len(entries))
        if entry.dtype.is_floating_point:
            yield from judge_tensor(entry.file, name, read_pieces(name, entry))


def pieces_of(tensor: Tensor) -> Iterator[Tensor]:
    """Cut a tensor that is in memory into flat pieces, copying nothing."""
    flat = tensor.detach().reshape(-1)
    for start in range(0, flat.numel(), _PIECE):
        yield flat[start : start + _PIECE]


def _all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite, mostly by one sum.

    A sum of finite values can overflow, but one with NaN or infinity never comes out finite; so
    only a sum that is not finite asks for a look at every value.
    """
    wide = torch.float64 if values.dtype == torch.float64 else torch.float32
    return math.isfinite(float(values.sum(dtype=wide))) or bool(torch.isfinite(values).all())


def _denormals(values: Tensor) -> int:
    size = values.abs()
    return int(((size > 0) & (size < torch.finfo(values.dtype).smallest_normal)).sum())


def _is_norm(name: str) -> bool:
    owner = name.rpartition(".")[0].rpartition(".")[2]
    return "norm" in owner


def _parts(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", config
    for name in _PARTS:
        part = config.get(name)
        if isinstance(part, Mapping):
            yield f"{name}.", part


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _short(value: int) -> str:
    # Python refuses to write out integers of more than 4,300 digits.
    return str(value) if value.bit_length() < 128 else f"a number of {value.bit_length()} bits"
