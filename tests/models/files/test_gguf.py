"""GGUF headers and blocks: what is read, and that no count of a damaged file is believed."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter

from models.errors import CheckpointError, ModelFolderError
from models.families import open_blockwise
from models.files.gguf import QUANTIZED, is_gguf, read_gguf, read_pieces, refuse_gguf
from models.loading import load_model
from tests.models.gguf_made import tiny, write_gguf


def small(path: Path) -> Path:
    """Two tensors and one field of each kind."""
    writer = GGUFWriter(str(path), "llama")
    writer.add_uint8("a.byte", 200)
    writer.add_int16("a.short", -3)
    writer.add_int64("a.long", -(2**40))
    writer.add_bool("a.truth", True)
    writer.add_float64("a.double", 0.1)
    writer.add_string("a.text", "Größe")
    writer.add_array("a.texts", ["x", "", "ü"])
    writer.add_array("a.numbers", [1, -2, 3])
    writer.add_tensor("one", np.arange(6, dtype=np.float32).reshape(2, 3))
    writer.add_tensor("two", np.ones(5, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_fields_and_tensors(tmp_path: Path) -> None:
    file = read_gguf(small(tmp_path / "small.gguf"))
    fields = {key: value for key, value in file.fields.items() if key.startswith("a.")}
    assert fields == {
        "a.byte": 200,
        "a.short": -3,
        "a.long": -(2**40),
        "a.truth": True,
        "a.double": 0.1,
        "a.text": "Größe",
        "a.texts": ["x", "", "ü"],
        "a.numbers": [1, -2, 3],
    }
    assert {name: each.shape for name, each in file.tensors.items()} == {"one": (2, 3), "two": (5,)}
    whole = torch.cat(list(read_pieces(file.path, file.tensors["one"])))
    assert whole.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert next(read_pieces(file.path, file.tensors["two"])).dtype is torch.float16


@pytest.mark.parametrize("kind", sorted(QUANTIZED - {"Q5_0", "Q5_1"}))
def test_blocks_become_the_numbers_that_another_reader_makes(kind: str, tmp_path: Path) -> None:
    from gguf.constants import GGML_QUANT_SIZES
    from transformers.integrations.gguf.dequant import dequantize

    of = GGMLQuantizationType[kind]
    values, size = GGML_QUANT_SIZES[of]
    generator = np.random.default_rng(3)
    blocks = generator.integers(0, 256, (6, 512 // values * size), dtype=np.uint8)
    # Scales are float16, somewhere in a block: without exponents of all ones none is NaN.
    blocks &= 0b10111111
    writer = GGUFWriter(str(tmp_path / "x.gguf"), "llama")
    writer.add_tensor("w", blocks, raw_dtype=of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = read_gguf(tmp_path / "x.gguf")
    read = torch.cat(list(read_pieces(file.path, file.tensors["w"])))
    expected = dequantize(torch.from_numpy(blocks).flatten(), int(of))
    assert read.shape == (6, 512) and read.dtype is torch.float32
    assert torch.allclose(read.flatten(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["Q5_0", "Q5_1"])
def test_blocks_of_five_bits_come_back_as_written(kind: str, tmp_path: Path) -> None:
    from gguf.quants import quantize

    of = GGMLQuantizationType[kind]
    # Every value is a step of 2**-4: exact in the block's own scale.
    steps = np.tile(np.arange(-16, 16, dtype=np.float32), 2).reshape(1, 64) / 16
    writer = GGUFWriter(str(tmp_path / "x.gguf"), "llama")
    writer.add_tensor("w", quantize(steps, of), raw_dtype=of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = read_gguf(tmp_path / "x.gguf")
    (read,) = read_pieces(file.path, file.tensors["w"])
    assert np.abs(read.numpy() - steps).max() < 2e-3


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = small(tmp_path / "small.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    # The last tensor is followed by padding, which nobody needs.
    for length in range(4, len(whole) - 32, 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="cut short"):
            read_gguf(cut)


def header(*, version: int = 3, tensors: int = 0, fields: int = 0, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, fields) + rest + bytes(200)


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04" + bytes(100), "is no GGUF file"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(100), "big-endian"),
        (header(version=1), "version 1"),
        (header(tensors=2**60), "tensors"),
        (header(fields=2**40), "fields"),
        (header(fields=1, rest=text(b"k") + struct.pack("<IIQ", 9, 0, 2**63)), "values"),
        (header(fields=1, rest=text(b"k") + struct.pack("<IIQ", 9, 9, 1)), "unknown type"),
        (header(fields=1, rest=text(b"k") + struct.pack("<I", 99)), "unknown type 99"),
        (header(fields=1, rest=struct.pack("<Q", 2**50)), "text of"),
        (header(fields=1, rest=text(b"\xff\xfe") + struct.pack("<IB", 0, 1)), "not UTF-8"),
        (header(fields=2, rest=(text(b"k") + struct.pack("<IB", 0, 1)) * 2), "twice"),
        (header(fields=1, rest=text(b"k") + struct.pack("<If", 6, float("nan"))), "nan"),
        (header(tensors=1, rest=text(b"w") + struct.pack("<I", 2**31)), "dimensions"),
        (header(tensors=1, rest=text(b"w") + struct.pack("<IQQ", 2, 2**40, 2**40)), "shape"),
        (header(tensors=1, rest=text(b"w") + struct.pack("<IQIQ", 1, 8, 0, 1)), "multiple of 32"),
        (header(tensors=1, rest=text(b"w") + struct.pack("<IQIQ", 1, 31, 2, 0)), "multiple of 32"),
        (header(tensors=1, rest=text(b"w") + struct.pack("<IQIQ", 1, 32, 26, 0)), "I32"),
        (header(tensors=1, rest=text(b"w") + struct.pack("<IQIQ", 1, 32, 777, 0)), "number 777"),
        (
            header(
                tensors=2,
                rest=text(b"v")
                + struct.pack("<IQIQ", 1, 8, 0, 0)
                + text(b"w")
                + struct.pack("<IQIQ", 1, 8, 0, 0),
            ),
            "shares bytes",
        ),
    ],
)
def test_damaged_headers(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as told:
        read_gguf(path)
    assert "\n" not in str(told.value) and str(path) in str(told.value)


def test_a_file_of_parts_names_what_joins_them(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "part.gguf", tiny(), fields={"split.count": 3})
    with pytest.raises(CheckpointError, match="llama-gguf-split --merge"):
        read_gguf(path)


def test_nan_is_refused(tmp_path: Path) -> None:
    model = tiny()
    model.model.norm.weight.data[3] = float("nan")
    file = read_gguf(write_gguf(tmp_path / "nan.gguf", model))
    with pytest.raises(CheckpointError, match="output_norm.weight.*NaN"):
        list(read_pieces(file.path, file.tensors["output_norm.weight"]))


@pytest.mark.parametrize("opener", [load_model, open_blockwise, refuse_gguf])
def test_every_opener_names_the_command(opener: Any, tmp_path: Path) -> None:
    path = small(tmp_path / "small.gguf")
    assert is_gguf(path)
    for given in (path, tmp_path):
        with pytest.raises(ModelFolderError, match=f"quantizer import {path} FOLDER"):
            opener(given)
    (tmp_path / "config.json").write_text("{}")
    refuse_gguf(tmp_path)  # a model folder with a GGUF file beside its weights is one
