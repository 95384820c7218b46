"""A kernel that reads other words than were written is found when a model is loaded."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.generate import PictureChat
from models.int4 import Int4Linear, QuantizedWeight, kernels
from models.int4.trust import check_kernels
from models.loading import load_model
from models.pocket import pocket_int4_folder

Build = Callable[[QuantizedWeight], kernels.KernelWeight]


def swapped_nibbles(build: Build) -> Build:
    """Two codes of a byte change places."""

    def wrong(weight: QuantizedWeight) -> kernels.KernelWeight:
        codes = weight.codes.view(*weight.codes.shape[:-1], -1, 2).flip(-1).flatten(-2)
        return build(
            QuantizedWeight(codes.contiguous(), weight.scale, weight.zero, weight.group_size)
        )

    return wrong


def flipped_zeros(build: Build) -> Build:
    """The zero-point of the kernel has the other sign."""

    def wrong(weight: QuantizedWeight) -> kernels.KernelWeight:
        built = build(weight)
        sign = torch.tensor([1, -1], dtype=torch.bfloat16)
        return kernels.KernelWeight(built.packed, built.scales_and_zeros * sign, built.group_size)

    return wrong


def refusing(build: Build) -> Build:
    """No kernel for this card is in this build of PyTorch."""

    def wrong(weight: QuantizedWeight) -> kernels.KernelWeight:
        raise RuntimeError("no kernel image is available for execution on the device\nmore")

    return wrong


def layer(inputs: int, outputs: int, group_size: int = 64) -> Int4Linear:
    generator = torch.Generator().manual_seed(inputs)
    shape = (outputs, inputs // group_size)
    weight = QuantizedWeight(
        codes=torch.randint(0, 16, (outputs, inputs), generator=generator).byte(),
        scale=(torch.rand(shape, generator=generator) * 0.05 + 0.005).half().float(),
        zero=torch.randint(1, 16, shape, generator=generator).int(),
        group_size=group_size,
    )
    return Int4Linear.from_quantized(weight, None)


def product(linear: Int4Linear) -> Tensor:
    x = torch.randn(3, linear.in_features, generator=torch.Generator().manual_seed(9))
    result: Tensor = linear(x.bfloat16())
    return result


@pytest.mark.parametrize(
    ("fault", "words"),
    [(swapped_nibbles, "off by"), (flipped_zeros, "off by"), (refusing, "does not run: no kernel")],
)
def test_a_wrong_kernel_is_used_no_more_and_told_once(
    fault: Callable[[Build], Build],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    layers = [layer(128, 64), layer(128, 64), layer(256, 48, 128)]
    with monkeypatch.context() as patched:
        patched.setattr(kernels, "CPU_KERNEL_MAX_ROWS", 0)
        expected = [product(each) for each in layers]
    assert all(each.kernel_packed is None for each in layers)
    monkeypatch.setattr(kernels, "build_kernel_weight", fault(kernels.build_kernel_weight))
    with caplog.at_level(logging.WARNING):
        check_kernels(nn.ModuleList(layers))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert torch.__version__ in caplog.text and "2 of 2 kinds" in caplog.text
    assert words in caplog.text
    for each, right in zip(layers, expected, strict=True):
        assert torch.equal(product(each), right) and each.kernel_packed is None


@pytest.mark.parametrize("zero", [None, 8])
def test_a_right_kernel_is_trusted(zero: int | None, caplog: pytest.LogCaptureFixture) -> None:
    layers = [layer(128, 64), layer(2048, 32), layer(96, 40, 32)]
    if zero is not None:
        for each in layers:
            each.qzeros = torch.full_like(each.qzeros, int(f"0x{f'{zero - 1:x}' * 8}", 16))
    check_kernels(nn.ModuleList(layers))
    assert caplog.records == []
    differences = [each.kernel_difference() for each in layers]
    assert all(each is not None and 0 < each < 0.015 for each in differences[:2])
    assert differences[2] is None, "the kernel takes no 40 outputs"
    product(layers[0])
    assert layers[0].kernel_packed is not None


def test_too_little_memory_is_no_fault_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(weight: QuantizedWeight) -> kernels.KernelWeight:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(kernels, "build_kernel_weight", full)
    with pytest.raises(torch.OutOfMemoryError):
        check_kernels(layer(128, 64))


def test_a_loaded_model_answers_as_by_dequantizing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning for the whole model, and the words of one that never used the kernel."""
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)

    def answer(folder: Path) -> list[tuple[int | None, float]]:
        chat = PictureChat(load_model(folder))
        tokens = chat.answer(chat.look(picture), "How many circles are there?", max_new_tokens=4)
        return [(token.id, token.probability) for token in tokens]

    with monkeypatch.context() as patched:
        patched.setattr(kernels, "CPU_KERNEL_MAX_ROWS", 0)
        expected = answer(pocket_int4_folder())
    assert caplog.records == []
    monkeypatch.setattr(
        kernels, "build_kernel_weight", swapped_nibbles(kernels.build_kernel_weight)
    )
    assert answer(pocket_int4_folder()) == expected
    assert len(caplog.records) == 1
