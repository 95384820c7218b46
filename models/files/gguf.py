"""GGUF, the one file that llama.cpp reads: its header, judged before anything of it is believed.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Little endian: the magic, a
version, the numbers of tensors and of fields, the fields, the places of the tensors, padding, then
the tensors themselves. Blocks of quantized weights become numbers by the ``gguf`` package's own
functions; the header is read here, because that package believes every count it meets.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from models.errors import CheckpointError, ModelFolderError
from models.files.bounded import BoundError, open_regular
from models.files.tensor_files import brief

SUFFIX = ".gguf"

MOST_FILE_BYTES = 1 << 43
MOST_HEADER_BYTES = 512 * 1024**2
MOST_FIELDS = 10_000
MOST_TENSORS = 100_000
MOST_VALUES = 16_000_000
"""Of one list; the largest vocabulary has 300,000 pieces."""

LONGEST_NAME = 1000
MOST_DIMENSIONS = 4
PIECE_VALUES = 4 * 1024**2
"""Of a tensor that are turned into numbers at once."""

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS: Mapping[int, struct.Struct] = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_STRING, _LIST = 8, 9
QUANTIZED = frozenset(
    ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL")
)
"""Types of blocks that become numbers here, as llama.cpp calls them."""

_PLAIN: Mapping[str, torch.dtype] = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """Where one tensor lies and how it is written.

    shape: as PyTorch has it, rows first.
    kind:  its type as llama.cpp calls it, such as ``Q4_K``.
    start, size: in bytes, from the beginning of the file.
    row_bytes: of one row, the last dimension.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    start: int
    size: int
    row_bytes: int

    @property
    def rows(self) -> int:
        """How many rows it has; one for a vector."""
        return math.prod(self.shape[:-1])

    @property
    def dtype(self) -> torch.dtype | None:
        """What its values are; None for blocks of quantized weights."""
        return _PLAIN.get(self.kind)


@dataclass(frozen=True, slots=True)
class Gguf:
    """A file whose header was read and judged.

    fields:  numbers, truths, texts, and lists of one of them, by their keys.
    tensors: by the names that llama.cpp gives them, in the file's order.
    """

    path: Path
    fields: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]


def read_gguf(path: Path) -> Gguf:
    """Read and judge the header of a file; its tensors stay on the disk.

    Raises:
        CheckpointError: it is no GGUF file that can be read here, is cut short or damaged, or
            holds weights of a type that nobody here can turn into numbers.
        OSError: it cannot be opened.
    """
    try:
        with open_regular(path, MOST_FILE_BYTES) as file:
            return _Header(path, file).read()
    except BoundError as error:
        raise CheckpointError(f"{path} {error}: give a GGUF file") from error


def is_gguf(path: Path) -> bool:
    """Tell by its first bytes, or where it cannot be opened by its name, whether a file is one."""
    try:
        with open_regular(path, MOST_FILE_BYTES) as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        return False


def refuse_gguf(folder: Path) -> None:
    """Name the way out where a GGUF file, or a folder with nothing else, is given as a model.

    Raises:
        ModelFolderError: it is one.
    """
    held = folder
    if folder.is_dir():
        found = sorted(folder.glob(f"*{SUFFIX}"))
        if not found or (folder / "config.json").exists() or any(folder.glob("*.safetensors")):
            return
        held = found[0]
    if is_gguf(held) or (held.suffix == SUFFIX and held.is_file()):
        raise ModelFolderError(
            f"{held} is a GGUF file: make a model folder of it with quantizer import {held} FOLDER"
        )


def read_pieces(path: Path, tensor: GgufTensor) -> Iterator[Tensor]:
    """Yield a tensor as pieces of whole rows, (rows, columns); float32 where it is quantized.

    Raises:
        CheckpointError: the file cannot be read any more, or holds NaN or infinity.
    """
    from gguf.quants import dequantize

    rows_at_once = max(1, PIECE_VALUES // tensor.shape[-1])
    try:
        with path.open("rb") as file:
            file.seek(tensor.start)
            for first in range(0, tensor.rows, rows_at_once):
                rows = min(rows_at_once, tensor.rows - first)
                data = file.read(rows * tensor.row_bytes)
                if len(data) < rows * tensor.row_bytes:
                    raise OSError("the file ends early")
                raw = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(rows, -1)
                if tensor.dtype is not None:
                    piece = raw.view(tensor.dtype)
                else:
                    piece = torch.from_numpy(dequantize(raw.numpy(), _type_of(tensor.kind)))
                if not bool(torch.isfinite(piece).all()):
                    raise CheckpointError(
                        f"{tensor.name} in {path} holds NaN or infinity: copy the file again"
                    )
                yield piece
    except OSError as error:
        raise CheckpointError(
            f"{tensor.name} cannot be read from {path} ({brief(error)}): copy the file again"
        ) from error


def _type_of(kind: str) -> Any:
    from gguf.constants import GGMLQuantizationType

    return GGMLQuantizationType[kind]


class _Header:
    """One pass over a header, counting what is left of the file."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        file.seek(0, 2)
        self._size = file.tell()
        file.seek(0)
        self._at = 0

    def read(self) -> Gguf:
        if self._take(4, "magic") != _MAGIC:
            raise CheckpointError(
                f"{self._path} is no GGUF file: give one, or a model folder to quantizer run"
            )
        self._check_version(self._number(4))
        tensors, fields = self._number(8), self._number(8)
        if fields > MOST_FIELDS or tensors > MOST_TENSORS:
            raise self._damaged(f"it claims {fields} fields and {tensors} tensors")
        found: dict[str, Any] = {}
        for _ in range(fields):
            key = self._text(LONGEST_NAME)
            if key in found:
                raise self._damaged(f"the field {key} stands there twice")
            found[key] = self._value(self._number(4), key)
        if found.get("split.count", 1) not in (0, 1):
            raise CheckpointError(
                f"{self._path} is one of {found['split.count']} parts: join them with llama.cpp's "
                "llama-gguf-split --merge, and give the whole file"
            )
        described = [self._described() for _ in range(tensors)]
        return Gguf(self._path, found, self._placed(described, found))

    def _check_version(self, version: int) -> None:
        if version in _VERSIONS:
            return
        if version.to_bytes(4, "little") in [known.to_bytes(4, "big") for known in _VERSIONS]:
            raise CheckpointError(
                f"{self._path} is a GGUF file for big-endian machines: get the usual one"
            )
        raise CheckpointError(
            f"{self._path} is a GGUF file of version {version}, and 2 and 3 can be read: write it "
            "again with a llama.cpp of today"
        )

    def _value(self, kind: int, key: str) -> Any:
        if kind == _STRING:
            return self._text(MOST_HEADER_BYTES)
        if kind != _LIST:
            return self._scalar(kind, key)
        of, count = self._number(4), self._number(8)
        if count > MOST_VALUES:
            raise self._damaged(f"{key} claims {count} values")
        if of == _STRING:
            return [self._text(MOST_HEADER_BYTES) for _ in range(count)]
        if of not in _SCALARS:
            raise self._damaged(f"{key} is a list of an unknown type {of}")
        form = _SCALARS[of]
        data = self._take(form.size * count, key)
        return [value for (value,) in form.iter_unpack(data)]

    def _scalar(self, kind: int, key: str) -> Any:
        form = _SCALARS.get(kind)
        if form is None:
            raise self._damaged(f"{key} has an unknown type {kind}")
        value = form.unpack(self._take(form.size, key))[0]
        if isinstance(value, float) and not math.isfinite(value):
            raise self._damaged(f"{key} is {value}")
        return value

    def _described(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape, number of its type, and place behind the header of the next tensor."""
        name = self._text(LONGEST_NAME)
        dimensions = self._number(4)
        if not 0 < dimensions <= MOST_DIMENSIONS:
            raise self._damaged(f"{name} has {dimensions} dimensions")
        shape = tuple(self._number(8) for _ in range(dimensions))[::-1]
        if min(shape) < 1 or math.prod(shape) > MOST_FILE_BYTES:
            raise self._damaged(f"{name} has the shape {list(shape)}")
        return name, shape, self._number(4), self._number(8)

    def _placed(
        self, described: list[tuple[str, tuple[int, ...], int, int]], fields: Mapping[str, Any]
    ) -> dict[str, GgufTensor]:
        alignment = fields.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise self._damaged(f"general.alignment is {alignment}")
        data = -(-self._at // alignment) * alignment
        found: dict[str, GgufTensor] = {}
        for name, shape, number, offset in described:
            if name in found:
                raise self._damaged(f"the tensor {name} stands there twice")
            kind, block, block_bytes = self._type(name, number)
            if shape[-1] % block:
                raise self._damaged(f"{name} has rows of {shape[-1]}, no multiple of {block}")
            row_bytes = shape[-1] // block * block_bytes
            size = math.prod(shape[:-1]) * row_bytes
            if offset % alignment:
                raise self._damaged(f"{name} does not begin at a multiple of {alignment}")
            if data + offset + size > self._size:
                raise self._short(data + offset + size)
            found[name] = GgufTensor(name, shape, kind, data + offset, size, row_bytes)
        end = 0
        for tensor in sorted(found.values(), key=lambda each: each.start):
            if tensor.start < end:
                raise self._damaged(f"{tensor.name} shares bytes with another tensor")
            end = tensor.start + tensor.size
        return found

    def _type(self, name: str, number: int) -> tuple[str, int, int]:
        """What a type is called, and the values and bytes of one of its blocks."""
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        try:
            kind = GGMLQuantizationType(number)
        except ValueError:
            called, is_known = f"number {number}", False
        else:
            called, is_known = kind.name, kind.name in _PLAIN or kind.name in QUANTIZED
        if not is_known:
            raise CheckpointError(
                f"{name} in {self._path} is of the type {called}, which cannot be turned into "
                "numbers here: get the model as F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K or Q6_K"
            )
        block, block_bytes = GGML_QUANT_SIZES[kind]
        return called, int(block), int(block_bytes)

    def _text(self, most: int) -> str:
        length = self._number(8)
        if length > most:
            raise self._damaged(f"it holds a text of {length} bytes")
        try:
            return self._take(length, "a text").decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._damaged("it holds a text that is not UTF-8") from error

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size, "a number"), "little")

    def _take(self, count: int, what: str) -> bytes:
        if count > self._size - self._at:
            raise self._short(self._at + count)
        if self._at + count > MOST_HEADER_BYTES:
            raise self._damaged(f"its header is longer than {MOST_HEADER_BYTES} bytes at {what}")
        self._at += count
        return self._file.read(count)

    def _short(self, expected_bytes: int) -> CheckpointError:
        return CheckpointError(
            f"{self._path} is cut short ({self._size} of at least {expected_bytes} bytes): copy it "
            "again"
        )

    def _damaged(self, why: str) -> CheckpointError:
        return CheckpointError(f"{self._path} has a damaged header ({why}): copy the file again")
