"""Properties that no input may break, looked for by hypothesis, which shrinks what it finds.

The package comes with scripts/setup --test; without it these tests are skipped by name.
"""

import json
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open

from assistant.audio import read_clip
from assistant.errors import AssistantError, AudioFileError
from assistant.settings.file import load_settings
from models.errors import CheckpointError
from models.files.header import HeaderError, check_header
from models.files.judging import judge_config, judge_tensor, pieces_of
from models.files.tensor_files import read_header
from quantizer.errors import DataError
from quantizer.evaluate.results import read_result

pytest.importorskip("hypothesis", reason="hypothesis is not installed: scripts/setup --test")

from hypothesis import example, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

# The same examples every time; a deadline would fail on a busy machine.
QUICK = settings(derandomize=True, database=None, deadline=None, max_examples=50)

SIZES = st.integers(-2, 2**64 + 1) | st.integers(0, 16)
FIELDS = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "x"]),
        "shape": st.lists(SIZES, max_size=3),
        "data_offsets": st.lists(SIZES, min_size=2, max_size=2),
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


def library_accepts(data: bytes) -> bool:
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        try:
            with safe_open(file.name, framework="pt") as opened:
                opened.keys()
        except (SafetensorError, OSError, OverflowError, ValueError, RuntimeError):
            return False
    return True


@given(header=st.dictionaries(st.text(max_size=5), FIELDS | JSON, max_size=3), data=SIZES)
@QUICK
def test_no_header_is_accepted_that_the_library_refuses(header: dict[str, Any], data: int) -> None:
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    count = min(max(data, 0), 64)
    try:
        check_header(text, count)
    except HeaderError:
        return
    assert library_accepts(struct.pack("<Q", len(text)) + text + bytes(count))


@given(
    lengths=st.lists(st.integers(0, 9), max_size=4), at=st.integers(0, 200), bit=st.integers(0, 7)
)
@QUICK
def test_sound_headers_are_accepted_and_flipped_ones_never_against_the_library(
    lengths: list[int], at: int, bit: int
) -> None:
    header, end = {}, 0
    for index, length in enumerate(lengths):
        header[f"t{index}"] = {
            "dtype": "U8",
            "shape": [length],
            "data_offsets": [end, end + length],
        }
        end += length
    text = json.dumps(header).encode()
    assert [one.size for one in check_header(text, end)] == lengths
    at %= len(text)
    flipped = text[:at] + bytes([text[at] ^ (1 << bit)]) + text[at + 1 :]
    try:
        check_header(flipped, end)
    except HeaderError:
        return
    assert library_accepts(struct.pack("<Q", len(flipped)) + flipped + bytes(end))


@given(data=st.binary(max_size=300))
@example(data=b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
@QUICK
def test_no_bytes_make_the_reader_of_headers_stumble(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        try:
            read_header(Path(file.name))
        except CheckpointError:
            return
        assert library_accepts(data)


@given(
    values=st.lists(
        st.floats(width=32) | st.sampled_from([float("nan"), float("inf"), 3.4e38, -3.4e38]),
        min_size=1,
        max_size=20,
    ),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.float64]),
)
@QUICK
def test_the_judge_of_values_agrees_with_numpy(values: list[float], dtype: torch.dtype) -> None:
    tensor = torch.tensor(values, dtype=torch.float64).to(dtype)
    sound = bool(np.isfinite(tensor.to(torch.float64).numpy()).all())
    refused = [one for one in judge_tensor(Path("f"), "x", pieces_of(tensor)) if one.refused]
    assert (not refused) == sound


class Shapes:
    """One small tensor, as headers tell of it."""

    folder = Path("folder")

    def names(self) -> tuple[str, ...]:
        return ("x",)

    def shape(self, name: str) -> tuple[int, ...]:
        return (4, 4)

    def dtype(self, name: str) -> torch.dtype:
        return torch.float32


@given(
    config=st.dictionaries(
        st.sampled_from(["vocab_size", "hidden_size", "num_hidden_layers", "vision_config", "x"]),
        JSON | st.integers(10**6, 10**5000),
        max_size=4,
    )
)
@QUICK
def test_no_config_makes_the_judge_of_numbers_stumble(config: dict[str, Any]) -> None:
    findings = list(judge_config(config, Shapes()))
    assert all(len(str(finding)) < 500 for finding in findings)
    large = [
        name
        for name in ("vocab_size", "hidden_size", "num_hidden_layers")
        if isinstance(config.get(name), int) and config[name] > 32
    ]
    assert len(findings) >= len(large)


@given(data=st.binary(max_size=120), cut=st.integers(0, 60), lie=st.integers(0, 2**32 - 1))
@QUICK
def test_no_bytes_make_the_reader_of_sound_stumble(data: bytes, cut: int, lie: int) -> None:
    form = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", lie) + data
    whole = b"RIFF" + struct.pack("<I", len(chunks)) + chunks
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(whole[:cut] + data + whole[cut + len(data) :] if lie % 3 == 0 else whole)
        file.flush()
        try:
            clip = read_clip(Path(file.name))
        except AudioFileError:
            return
    assert len(clip.samples) * 2 <= len(whole)


@given(text=st.text(max_size=80) | JSON.map(lambda value: f"voice = {value!r}"))
@QUICK
def test_no_text_makes_the_settings_stumble(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "settings.toml")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        _, wrong = load_settings(path)
    assert all(isinstance(one, AssistantError) and str(one).isprintable() for one in wrong)


@given(value=st.dictionaries(st.text(max_size=9), JSON, max_size=3), field=st.text(max_size=9))
@QUICK
def test_no_result_is_read_that_cannot_be_compared(value: dict[str, Any], field: str) -> None:
    from quantizer.evaluate.paired import in_words, paired

    sound: dict[str, Any] = {
        "task": "perplexity", "protocol": "standard", "items": 2, "value": 4.2,
        "interval_95": [4.0, 4.4], "seconds": 1.0, "model": "m", "losses": [1.0, 1.2],
        "items_sha256": "0",
    }  # fmt: skip
    names = sorted(sound)
    damaged = sound | {names[len(field) % len(names)]: value.get(field, value)} | value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.json")
        path.write_text(json.dumps(damaged), encoding="utf-8", errors="surrogatepass")
        try:
            found = read_result(path)
        except DataError:
            return
    if "items_sha256" in found:
        in_words(paired(found, found))
