"""A model folder, quantized or not, written as one GGUF file."""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.families import (
    Family,
    OpenedFolder,
    build_as_stored,
    check_folder,
    family_of,
    open_weights,
    text_limits,
)
from models.files.checkpoint import CheckpointReader, read_config
from models.files.gguf import SUFFIX, refuse_gguf
from models.files.quantized_source import QuantizedSource, StoredLayer
from models.files.tensor_files import read_pieces
from models.int4.packing import TENSOR_NAMES, stored_zeros, unpack
from models.int4.weight import QuantizedWeight
from models.loading import (
    insert_int4_layers,
    open_source,
    read_quantization_of,
    with_end_marks,
)
from models.text.chat_template import read_chat_template, special_pieces
from quantizer.errors import ExportError, OutputError
from quantizer.exporting.architecture import (
    EMBEDDING,
    FREQUENCY_FACTORS,
    HEAD,
    check_model,
    frequency_factors,
    model_fields,
    new_name,
    row_order,
)
from quantizer.exporting.blocks import BLOCK, block_kind, check_groups, pack_blocks
from quantizer.exporting.tokens import Marks, tokenizer_fields
from quantizer.exporting.writing import KINDS, Planned, Value, write_gguf
from quantizer.solvers.grid import minmax_grid, round_to_nearest

OUTER_KINDS: Mapping[int, str] = {16: "F16", 8: "Q8_0", 4: "Q4_1"}
"""What the embedding and the head become by their bits; 16 leaves them unquantized."""

GGUF = "gguf"
"""What the command line calls a run whose result is written as GGUF, too."""

_FILE_TYPES: Mapping[str, int] = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7}
_LARGEST_HALF = 65504.0
_QUANTIZATION_VERSION = 2
_MOST_HEAD_BYTES = 64 * 1024  # of a model card

Show = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    kinds:      how many tensors are of which of llama.cpp's types.
    part_bytes: of ``layers``, ``embedding`` and ``head``; a head that is the embedding has none.
    notes:      what people must be told.
    """

    family: str
    kinds: Mapping[str, int]
    size_bytes: int
    part_bytes: Mapping[str, int]
    has_template: bool
    notes: tuple[str, ...]


def export_gguf(
    folder: Path,
    path: Path,
    *,
    outer_bits: int = 16,
    show: Show = lambda text, done, total: None,
) -> Exported:
    """Write the GGUF file of a model folder, whole or not at all.

    outer_bits: of the embedding and the head, one of `OUTER_KINDS`; 8 and 4 round to nearest in
        blocks of 32. A head that the folder holds quantized keeps its codes.

    Raises:
        ExportError: the model, its tokenizer or a layer has no form in GGUF.
        OutputError: something is at ``path``, or what was written does not read back.
        ModelsError: the folder cannot be used; see `models.loading.load_model`.
        OSError: the file cannot be written.
    """
    check_path(path)
    opened = _Folder(folder)
    fields, notes = opened.fields()
    tensors = opened.tensors(outer_bits)
    kinds: dict[str, int] = {}
    for tensor in tensors:
        kinds[tensor.kind] = kinds.get(tensor.kind, 0) + 1
    general: dict[str, Value] = {
        "general.architecture": opened.family.name,
        "general.type": "model",
        "general.name": path.stem,
        "general.quantized_by": "sightline",
        "general.quantization_version": _QUANTIZATION_VERSION,
        "general.file_type": _FILE_TYPES[_most(tensors)],
    }
    if licence := _licence(folder):
        general["general.license"] = licence
    size = write_gguf(path, general | fields, tensors, show)
    sizes = {tensor.name: tensor.size for tensor in tensors}
    outer = {"embedding": sizes.pop(EMBEDDING), "head": sizes.pop(HEAD, 0)}
    return Exported(
        opened.family.name,
        kinds,
        size,
        {"layers": sum(sizes.values()), **outer},
        "tokenizer.chat_template" in fields,
        (*opened.notes, *notes),
    )


def check_path(path: Path) -> None:
    """Refuse a path that cannot become a GGUF file, before anything is read.

    Raises:
        OutputError: something is there, its folder is missing, or its name ends otherwise.
    """
    if path.suffix != SUFFIX:
        raise OutputError(f"{path}: does not end with {SUFFIX}, by which programs know such files")
    if path.exists():
        raise OutputError(f"{path}: exists; give a new name")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path.parent}: no such folder; create it")


def check_exportable(folder: Path) -> None:
    """Refuse a model that is to be quantized for GGUF and cannot be written so, by its headers.

    Raises:
        ExportError: see `export_gguf`.
        ModelFolderError: its tokenizer cannot be used.
    """
    _Folder(folder).fields()


def bytes_of(reader: CheckpointReader, quantized: Collection[str], bits: int) -> int:
    """Bytes on the disk that a model's tensors take as GGUF.

    quantized: names of the layers that a run quantizes, to so many bits.
    """
    block = KINDS["Q4_1" if bits <= 4 else "Q8_0"]
    total = 0
    for name in reader.names():
        values = math.prod(reader.shape(name))
        if name.removesuffix(".weight") in quantized:
            total += -(-values // block.block) * block.size
        else:
            total += values * (4 if len(reader.shape(name)) < 2 else 2)
    return total


class _Folder:
    """An opened folder that may be used; no tensor has been read but what its checks look at."""

    def __init__(self, folder: Path) -> None:
        refuse_gguf(folder)
        self.folder = folder
        self.raw = with_end_marks(folder, read_config(folder / "config.json"))
        self.family: Family = family_of(self.raw)
        quantization = read_quantization_of(folder, self.raw.get("quantization_config"))
        self.stored = open_weights(folder, self.family, self.raw)
        module, _, notes = build_as_stored(self.family, self.raw, self.stored.entries())
        self.module, self.notes = module, notes
        self.config: Any = module.config
        check_model(self.family.name, self.config)
        self.source: CheckpointReader | QuantizedSource = open_source(self.stored, quantization)
        self.expected = self.family.expected_names(module)
        self.parameters: Mapping[str, Tensor] = module.state_dict()  # as before layers are packed
        if isinstance(self.source, QuantizedSource):
            insert_int4_layers(self.family, module, self.source)
        opened = OpenedFolder(folder, self.raw, self.family, module, self.source)
        self.tokenizer = check_folder(opened)

    def fields(self) -> tuple[dict[str, Value], list[str]]:
        """All fields but the general ones, and what people must be told of them."""
        vocab_size = text_limits(self.module).vocab_size
        marks = _marks(self.folder, self.raw, self.tokenizer)
        of_tokens, notes = tokenizer_fields(self.tokenizer, marks, vocab_size)
        fields = model_fields(self.family.name, self.config, vocab_size=vocab_size)
        return fields | of_tokens, notes

    def tensors(self, outer_bits: int) -> list[Planned]:
        """Every tensor in the order of the model."""
        planned = []
        for name, parameter in self.parameters.items():
            if name not in self.expected:
                continue
            self._check_shape(name, parameter)
            if self._is_quantized(name):
                planned.append(self._quantized(name))
            elif self._new_name(name) in (EMBEDDING, HEAD) and outer_bits < 16:
                planned.append(self._rounded(name, outer_bits))
            else:
                planned.append(self._plain(name))
        factors = frequency_factors(self.config)
        if factors is not None:
            planned.append(
                Planned(FREQUENCY_FACTORS, tuple(factors.shape), "F32", lambda: [factors])
            )
        return planned

    def _is_quantized(self, name: str) -> bool:
        return name.removesuffix(".weight") in self._layers()

    def _check_shape(self, name: str, parameter: Tensor) -> None:
        """Compare a tensor with config.json, of which llama.cpp's fields are made."""
        layer = self._layers().get(name.removesuffix(".weight"))
        found = (
            self.stored.shape(name) if layer is None else (layer.out_features, layer.in_features)
        )
        if found != tuple(parameter.shape):
            raise CheckpointError(
                f"{name} in {self.folder} has the shape {list(found)}, and config.json asks for "
                f"{list(parameter.shape)}: restore the files that belong together"
            )

    def _quantized(self, name: str) -> Planned:
        stem = name.removesuffix(".weight")
        try:
            kind = self._kind(stem)
        except ExportError as error:
            raise error.at(stem) from error
        layer = self._layers()[stem]

        def pieces() -> Iterator[Tensor]:
            try:
                yield pack_blocks(self._in_order(name, self._weight(stem)), kind)
            except ExportError as error:
                raise error.at(stem) from error

        return Planned(self._new_name(name), (layer.out_features, layer.in_features), kind, pieces)

    def _kind(self, stem: str) -> str:
        layer = self._layers()[stem]
        if layer.input_order is not None:
            raise ExportError(
                "the groups follow the activations (desc_act with g_idx), and GGUF's blocks lie "
                "side by side: quantize the model again with static groups"
            )
        check_groups(layer.in_features, layer.group_size)
        qzeros = self.source.read(f"{stem}.qzeros")
        return block_kind(layer.bits, stored_zeros(qzeros, layer.bits, layer.zero_offset))

    def _new_name(self, name: str) -> str:
        return new_name(self.family.name, name)

    def _layers(self) -> Mapping[str, StoredLayer]:
        return self.source.layers if isinstance(self.source, QuantizedSource) else {}

    def _weight(self, stem: str) -> QuantizedWeight:
        layer = self._layers()[stem]
        parts = {part: self.source.read(f"{stem}.{part}") for part in TENSOR_NAMES}
        return unpack(
            parts, bits=layer.bits, group_size=layer.group_size, zero_offset=layer.zero_offset
        )

    def _in_order(self, name: str, weight: QuantizedWeight) -> QuantizedWeight:
        order = row_order(self.family.name, self.config, name)
        if order is None:
            return weight
        return QuantizedWeight(
            weight.codes[order],
            weight.scale[order],
            weight.zero[order],
            weight.group_size,
            weight.bits,
        )

    def _rounded(self, name: str, bits: int) -> Planned:
        """Rounded to nearest in blocks, piece by piece."""
        shape, kind = self.stored.shape(name), OUTER_KINDS[bits]
        if shape[-1] % BLOCK:
            raise ExportError(
                f"{name}: rows of {shape[-1]} do not divide into GGUF's blocks of {BLOCK}: leave "
                "the embedding at 16 bits"
            )

        def pieces() -> Iterator[Tensor]:
            for piece in self._read_pieces(name):
                rows = piece.float().reshape(-1, BLOCK)
                grid = minmax_grid(rows, bits=bits, group_size=BLOCK, sym=bits == 8)
                yield pack_blocks(round_to_nearest(rows, grid), kind)

        return Planned(self._new_name(name), shape, kind, pieces)

    def _plain(self, name: str) -> Planned:
        """Matrices as F16, vectors as F32, as llama.cpp's converter has them."""
        shape = self.stored.shape(name)
        order = row_order(self.family.name, self.config, name)
        kind = "F16" if len(shape) > 1 and self._fits_half(name) else "F32"
        dtype = torch.float16 if kind == "F16" else torch.float32

        def pieces() -> Iterator[Tensor]:
            if order is not None:
                yield self._finite(name, self.stored.read(name))[order].to(dtype)
                return
            for piece in self._read_pieces(name):
                yield piece.to(dtype)

        return Planned(self._new_name(name), shape, kind, pieces)

    def _fits_half(self, name: str) -> bool:
        """Whether no value is beyond float16; one that is keeps all 32 bits of its tensor."""
        if self.stored.dtype(name) == torch.float16:
            return True
        return all(float(piece.abs().max()) <= _LARGEST_HALF for piece in self._read_pieces(name))

    def _read_pieces(self, name: str) -> Iterator[Tensor]:
        for piece in read_pieces(name, self.stored.entry(name)):
            yield self._finite(name, piece)

    def _finite(self, name: str, values: Tensor) -> Tensor:
        if not bool(torch.isfinite(values).all()):
            raise CheckpointError(
                f"{name} in {self.stored.file(name)} holds NaN or infinity: copy the model again"
            )
        return values


def _marks(folder: Path, config: Mapping[str, Any], tokenizer: Any) -> Marks:
    """What the folder's files say of special pieces; config.json where the others say nothing."""
    pieces = special_pieces(folder)
    ends = config.get("eos_token_id")
    listed = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)

    def piece(name: str) -> str | None:
        index = config.get(f"{name}_token_id")
        stored = tokenizer.id_to_token(index) if isinstance(index, int) and index >= 0 else None
        return pieces.get(f"{name}_token", stored)

    template = read_chat_template(folder)
    return Marks(
        bos=piece("bos"),
        eos=pieces.get("eos_token"),
        unknown=pieces.get("unk_token"),
        pad=piece("pad"),
        ends=tuple(listed),
        template=None if template is None else template.source,
    )


def _most(tensors: Sequence[Planned]) -> str:
    """The type of most of the values."""
    counts: dict[str, int] = {}
    for tensor in tensors:
        values = tensor.size // KINDS[tensor.kind].size * KINDS[tensor.kind].block
        counts[tensor.kind] = counts.get(tensor.kind, 0) + values
    return max(counts, key=lambda kind: counts[kind])


def _licence(folder: Path) -> str | None:
    """What the head of a model card names."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    with card.open("rb") as file:
        text = file.read(_MOST_HEAD_BYTES).decode("utf-8", errors="replace")
    head = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    found = re.search(r"^license: *(\S.*)$", head[1], re.MULTILINE) if head else None
    return found[1].strip() if found else None
