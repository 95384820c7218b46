"""Both file forms against readers written from the format tables alone, in plain Python."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.errors import CheckpointError
from models.files.checkpoint import QuantizationConfig
from models.files.compressed_tensors import (
    compressed_config,
    pack_compressed,
    read_compressed_config,
    unpack_compressed,
)
from models.files.formats import FORMATS, read_quantization, unquantized_linears
from models.int4 import QuantizedWeight

SHAPES = [(16, 64, 32), (24, 32, 16), (8, 96, 96)]


def random_weight(
    out_features: int, in_features: int, group_size: int, bits: int, *, sym: bool = False
) -> QuantizedWeight:
    generator = torch.Generator().manual_seed(out_features + in_features + bits)
    groups, top = -(-in_features // group_size), 2**bits
    codes = torch.randint(0, top, (out_features, in_features), generator=generator)
    zero = torch.randint(1, top, (out_features, groups), generator=generator)
    return QuantizedWeight(
        codes=codes.to(torch.uint8),
        scale=(torch.rand(out_features, groups, generator=generator) + 0.01).half().float(),
        zero=(torch.full_like(zero, top // 2) if sym else zero).to(torch.int32),
        group_size=group_size,
        bits=bits,
    )


def nth_bits(words: list[int], index: int, bits: int) -> int:
    """The unsigned number at bits index*bits .. of a row of 32-bit words, counted from the low
    end of the first word."""
    value = 0
    for place in range(bits):
        position = index * bits + place
        word = words[position // 32] % 2**32
        value += ((word // 2 ** (position % 32)) % 2) * 2**place
    return value


def read_compressed(tensors: dict[str, Tensor], bits: int, group_size: int) -> list[list[float]]:
    """weight[n][k] of a compressed-tensors layer: signed code less signed zero, times scale."""
    out_features, in_features = tensors["weight_shape"].tolist()
    packed, scales = tensors["weight_packed"].tolist(), tensors["weight_scale"].tolist()
    zeros = tensors["weight_zero_point"].tolist() if "weight_zero_point" in tensors else None
    half = 2 ** (bits - 1)
    weight = []
    for n in range(out_features):
        row = []
        for k in range(in_features):
            group = k // group_size
            signed_zero = 0
            if zeros is not None:
                column = [words[group] for words in zeros]
                signed_zero = nth_bits(column, n, bits) - half
            signed_code = nth_bits(packed[n], k, bits) - half
            row.append((signed_code - signed_zero) * scales[n][group])
        weight.append(row)
    return weight


def read_gptq(tensors: dict[str, Tensor], bits: int, group_size: int) -> list[list[float]]:
    """weight[n][k] of a GPTQ v1 layer."""
    qweight, qzeros = tensors["qweight"].tolist(), tensors["qzeros"].tolist()
    scales, g_idx = tensors["scales"].tolist(), tensors["g_idx"].tolist()
    columns = [[words[n] for words in qweight] for n in range(len(qweight[0]))]
    weight = []
    for n, column in enumerate(columns):
        row = []
        for k, group in enumerate(g_idx):
            assert group == k // group_size
            zero = nth_bits(qzeros[group], n, bits) + 1
            row.append((nth_bits(column, k, bits) - zero) * scales[group][n])
        weight.append(row)
    return weight


READERS = {"gptq": read_gptq, "compressed-tensors": read_compressed}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sym", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_reader_written_from_the_table_finds_the_weight(
    name: str, sym: bool, bits: int, shape: tuple[int, int, int]
) -> None:
    weight = random_weight(*shape, bits, sym=sym)
    tensors = FORMATS[name].pack(weight, sym=sym)
    assert set(tensors) == set(FORMATS[name].tensor_names(sym=sym))
    assert all(tensor.is_contiguous() for tensor in tensors.values())
    assert READERS[name](tensors, bits, shape[2]) == weight.dequantize().tolist()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sym", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
def test_pack_then_unpack_is_the_identity(name: str, sym: bool, bits: int) -> None:
    weight = random_weight(16, 64, 32, bits, sym=sym)
    form = FORMATS[name]
    again = form.unpack(form.pack(weight, sym=sym), bits=bits, group_size=32)
    assert torch.equal(again.codes, weight.codes) and again.codes.dtype == torch.uint8
    assert torch.equal(again.zero, weight.zero) and again.zero.dtype == torch.int32
    assert torch.equal(again.scale, weight.scale)
    assert (again.group_size, again.bits) == (32, bits)


def test_words_written_by_hand_with_a_zero_point_of_nought_and_an_odd_shape() -> None:
    codes = [[0, 15, 7, 8, 1], [3, 2, 9, 10, 4], [5, 5, 5, 5, 5]]
    words = [sum(code << 4 * place for place, code in enumerate(row)) for row in codes]
    tensors = {
        "weight_packed": torch.tensor([[word] for word in words], dtype=torch.int32),
        "weight_scale": torch.tensor([[0.5], [0.25], [2.0]], dtype=torch.bfloat16),
        "weight_zero_point": torch.tensor([[0 + (15 << 4) + (8 << 8)]], dtype=torch.int32),
        "weight_shape": torch.tensor([3, 5]),
    }
    for group_size in (5, -1):
        weight = unpack_compressed(tensors, bits=4, group_size=group_size)
        assert weight.codes.tolist() == codes
        assert weight.zero.tolist() == [[0], [15], [8]]
        assert weight.dequantize()[1].tolist() == [(code - 15) * 0.25 for code in codes[1]]


def test_a_short_last_group_is_refused_by_one_format_and_kept_by_the_other() -> None:
    weight = random_weight(8, 40, 32, 4)
    FORMATS["gptq"].check_shape(40, 8, 4, 32)
    assert torch.equal(
        FORMATS["gptq"]
        .unpack(FORMATS["gptq"].pack(weight, sym=False), bits=4, group_size=32)
        .codes,
        weight.codes,
    )
    for refuse in (
        lambda: FORMATS["compressed-tensors"].pack(weight, sym=False),
        lambda: FORMATS["compressed-tensors"].check_shape(40, 8, 4, 32),
    ):
        with pytest.raises(CheckpointError, match="40 inputs are not whole groups of 32.*GPTQ"):
            refuse()


@pytest.mark.parametrize("name", FORMATS)
def test_what_no_form_can_hold_is_refused_before_any_work(name: str) -> None:
    with pytest.raises(CheckpointError, match="12 outputs do not fill"):
        FORMATS[name].check_shape(32, 12, 4, 32)
    with pytest.raises(CheckpointError, match="5-bit weights cannot be stored"):
        FORMATS[name].check_shape(32, 32, 5, 32)


def test_three_bits_are_left_to_the_other_form() -> None:
    weight = random_weight(32, 64, 32, 3)
    form = FORMATS["compressed-tensors"]
    for refuse in (
        lambda: form.pack(weight, sym=False),
        lambda: form.check_shape(64, 32, 3, 32),
        lambda: form.unpack({}, bits=3, group_size=32),
    ):
        with pytest.raises(CheckpointError, match="3-bit weights cannot be stored.*GPTQ format"):
            refuse()


def test_a_weight_that_is_not_symmetric_cannot_be_stored_as_if_it_were() -> None:
    weight = random_weight(8, 32, 32, 4)
    with pytest.raises(CheckpointError, match="not symmetric"):
        pack_compressed(weight, sym=True)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0, -1.0])
def test_unsound_scales_are_refused_by_both_directions(bad: float) -> None:
    weight = random_weight(8, 32, 32, 4)
    tensors = pack_compressed(weight)
    tensors["weight_scale"][3, 0] = bad
    weight.scale[3, 0] = bad
    with pytest.raises(CheckpointError, match="scale"):
        pack_compressed(weight)
    with pytest.raises(CheckpointError, match="scale"):
        unpack_compressed(tensors, bits=4, group_size=32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_packed": None}, "lacks weight_packed"),
        ({"weight_shape": None}, "lacks weight_shape"),
        ({"weight_shape": torch.tensor([8, 32, 1])}, "no shape of a matrix"),
        ({"weight_shape": torch.tensor([16, 32])}, r"weight_packed is \(8, 4\) and not \(16, 4\)"),
        ({"weight_packed": torch.zeros(8, 4)}, "float32, not int32"),
        ({"weight_scale": torch.ones(8, 2)}, r"weight_scale is \(8, 2\) and not \(8, 1\)"),
        ({"weight_zero_point": torch.zeros(8, 1).int()}, "weight_zero_point is"),
        ({"weight_scale": torch.ones(8, 1).int()}, "no floating-point numbers"),
    ],
)
def test_damaged_layers_are_refused_with_the_reason(
    change: dict[str, Tensor | None], message: str
) -> None:
    tensors = {**pack_compressed(random_weight(8, 32, 32, 4)), **change}
    present = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    with pytest.raises(CheckpointError, match=message):
        unpack_compressed(present, bits=4, group_size=32)


def test_the_config_reads_back_and_names_what_is_left_alone() -> None:
    model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4), "n": nn.LayerNorm(4)})
    settings = QuantizationConfig(bits=8, group_size=64, sym=True)
    left = unquantized_linears(model, ["a"])
    values = FORMATS["compressed-tensors"].config(settings, unquantized=left)
    assert values["ignore"] == ["b"]
    assert values["config_groups"]["group_0"]["weights"]["num_bits"] == 8
    config = read_quantization(values)
    assert (config.bits, config.group_size, config.sym) == (8, 64, True)
    assert config.checkpoint_format == "pack-quantized" and config.zero_offset == 0
    assert FORMATS["gptq"].config(settings) == settings.to_dict()
    assert read_quantization(settings.to_dict()).sym is True


def with_weights(**changes: Any) -> dict[str, Any]:
    values = compressed_config(bits=4, group_size=32, sym=False)
    values["config_groups"]["group_0"]["weights"] |= changes
    return values


def test_configs_of_other_tools_are_read() -> None:
    channel = read_compressed_config(
        with_weights(strategy="channel", group_size=None, actorder=None, observer="minmax")
    )
    assert (channel.bits, channel.group_size) == (4, -1)
    twice = with_weights(actorder="weight")
    twice["config_groups"]["group_1"] = twice["config_groups"]["group_0"]
    assert read_compressed_config(twice).group_size == 32


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (with_weights() | {"format": "float-quantized"}, "'float-quantized' cannot be read"),
        (with_weights() | {"config_groups": {}}, "names no config_groups"),
        (with_weights() | {"config_groups": {"W4A16": ["Linear"]}}, "does not say how"),
        (with_weights(num_bits=3), "3-bit int weights"),
        (with_weights(type="float"), "4-bit float weights"),
        (with_weights(strategy="tensor"), "scaled per tensor"),
        (with_weights(actorder="group"), "orders groups by activation"),
        (with_weights(group_size=0), "group_size 0"),
        (
            {
                **with_weights(),
                "config_groups": {
                    "a": with_weights()["config_groups"]["group_0"],
                    "b": with_weights(num_bits=8)["config_groups"]["group_0"],
                },
            },
            "mix several widths",
        ),
        (
            {
                **with_weights(),
                "config_groups": {
                    "a": {
                        **with_weights()["config_groups"]["group_0"],
                        "input_activations": {"num_bits": 8},
                    },
                },
            },
            "quantizes activations too",
        ),
    ],
)
def test_configs_that_cannot_be_read_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as error:
        read_compressed_config(values)
    assert "\n" not in str(error.value)


def test_the_table_of_formats_is_by_name() -> None:
    assert {name: form.name for name, form in FORMATS.items()} == {
        "gptq": "gptq",
        "compressed-tensors": "compressed-tensors",
    }
    weight = random_weight(8, 32, 32, 4)
    moved = dataclasses.replace(weight, zero=torch.zeros_like(weight.zero))
    for form in FORMATS.values():
        with pytest.raises(CheckpointError, match="zero-points 0..0"):
            form.pack(moved, sym=False)
