"""A quantized checkpoint of any readable form, presented as the tensors of `Int4Linear`.

What other tools write differs from GPTQ v1 with static groups in four ways. Each is undone
exactly and one tensor at a time, while a folder is loaded:

* GPTQ v2 stores the zero-point itself; the layer is told so and the words stay as they are.
* Groups follow the activations (desc_act): the columns of a group lie anywhere. Sorted by group
  they are ``k // g`` again, so codes are sorted once and inputs at every call.
* compressed-tensors lays the same words out with the other dimension first: a transpose.
* Symmetric compressed-tensors has no zero-points: every one is 2**(bits - 1).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.files import compressed_tensors
from models.files.checkpoint import CheckpointReader, QuantizationConfig
from models.int4.packing import (
    TENSOR_NAMES,
    pack_last,
    require_together,
    require_word_multiple,
    unpack_last,
)
from models.int4.weight import group_count, group_index

_COMPRESSED_PARTS = {
    "qweight": "weight_packed",
    "scales": "weight_scale",
    "qzeros": "weight_zero_point",
}
"""What the presented tensors of a layer are called in compressed-tensors."""


class TensorSource(Protocol):
    """Tensors by name, read one at a time; `CheckpointReader` is one."""

    @property
    def folder(self) -> Path:
        """Where they come from, for messages."""
        ...

    def names(self) -> tuple[str, ...]:
        """Name every tensor."""
        ...

    def __contains__(self, name: object) -> bool: ...

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape without reading it."""
        ...

    def dtype(self, name: str) -> torch.dtype:
        """Return a tensor's dtype without reading it."""
        ...

    def read(self, name: str) -> Tensor:
        """Read one tensor to the CPU."""
        ...


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """One quantized layer of a checkpoint.

    group_size:  inputs that share a scale, never -1.
    zero_offset: what the presented ``qzeros`` lack to the zero-points.
    input_order: (in,) int64, the input of every presented row; None for static groups.
    compressed:  stored as compressed-tensors.
    """

    in_features: int
    out_features: int
    bits: int
    group_size: int
    zero_offset: int
    input_order: Tensor | None
    compressed: bool


class QuantizedSource:
    """Presents every quantized layer as ``qweight``, ``qzeros``, ``scales`` and ``g_idx``.

    Layers whose groups follow the activations have ``input_order`` too. All other tensors are
    passed on.

    Raises:
        CheckpointError: a layer is stored in a way that cannot be read.
    """

    def __init__(self, reader: CheckpointReader, config: QuantizationConfig) -> None:
        self.reader = reader
        compressed = config.checkpoint_format == compressed_tensors.FORMAT
        self._parts = compressed_tensors.TENSOR_NAMES if compressed else TENSOR_NAMES
        suffix = f".{self._parts[0]}"
        stems = [name.removesuffix(suffix) for name in reader.names() if name.endswith(suffix)]
        describe = _compressed_layer if compressed else _gptq_layer
        self.layers = {name: describe(reader, config, name) for name in stems}
        self._names = tuple(self._presented())
        self._known = frozenset(self._names)

    @property
    def folder(self) -> Path:
        """Where the tensors come from."""
        return self.reader.folder

    def names(self) -> tuple[str, ...]:
        """Name every presented tensor."""
        return self._names

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape in which a tensor is presented, without reading it.

        Raises:
            CheckpointError: there is no such tensor.
        """
        stem, part = self._split(name)
        if stem is None:
            return self.reader.shape(name)
        layer = self.layers[stem]
        if part in ("g_idx", "input_order"):
            return (layer.in_features,)
        if not layer.compressed:
            return self.reader.shape(name)
        if part == "qweight":
            rows, columns = self.reader.shape(f"{stem}.weight_packed")
            return columns, rows
        out_features, groups = self.reader.shape(f"{stem}.weight_scale")
        if part == "scales":
            return groups, out_features
        if f"{stem}.weight_zero_point" not in self.reader:
            return groups, out_features * layer.bits // 32
        rows, columns = self.reader.shape(f"{stem}.weight_zero_point")
        return columns, rows

    def dtype(self, name: str) -> torch.dtype:
        """Return the dtype in which a tensor is presented, without reading it.

        Raises:
            CheckpointError: there is no such tensor.
        """
        stem, part = self._split(name)
        if stem is None:
            return self.reader.dtype(name)
        if part in ("g_idx", "input_order"):
            return torch.int64 if part == "input_order" else torch.int32
        if not self.layers[stem].compressed:
            return self.reader.dtype(name)
        stored = f"{stem}.{_COMPRESSED_PARTS[part]}"
        return self.reader.dtype(stored) if stored in self.reader else torch.int32

    def file(self, name: str) -> Path:
        """Tell which file a presented tensor comes from.

        Raises:
            CheckpointError: there is no such tensor.
        """
        stem, part = self._split(name)
        if stem is not None:
            layer = self.layers[stem]
            name = f"{stem}.{_COMPRESSED_PARTS['qweight'] if layer.compressed else 'qweight'}"
        return self.reader.file(name)

    def read(self, name: str) -> Tensor:
        """Read one tensor to the CPU, converted.

        Raises:
            CheckpointError: there is no such tensor, or its file cannot be read.
        """
        stem, part = self._split(name)
        if stem is None:
            return self.reader.read(name)
        layer = self.layers[stem]
        if part == "input_order" and layer.input_order is not None:
            return layer.input_order
        if part == "g_idx":
            return group_index(layer.in_features, layer.group_size).to(torch.int32)
        if layer.compressed:
            return self._read_compressed(stem, part, layer)
        tensor = self.reader.read(name)
        if part == "qweight" and layer.input_order is not None:
            codes = unpack_last(tensor.t(), layer.bits)[:, layer.input_order]
            return pack_last(codes, layer.bits).t().contiguous()
        return tensor

    def _read_compressed(self, stem: str, part: str, layer: StoredLayer) -> Tensor:
        if part == "qweight":
            return self.reader.read(f"{stem}.weight_packed").t().contiguous()
        if part == "scales":
            return self.reader.read(f"{stem}.weight_scale").t().contiguous()
        stored = f"{stem}.weight_zero_point"
        if stored in self.reader:
            return self.reader.read(stored).t().contiguous()
        groups = group_count(layer.in_features, layer.group_size)
        zeros = torch.full((groups, layer.out_features), 2 ** (layer.bits - 1))
        return pack_last(zeros, layer.bits)

    def _split(self, name: str) -> tuple[str | None, str]:
        """Return layer and part of a presented tensor; None for one that is passed on."""
        stem, _, part = name.rpartition(".")
        presented = part in TENSOR_NAMES or part == "input_order"
        return (stem, part) if presented and stem in self.layers else (None, part)

    def _presented(self) -> Iterable[str]:
        for name in self.reader.names():
            stem, _, part = name.rpartition(".")
            if stem not in self.layers or part not in self._parts:
                yield name
        for stem, layer in self.layers.items():
            if layer.compressed:
                yield from (f"{stem}.{part}" for part in TENSOR_NAMES)
            else:
                # What is missing stays missing, so that loading can name it.
                parts = (f"{stem}.{part}" for part in TENSOR_NAMES[:3])
                yield from (name for name in parts if name in self.reader)
                yield f"{stem}.g_idx"
            if layer.input_order is not None:
                yield f"{stem}.input_order"


def find_input_order(g_idx: Tensor, group_size: int) -> Tensor | None:
    """Return the order of inputs, (in,) int64, in which ``g_idx`` becomes ``k // group_size``.

    None if it is so already.

    Raises:
        CheckpointError: no order does that.
    """
    if g_idx.dim() != 1:
        raise CheckpointError(
            f"g_idx is {tuple(g_idx.shape)}, no row of numbers: copy the file again"
        )
    groups = g_idx.to(torch.int64)
    wanted = group_index(groups.numel(), group_size, device=groups.device)
    if torch.equal(groups, wanted):
        return None
    order = torch.argsort(groups, stable=True)
    if not torch.equal(groups[order], wanted):
        raise CheckpointError(
            f"g_idx does not put {group_size} inputs into each group: "
            "check group_size in the quantization config, or copy the file again"
        )
    return order


def _gptq_layer(reader: CheckpointReader, config: QuantizationConfig, name: str) -> StoredLayer:
    bits, group_size = config.layer(name)
    shape = reader.shape(f"{name}.qweight")
    if len(shape) != 2:
        raise CheckpointError(f"{name}.qweight is {shape}, no matrix: copy the file again")
    rows, out_features = shape
    try:
        require_together(rows, bits)
    except CheckpointError as error:
        raise CheckpointError(f"{name}.qweight: {error}") from error
    in_features = rows * 32 // bits
    require_word_multiple(in_features, out_features, bits)
    size = in_features if group_size == -1 else group_size
    order = None
    if f"{name}.g_idx" in reader:
        g_idx = reader.read(f"{name}.g_idx")
        if g_idx.dtype not in (torch.int32, torch.int64):
            raise CheckpointError(
                f"{reader.file(f'{name}.g_idx')}: {name}.g_idx is {g_idx.dtype}, no whole numbers "
                "of 32 bits: copy the file again"
            )
        if g_idx.numel() != in_features:
            raise CheckpointError(
                f"{name}.g_idx names {g_idx.numel()} inputs but qweight holds {in_features} at "
                f"{bits} bits: check bits in the quantization config"
            )
        try:
            order = find_input_order(g_idx, size)
        except CheckpointError as error:
            raise CheckpointError(f"{name}: {error}") from error
    return StoredLayer(in_features, out_features, bits, size, config.zero_offset, order, False)


def _compressed_layer(
    reader: CheckpointReader, config: QuantizationConfig, name: str
) -> StoredLayer:
    bits, group_size = config.bits, config.group_size
    # Empty tensors stand for the large ones, whose values the check does not need.
    parts: dict[str, Tensor] = {}
    for part in compressed_tensors.TENSOR_NAMES:
        full = f"{name}.{part}"
        if full not in reader:
            continue
        if part in ("weight_shape", "weight_scale"):
            parts[part] = reader.read(full)
        else:
            parts[part] = torch.empty(reader.shape(full), dtype=reader.dtype(full), device="meta")
    if f"{name}.weight_g_idx" in reader:
        raise CheckpointError(
            f"{name}: its groups follow the activations (weight_g_idx), which compressed-tensors "
            "has given up: quantize the model again with actorder weight"
        )
    try:
        out_features, in_features = compressed_tensors.check_compressed(
            parts, bits=bits, group_size=group_size
        )
        require_word_multiple(in_features, out_features, bits)
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from error
    size = in_features if group_size == -1 else group_size
    return StoredLayer(in_features, out_features, bits, size, 0, None, True)
