"""What the bench beside llama.cpp measures, against the package and by hand."""

import math

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from torch import nn

from models.int4 import Int4Linear, QuantizedWeight
from scripts.bench_llama_cpp import as_llama_cpp_rounds, compared, rounded_inputs


def test_inputs_are_rounded_as_q8_0_blocks_are() -> None:
    x = torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(0)) * 7
    x[0, 0, :32] = 0
    kind = GGMLQuantizationType.Q8_0
    wanted = dequantize(quantize(x.reshape(-1, 64).numpy(), kind), kind).reshape(x.shape)
    assert np.allclose(as_llama_cpp_rounds(x).numpy(), wanted, rtol=1e-6, atol=0)
    assert not np.array_equal(x.numpy(), wanted)


def test_only_layers_of_the_class_are_rounded_and_only_meanwhile() -> None:
    codes = torch.randint(0, 16, (8, 32), dtype=torch.uint8)
    weight = QuantizedWeight(codes, torch.ones(8, 1), torch.ones(8, 1, dtype=torch.int32), 32)
    model = nn.Sequential(Int4Linear.from_quantized(weight, None), nn.Linear(8, 4))
    x = torch.randn(2, 32)
    with torch.inference_mode():
        plain = model(x)
        with rounded_inputs(model):
            rounded = model(x)
        assert torch.equal(rounded, model[1](model[0](as_llama_cpp_rounds(x))))
        assert torch.equal(model(x), plain) and not torch.equal(rounded, plain)


def test_the_divergence_by_hand() -> None:
    first = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
    second = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)]])
    found = compared([first], [second], [[0, 1]])
    halves = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert found["kl_mean"] == pytest.approx(halves / 2)
    assert found["top1_equal"] == 0.5  # of two alike, the first one counts
    assert found["perplexity_first"] == pytest.approx(2)
    assert found["perplexity_second"] == pytest.approx(4 / 3)
