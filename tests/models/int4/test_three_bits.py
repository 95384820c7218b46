"""Three-bit codes: where their bits lie, against strings of bits that Python's integers hold, and
what a layer makes of them, against `nn.functional.linear` on values computed one by one."""

import dataclasses
import random

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.errors import CheckpointError
from models.int4 import Int4Linear, QuantizedWeight, pack, unpack
from models.int4.kernels import kernel_refusal
from models.int4.packing import pack_last, stored_zeros, unpack_last


def random_weight(out_features: int, in_features: int, group_size: int) -> QuantizedWeight:
    generator = torch.Generator().manual_seed(out_features + in_features)
    groups = out_features, -(-in_features // group_size)
    return QuantizedWeight(
        codes=torch.randint(0, 8, (out_features, in_features), generator=generator).byte(),
        scale=(torch.rand(groups, generator=generator) * 0.05 + 0.01).half().float(),
        zero=torch.randint(1, 8, groups, generator=generator).int(),
        group_size=group_size,
        bits=3,
    )


def string_of(words: list[int]) -> int:
    """One large number of 32-bit words, the first in its lowest bits."""
    return sum((word % 2**32) << (32 * place) for place, word in enumerate(words))


def values_of(words: list[int]) -> list[int]:
    """The three-bit numbers that lie behind each other in a row of words."""
    string = string_of(words)
    return [string >> (3 * place) & 7 for place in range(len(words) * 32 // 3)]


def words_of(values: list[int]) -> list[int]:
    """The row of signed words that holds three-bit numbers behind each other."""
    string = sum(value << (3 * place) for place, value in enumerate(values))
    cut = [string >> (32 * place) & 0xFFFFFFFF for place in range(len(values) * 3 // 32)]
    return [word - 2**32 if word >= 2**31 else word for word in cut]


def weight_values(weight: QuantizedWeight) -> Tensor:
    """Every weight by its own Python expression."""
    codes, zeros, scales = weight.codes.tolist(), weight.zero.tolist(), weight.scale.tolist()
    size = weight.group_size
    return torch.tensor(
        [
            [(code - zeros[n][k // size]) * scales[n][k // size] for k, code in enumerate(row)]
            for n, row in enumerate(codes)
        ]
    )


@pytest.mark.parametrize(("outputs", "inputs", "group_size"), [(32, 64, 32), (64, 96, 64)])
def test_every_bit_lies_where_the_format_says(outputs: int, inputs: int, group_size: int) -> None:
    weight = random_weight(outputs, inputs, group_size)
    tensors = pack(weight)
    groups = -(-inputs // group_size)
    assert tensors["qweight"].shape == (inputs * 3 // 32, outputs)
    assert tensors["qzeros"].shape == (groups, outputs * 3 // 32)
    assert tensors["qweight"].dtype == tensors["qzeros"].dtype == torch.int32
    for n, column in enumerate(tensors["qweight"].t().tolist()):
        assert values_of(column) == weight.codes[n].tolist()
    for group, row in enumerate(tensors["qzeros"].tolist()):
        assert values_of(row) == (weight.zero[:, group] - 1).tolist()


def test_words_written_by_hand_are_read() -> None:
    rng = random.Random(3)
    codes = [[rng.randrange(8) for _ in range(64)] for _ in range(32)]
    zeros = [[rng.randrange(1, 8) for _ in range(32)] for _ in range(2)]
    for offset in (1, 0):
        tensors = {
            "qweight": torch.tensor([words_of(row) for row in codes], dtype=torch.int32).t(),
            "qzeros": torch.tensor(
                [words_of([zero - offset for zero in row]) for row in zeros], dtype=torch.int32
            ),
            "scales": torch.ones(2, 32, dtype=torch.float16),
        }
        weight = unpack(tensors, bits=3, group_size=32, zero_offset=offset)
        assert weight.codes.tolist() == codes
        assert weight.zero.t().tolist() == zeros


def test_a_zero_point_of_nought_that_wrapped_around_is_nought_again() -> None:
    stored = torch.tensor([words_of([7, 0, 6] + [5] * 29)], dtype=torch.int32)
    assert stored_zeros(stored, 3, 1).tolist() == [[0, 1, 7] + [6] * 29]


def test_all_ones_in_the_sign_bits_come_back() -> None:
    values = torch.full((2, 64), 7)
    words = pack_last(values, 3)
    assert words.tolist() == [[-1] * 6] * 2
    assert unpack_last(words, 3).tolist() == values.tolist()


@pytest.mark.parametrize("rows", [1, 200])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_computes_what_its_values_do(rows: int, dtype: torch.dtype) -> None:
    weight = random_weight(64, 128, 32)
    layer = Int4Linear.from_quantized(weight, torch.arange(64.0))
    assert kernel_refusal(torch.device("cpu"), 128, 64, 32, 3) is None
    x = torch.randn(rows, 128, generator=torch.Generator().manual_seed(0)).to(dtype)
    expected = functional.linear(x.float(), weight_values(weight), torch.arange(64.0))
    close = {"rtol": 1e-5, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.1}
    torch.testing.assert_close(layer(x).float(), expected, **close)
    assert torch.equal(layer.quantized().codes, weight.codes)
    difference = layer.kernel_difference()
    assert difference is not None and difference < 0.01


def test_a_layer_takes_three_bits_of_a_weight() -> None:
    layer = Int4Linear.from_quantized(random_weight(64, 128, 64), None)
    assert layer.qweight is not None and layer.qweight.nbytes == 64 * 128 * 3 // 8


@pytest.mark.parametrize(("outputs", "inputs", "what"), [(48, 64, "48 out"), (32, 80, "80 in")])
def test_shapes_that_do_not_fill_words_are_refused(outputs: int, inputs: int, what: str) -> None:
    with pytest.raises(CheckpointError, match=f"{what}puts do not fill .* multiple of 32"):
        pack(random_weight(outputs, inputs, 16))


def test_a_code_or_a_zero_point_beyond_three_bits_is_refused() -> None:
    weight = random_weight(32, 32, 32)
    weight.codes[3, 3] = 8
    with pytest.raises(CheckpointError, match="code 8 does not fit into 3 bits"):
        pack(weight)
    for zero in (0, 8):
        wrong = dataclasses.replace(
            random_weight(32, 32, 32), zero=torch.full((32, 1), zero, dtype=torch.int32)
        )
        with pytest.raises(CheckpointError, match=r"leave 1\.\.7"):
            pack(wrong)


def test_words_of_another_width_are_refused() -> None:
    weight = random_weight(32, 64, 32)
    tensors = pack(weight)
    with pytest.raises(CheckpointError, match="do not match qweight"):
        unpack(tensors, bits=4, group_size=32)
    narrow = tensors | {"qweight": tensors["qweight"][:-1]}
    with pytest.raises(CheckpointError, match="3 bits, which take 3 words together"):
        unpack(narrow, bits=3, group_size=32)
    with pytest.raises(CheckpointError, match="do not match qweight"):
        unpack(tensors | {"qzeros": tensors["qzeros"][:, :-1]}, bits=3, group_size=32)
