"""Int4 codes are held once where the kernel's layout can be read back, and never lost."""

import logging

import pytest
import torch
from torch import Tensor, nn

from models.int4 import Int4Linear, QuantizedWeight, kernels
from models.int4.kernels import unpack_cuda

OUT, IN, GROUP = 48, 256, 64


def random_weight(out_features: int = OUT, in_features: int = IN) -> QuantizedWeight:
    generator = torch.Generator().manual_seed(out_features + in_features)
    shape = (out_features, in_features // GROUP)
    return QuantizedWeight(
        codes=torch.randint(0, 16, (out_features, in_features), generator=generator).byte(),
        scale=(torch.rand(shape, generator=generator) * 0.05 + 0.005).half().float(),
        zero=torch.randint(1, 16, shape, generator=generator).int(),
        group_size=GROUP,
    )


def packed_like_cuda(codes: Tensor) -> Tensor:
    """What the CUDA kernel's packing writes, thread by thread, from two codes a byte."""
    out_features, in_features = codes.shape
    rows = codes.tolist()
    packed = torch.zeros(out_features // 8, in_features // 128, 32, 4, dtype=torch.int64)
    for tile in range(out_features // 8):
        for deep in range(in_features // 128):
            for thread in range(32):
                row = rows[tile * 8 + thread // 4]
                for inner in range(0, 8, 2):
                    first = (deep * 8 + inner) * 8 + thread % 4  # in bytes
                    word = 0
                    for place, byte in enumerate((first, first + 4, first + 8, first + 12)):
                        word |= row[2 * byte] << 4 * place | row[2 * byte + 1] << 16 + 4 * place
                    packed[tile, deep, thread, inner // 2] = word
    return torch.where(packed >= 2**31, packed - 2**32, packed).int()


@pytest.fixture
def like_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the CPU stand in for a device whose kernel's layout is CUDA's."""

    def build(weight: QuantizedWeight) -> kernels.KernelWeight:
        pairs = torch.stack((weight.scale, (8 - weight.zero.float()) * weight.scale), dim=-1)
        return kernels.KernelWeight(
            packed_like_cuda(weight.codes), pairs.transpose(0, 1).bfloat16(), weight.group_size
        )

    def matmul(x: Tensor, weight: kernels.KernelWeight) -> Tensor:
        scale, zero = weight.scales_and_zeros.float().repeat_interleave(GROUP, 0).unbind(-1)
        dense = (unpack_cuda(weight.packed).t().float() - 8) * scale + zero
        return (x.float() @ dense).bfloat16()

    monkeypatch.setattr(kernels, "build_kernel_weight", build)
    monkeypatch.setattr(kernels, "kernel_matmul", matmul)
    monkeypatch.setattr(kernels, "kernel_is_enough", lambda device: True)


def decoded(layer: Int4Linear) -> Tensor:
    x = torch.randn(2, IN, generator=torch.Generator().manual_seed(1)).bfloat16()
    result: Tensor = layer(x.to(layer.scales.device))
    return result


def held_bytes(layer: nn.Module) -> int:
    """Memory behind all tensors of a layer, what two of them share counted once."""
    tensors = (*layer.buffers(), *layer.parameters())
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in tensors}
    return sum(storage.nbytes() for storage in storages.values())


def test_codes_come_back_from_the_layout_of_the_cuda_kernel() -> None:
    codes = random_weight().codes
    packed = packed_like_cuda(codes)
    assert torch.equal(unpack_cuda(packed), codes)
    assert torch.equal(kernels.kernel_codes(packed, slice(16, 32)), codes[16:32])


@pytest.mark.usefixtures("like_cuda")
def test_decoding_holds_the_codes_once() -> None:
    layer = Int4Linear.from_quantized(random_weight(), None)
    before = held_bytes(layer)
    decoded(layer)
    assert layer.kernel_packed is not None
    scales_and_zeros = IN // GROUP * OUT * 2 * 2  # bfloat16 pairs, the kernel's own
    assert held_bytes(layer) == before + scales_and_zeros
    assert layer.kernel_packed.nbytes == OUT * IN // 2


@pytest.mark.usefixtures("like_cuda")
def test_prefill_and_saving_after_decoding_see_the_same_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernels, "SLICE_ELEMENTS", IN * 16)  # several slices
    weight = random_weight()
    layer = Int4Linear.from_quantized(weight, torch.ones(OUT))
    x = torch.randn(100, IN, generator=torch.Generator().manual_seed(2))
    state = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    prefill, first = layer(x), decoded(layer)
    assert layer.qweight is None
    assert torch.equal(layer(x), prefill)
    after = layer.state_dict()
    assert set(after) == set(state)
    assert all(torch.equal(after[name], state[name]) for name in state)
    assert torch.equal(layer.quantized().codes, weight.codes)
    layer.check()
    assert torch.equal(decoded(layer), first)


@pytest.mark.usefixtures("like_cuda")
def test_a_move_and_a_reload_after_decoding_lose_nothing() -> None:
    weight, other = random_weight(), random_weight()
    layer = Int4Linear.from_quantized(weight, None)
    decoded(layer)
    layer.to("cpu")
    assert layer.qweight is not None and layer.kernel_packed is None
    assert torch.equal(layer.quantized().codes, weight.codes)
    decoded(layer)
    other = QuantizedWeight(15 - weight.codes, weight.scale, weight.zero, GROUP)
    layer.load_state_dict(Int4Linear.from_quantized(other, None).state_dict())
    assert torch.equal(layer.quantized().codes, other.codes)
    assert not torch.equal(decoded(layer), torch.zeros(2, OUT).bfloat16())


@pytest.mark.usefixtures("like_cuda")
def test_an_unknown_layout_is_held_beside_the_file(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    true = kernels.kernel_codes
    monkeypatch.setattr(kernels, "kernel_codes", lambda packed, part: true(packed, part).flip(1))
    weight = random_weight()
    layer = Int4Linear.from_quantized(weight, None)
    with caplog.at_level(logging.WARNING):
        decoded(layer)
    assert "held twice" in caplog.text
    assert torch.equal(layer.quantized().codes, weight.codes)


@pytest.mark.gpu
def test_a_gpu_holds_the_codes_once() -> None:
    weight = random_weight(4096, 4096)
    layer = Int4Linear.from_quantized(weight, None).to("cuda")
    before = held_bytes(layer)
    x = torch.randn(600, 4096, generator=torch.Generator().manual_seed(2)).bfloat16().to("cuda")
    prefill, decoding = layer(x), layer(x[:1])
    assert layer.qweight is None, "the layout of this PyTorch is another"
    # For groups of 64 the kernel's own scales and zeros add an eighth of the codes.
    assert held_bytes(layer) < 1.12 * before
    assert torch.equal(layer(x), prefill)
    scale = float(prefill[:1].float().square().mean().sqrt())
    assert float((decoding - prefill[:1]).float().abs().max()) < 0.05 * scale
    assert torch.equal(layer.to("cpu").quantized().codes, weight.codes)
