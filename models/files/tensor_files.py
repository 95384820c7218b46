"""One safetensors file: its header, its tensors, writing it so that it is whole or not there.

Written and read here rather than by the library, because the library maps files into memory, so
that a reader's memory cannot be told, and because its writer cannot tell a full disk from damage.

Format: https://huggingface.co/docs/safetensors/index (an 8-byte little-endian header length,
a JSON header with ``data_offsets`` for every tensor, then the data, without gaps).
"""

import json
import os
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.files.header import (
    HEADER_LIMIT_BYTES,
    DtypeError,
    HeaderError,
    ShortFileError,
    check_header,
)
from models.plain_text import beginning

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
"""What a model folder calls its only weight file, and the list of which shard holds what."""

_COPY_BYTES = 8 * 1024**2
_ALIGNMENT = 8  # of the first tensor, so that its values can be mapped in place

_DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES: Mapping[torch.dtype, str] = {dtype: name for name, dtype in _DTYPES.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one tensor lies.

    start, size: in bytes, from the beginning of the file.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    file: Path
    start: int
    size: int


def read_header(path: Path) -> dict[str, Entry]:
    """Read and check the header of a file; its tensors stay on the disk.

    Raises:
        CheckpointError: the file is missing, cut short or damaged.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # A pipe would be waited for, a device read for ever.
            raise CheckpointError(f"{path} is no ordinary file: copy this shard into its place")
        size_bytes = status.st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else -1
            if not 0 < length <= min(HEADER_LIMIT_BYTES, size_bytes - 8):
                raise _truncated(path, size_bytes)
            text = file.read(length)
        described = check_header(text, size_bytes - 8 - length)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} is missing: copy this shard into the folder again"
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"{path} is damaged ({brief(error)}): copy this file again"
        ) from error
    except DtypeError as error:
        raise CheckpointError(
            f"{error.name} in {path} is of dtype {error.dtype}, which is not supported: "
            "convert it to bfloat16"
        ) from error
    except ShortFileError as error:
        raise _truncated(path, size_bytes, 8 + length + error.expected_bytes) from error
    except HeaderError as error:
        raise CheckpointError(
            f"{path} has a damaged header ({error}): copy this file again"
        ) from error
    data = 8 + length
    return {
        one.name: Entry(one.shape, _DTYPES[one.dtype], path, data + one.start, one.size)
        for one in described
    }


def read_tensor(name: str, entry: Entry) -> Tensor:
    """Read one tensor to the CPU, into memory of its own.

    Raises:
        CheckpointError: the file cannot be read any more.
    """
    buffer = torch.empty(entry.size, dtype=torch.uint8)
    view = buffer.numpy().data
    try:
        with entry.file.open("rb", buffering=0) as file:
            file.seek(entry.start)
            done = 0
            while done < entry.size:
                count = file.readinto(view[done:])
                if not count:
                    raise OSError("the file ends early")
                done += count
    except OSError as error:
        raise CheckpointError(
            f"{name} cannot be read from {entry.file} ({brief(error)}): copy the file again"
        ) from error
    return buffer.view(entry.dtype).reshape(entry.shape)


def read_pieces(name: str, entry: Entry) -> Iterator[Tensor]:
    """Read one tensor as flat pieces of at most 8 MiB, one after the other.

    Raises:
        CheckpointError: the file cannot be read any more.
    """
    try:
        for chunk in _chunks(entry):
            yield torch.frombuffer(bytearray(chunk), dtype=entry.dtype)
    except OSError as error:
        raise CheckpointError(
            f"{name} cannot be read from {entry.file} ({brief(error)}): copy the file again"
        ) from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a file under a temporary name, wait until it is on the disk, then name it.

    Raises:
        OSError: it cannot be written; no part of it stays behind.
    """
    # Wide values first keeps every tensor aligned; names make the order, and the bytes, the
    # same every time.
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    sizes = {name: _bytes_of(tensors[name]) for name in order}
    shapes = {name: (_NAMES[tensors[name].dtype], tuple(tensors[name].shape)) for name in order}

    def write(file: BinaryIO) -> None:
        file.write(_header(sizes, shapes))
        for name in order:
            stored = tensors[name].detach().to("cpu").contiguous().reshape(-1)
            file.write(stored.view(torch.uint8).numpy().data)

    write_whole(path, write)


def copy_tensors(entries: Mapping[str, Entry], path: Path) -> None:
    """Put tensors of other files into one file, without holding them in memory.

    Raises:
        CheckpointError: one of the files cannot be read.
        OSError: the file cannot be written; no part of it stays behind.
    """
    order = sorted(entries, key=lambda name: (-entries[name].dtype.itemsize, name))
    sizes = {name: entries[name].size for name in order}
    shapes = {name: (_NAMES[entries[name].dtype], entries[name].shape) for name in order}

    def write(file: BinaryIO) -> None:
        file.write(_header(sizes, shapes))
        for name in order:
            for chunk in _chunks(entries[name]):
                file.write(chunk)

    write_whole(path, write)


def join_headers(parts: Iterable[Path]) -> dict[str, Entry]:
    """Name every tensor of several files.

    Raises:
        CheckpointError: a part cannot be read, or two have a tensor of the same name.
    """
    entries: dict[str, Entry] = {}
    for part in parts:
        for name, entry in read_header(part).items():
            if name in entries:
                raise CheckpointError(f"tensor {name} is in {entries[name].file} and {part}")
            entries[name] = entry
    return entries


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a file that is either whole and on the disk under its name, or not there.

    Raises:
        OSError: it cannot be written; the temporary file is removed.
    """
    temporary = temporary_of(path)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until new names in a folder are on the disk, where the system can tell."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_of(path: Path) -> Path:
    """A hidden neighbour, so that the final rename stays within one file system."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def brief(error: BaseException) -> str:
    """The first line of an error's message, of a very long one its beginning."""
    return beginning((str(error) or type(error).__name__).splitlines()[0])


def _chunks(entry: Entry) -> Iterator[bytes]:
    with entry.file.open("rb") as file:
        file.seek(entry.start)
        left = entry.size
        while left:
            chunk = file.read(min(left, _COPY_BYTES))
            if not chunk:
                raise CheckpointError(f"{entry.file} ends early: write it again")
            left -= len(chunk)
            yield chunk


def _header(sizes: Mapping[str, int], shapes: Mapping[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """Length and header, padded with spaces as the format allows."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, size in sizes.items():
        dtype, shape = shapes[name]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text


def _bytes_of(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _truncated(path: Path, size_bytes: int, expected_bytes: int | None = None) -> CheckpointError:
    of = f" of {expected_bytes}" if expected_bytes else ""
    return CheckpointError(
        f"{path} is cut short or no safetensors file ({size_bytes}{of} bytes): copy it again"
    )
