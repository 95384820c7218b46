"""One safetensors file: what the library reads is what was written, whole or not at all."""

import errno
import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.errors import CheckpointError
from models.files.tensor_files import (
    copy_tensors,
    join_headers,
    read_header,
    read_tensor,
    temporary_of,
    write_tensors,
)


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(6, 8, generator=generator)
    return {
        "a": wide,
        "b.transposed": wide.T,
        "c.half": torch.randn(5, generator=generator).bfloat16(),
        "d.bytes": torch.arange(3, dtype=torch.uint8),
        "e.scalar": torch.tensor(7),
        "f.empty": torch.empty(0, 4),
        "g.bool": torch.tensor([True, False]),
    }


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return set(one) == set(other) and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


def test_the_library_reads_what_is_written_and_the_other_way_round(tmp_path: Path) -> None:
    write_tensors(tmp_path / "ours.safetensors", tensors())
    assert same(load_file(tmp_path / "ours.safetensors"), tensors())
    theirs = tmp_path / "theirs.safetensors"
    save_file({name: value.contiguous() for name, value in tensors().items()}, theirs)
    read = {name: read_tensor(name, entry) for name, entry in read_header(theirs).items()}
    assert same(read, tensors())


def test_every_tensor_starts_where_its_values_can_be_mapped(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", tensors())
    for entry in read_header(tmp_path / "x.safetensors").values():
        assert entry.start % entry.dtype.itemsize == 0


def test_joining_equals_writing_at_once(tmp_path: Path) -> None:
    parts = []
    for index, (name, value) in enumerate(tensors().items()):
        parts.append(tmp_path / f"{index}.safetensors")
        write_tensors(parts[-1], {name: value})
    copy_tensors(join_headers(parts), tmp_path / "joined.safetensors")
    write_tensors(tmp_path / "at once.safetensors", tensors())
    joined, at_once = (tmp_path / f"{name}.safetensors" for name in ("joined", "at once"))
    assert joined.read_bytes() == at_once.read_bytes()
    with pytest.raises(CheckpointError, match=r"tensor a is in .*0\.safetensors and"):
        join_headers([parts[0], parts[0]])


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    """Oracle: a device of the kernel that is always full, as the temporary file."""
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"old": torch.zeros(2)})
    before = path.read_bytes()
    temporary_of(path).symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        write_tensors(path, tensors())
    assert caught.value.errno == errno.ENOSPC
    assert [found.name for found in tmp_path.iterdir()] == ["x.safetensors"]
    assert path.read_bytes() == before


def test_offsets_that_do_not_fit_the_shape_are_damage(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 8)
    with pytest.raises(CheckpointError, match="damaged header"):
        read_header(path)


def test_a_file_cut_short_after_its_header_was_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.zeros(100)})
    entry = read_header(path)["a"]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=r"a cannot be read from .*ends early"):
        read_tensor("a", entry)
