"""Headers of safetensors files: nothing that the library refuses is believed.

Oracle: ``safetensors.safe_open``, which shares no code with `models.files.header`.
"""

import json
import struct
from pathlib import Path

import pytest
from safetensors import SafetensorError, safe_open

from models.errors import CheckpointError
from models.files.tensor_files import read_header
from tests.faults.headers import mutant


def library_accepts(path: Path) -> bool:
    try:
        with safe_open(str(path), framework="pt") as file:
            file.keys()
    except (SafetensorError, OSError, OverflowError, ValueError, TypeError, RuntimeError):
        return False
    return True


def compared(folder: Path, seeds: range) -> dict[str, int]:
    """Read every mutant by both; fails at once where only ours accepts it."""
    path = folder / "x.safetensors"
    counts = {"both accept": 0, "both refuse": 0, "ours alone refuses": 0}
    for seed in seeds:
        path.write_bytes(mutant(seed))
        try:
            entries = read_header(path)
        except CheckpointError as error:
            assert "\n" not in str(error) and str(path) in str(error)
            counts["ours alone refuses" if library_accepts(path) else "both refuse"] += 1
            continue
        assert library_accepts(path), f"mutant {seed} is read here and refused by the library"
        with safe_open(str(path), framework="pt") as file:
            assert set(file.keys()) == set(entries), seed
            for name, entry in entries.items():
                assert tuple(file.get_slice(name).get_shape()) == entry.shape, seed
        counts["both accept"] += 1
    return counts


def test_500_mutants_are_never_read_where_the_library_refuses_them(tmp_path: Path) -> None:
    counts = compared(tmp_path, range(500))
    assert counts["both accept"] > 40 and counts["both refuse"] > 200, counts


@pytest.mark.slow
def test_10000_mutants_are_never_read_where_the_library_refuses_them(tmp_path: Path) -> None:
    counts = compared(tmp_path, range(10_000))
    assert counts["both accept"] > 800 and counts["both refuse"] > 4000, counts


def written(path: Path, header: object, data: int, *, raw: bytes | None = None) -> Path:
    text = json.dumps(header).encode() if raw is None else raw
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(data))
    return path


def tensor(start: int, end: int, dtype: str = "F32") -> dict[str, object]:
    size = {"F32": 4, "F16": 2}[dtype]
    return {"dtype": dtype, "shape": [(end - start) // size], "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("header", "data", "words"),
    [
        ({"a": tensor(0, 8), "b": tensor(4, 12)}, 12, "b shares bytes with another tensor"),
        ({"a": tensor(0, 8), "b": tensor(0, 8)}, 8, "b shares bytes with another tensor"),
        ({"a": tensor(4, 12)}, 12, "a follows a gap"),
        ({"a": tensor(0, 8), "b": tensor(12, 20)}, 20, "b follows a gap"),
        ({"a": tensor(0, 8)}, 16, "8 bytes at the end belong to no tensor"),
        ({}, 3, "3 bytes at the end belong to no tensor"),
        ({"a": {**tensor(0, 8), "shape": [3]}}, 8, "a lies in 8 bytes and its shape takes 12"),
        ({"a": {**tensor(0, 0), "shape": [0, 2**62, 8]}}, 0, "too large to count"),
        ({"a": {**tensor(0, 8), "more": 1}}, 8, "other fields"),
        ({"__metadata__": {"a": 1}, "a": tensor(0, 8)}, 8, "__metadata__ holds something else"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, header: dict[str, object], data: int, words: str
) -> None:
    path = written(tmp_path / "x.safetensors", header, data)
    with pytest.raises(CheckpointError, match=words) as caught:
        read_header(path)
    assert "copy this file again" in str(caught.value)


def test_a_name_that_stands_there_twice_is_named(tmp_path: Path) -> None:
    one = json.dumps(tensor(0, 8))
    raw = f'{{"a": {one}, "a": {one}}}'.encode()
    with pytest.raises(CheckpointError, match="a stands there twice"):
        read_header(written(tmp_path / "x.safetensors", None, 8, raw=raw))


def test_tensors_in_any_order_of_names_are_read(tmp_path: Path) -> None:
    header = {"z": tensor(0, 8), "empty": tensor(8, 8), "a": tensor(8, 16)}
    entries = read_header(written(tmp_path / "x.safetensors", header, 16))
    start = entries["z"].start
    assert [entries[name].start - start for name in ("z", "empty", "a")] == [0, 8, 8]


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="no ordinary file"):
        read_header(tmp_path / "model.safetensors")
