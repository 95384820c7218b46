"""Writing a GGUF file: fields and tensors, piece by piece, whole or not at all, read back.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3, little endian, which
`models.files.gguf` reads.
"""

import hashlib
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from torch import Tensor

from models.files.gguf import read_gguf
from models.files.tensor_files import write_whole
from quantizer.errors import OutputError

Value = bool | int | float | str | Sequence[int] | Sequence[float] | Sequence[str]
"""Of a field: whole numbers become uint32 (int32 in lists), fractions float32."""

ALIGNMENT = 32
"""Every tensor begins at a multiple of so many bytes; readers assume it where no field says so."""

_VERSION = 3
_READ_BYTES = 8 * 1024**2
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _LIST = 4, 5, 6, 7, 8, 9


@dataclass(frozen=True, slots=True)
class Kind:
    """One of llama.cpp's types; block: how many values share ``size`` bytes."""

    number: int
    block: int
    size: int


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "F32": Kind(0, 1, 4),
        "F16": Kind(1, 1, 2),
        "Q4_0": Kind(2, 32, 18),
        "Q4_1": Kind(3, 32, 20),
        "Q8_0": Kind(8, 32, 34),
    }
)
"""The types that are written, as llama.cpp calls and numbers them."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One tensor to be written.

    shape:  as PyTorch has it, rows first.
    kind:   one of `KINDS`.
    pieces: called once, gives the tensor's bytes in order, as tensors of any shape and dtype.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    pieces: Callable[[], Iterable[Tensor]]

    @property
    def size(self) -> int:
        """Bytes in the file."""
        kind = KINDS[self.kind]
        return math.prod(self.shape) // kind.block * kind.size


def write_gguf(
    path: Path,
    fields: Mapping[str, Value],
    tensors: Sequence[Planned],
    show: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> int:
    """Write a file, read it back, and return its size in bytes.

    show: called with the name of a tensor, how many are done, and how many there are.

    Raises:
        OutputError: what was written does not read back; the file is removed.
        OSError: it cannot be written; what stood at ``path`` stays.
    """
    digest = hashlib.sha256()

    def write(file: BinaryIO) -> None:
        for chunk in _chunks(fields, tensors, show):
            digest.update(chunk)
            file.write(chunk)

    write_whole(path, write)
    try:
        _check(path, digest.hexdigest(), tensors)
    except BaseException:  # also when stopped: nobody knows whether the file is sound
        path.unlink(missing_ok=True)
        raise
    return path.stat().st_size


def size_of(tensors: Iterable[Planned]) -> int:
    """Bytes that tensors take in a file, without its header."""
    return sum(_padded(tensor.size) for tensor in tensors)


def _chunks(
    fields: Mapping[str, Value],
    tensors: Sequence[Planned],
    show: Callable[[str, int, int], None],
) -> Iterator[bytes]:
    header = _header(fields, tensors)
    yield header + bytes(_padded(len(header)) - len(header))
    for done, tensor in enumerate(tensors):
        show(tensor.name, done, len(tensors))
        written = 0
        for piece in tensor.pieces():
            data = piece.contiguous().numpy().tobytes()
            written += len(data)
            yield data
        if written != tensor.size:
            raise OutputError(
                f"{tensor.name}: has {written} bytes and not {tensor.size}; the model changed "
                "while it was read, or its files do not fit"
            )
        yield bytes(_padded(written) - written)


def _header(fields: Mapping[str, Value], tensors: Sequence[Planned]) -> bytes:
    parts = [b"GGUF", struct.pack("<IQQ", _VERSION, len(tensors), len(fields))]
    parts += [_text(key) + _value(value) for key, value in fields.items()]
    offset = 0
    for tensor in tensors:
        dimensions = tensor.shape[::-1]
        form = f"<I{len(dimensions)}QIQ"
        number = KINDS[tensor.kind].number
        parts += [_text(tensor.name)]
        parts += [struct.pack(form, len(dimensions), *dimensions, number, offset)]
        offset += _padded(tensor.size)
    return b"".join(parts)


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    return struct.pack("<I", _LIST) + _list(value)


def _list(values: Sequence[int] | Sequence[float] | Sequence[str]) -> bytes:
    count = len(values)
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) == count:  # of lists that may be empty, all hold texts
        return struct.pack("<IQ", _STRING, count) + b"".join(map(_text, texts))
    if any(isinstance(value, float) for value in values):
        return struct.pack(f"<IQ{count}f", _FLOAT32, count, *values)
    return struct.pack(f"<IQ{count}i", _INT32, count, *values)


def _text(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _check(path: Path, digest: str, tensors: Sequence[Planned]) -> None:
    """Compare a written file with what was meant, by another way to its header."""
    with path.open("rb") as file:
        found = hashlib.sha256()
        while chunk := file.read(_READ_BYTES):
            found.update(chunk)
    wanted = [(tensor.name, tensor.shape, tensor.kind, tensor.size) for tensor in tensors]
    read = read_gguf(path).tensors.values()
    if found.hexdigest() != digest or wanted != [(t.name, t.shape, t.kind, t.size) for t in read]:
        raise OutputError(f"{path}: reads back differently; check the disk")
