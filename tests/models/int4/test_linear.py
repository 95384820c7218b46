"""Int4Linear against `nn.Linear` on the dequantized weight."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from models.errors import CheckpointError
from models.int4 import Int4Linear, QuantizedWeight, kernels, pack, replace_linear

BF16_RELATIVE = 2.0**-8
"""One rounding of a bfloat16 value: eight significant bits."""


def asymmetric_weight(
    out_features: int, in_features: int, group_size: int, *, zero: int | None = None, bits: int = 4
) -> QuantizedWeight:
    generator = torch.Generator().manual_seed(out_features * 1000 + in_features)
    groups = -(-in_features // group_size)
    shape = (out_features, groups)
    zeros = torch.randint(1, 2**bits, shape, generator=generator)
    return QuantizedWeight(
        codes=torch.randint(0, 2**bits, (out_features, in_features), generator=generator).to(
            torch.uint8
        ),
        scale=(torch.rand(shape, generator=generator) * 0.05 + 0.005).half().float(),
        zero=(torch.full_like(zeros, zero) if zero else zeros).to(torch.int32),
        group_size=group_size,
        bits=bits,
    )


def dense(weight: QuantizedWeight, bias: Tensor | None = None) -> nn.Linear:
    """The oracle: every weight computed by its own Python expression."""
    out_features, in_features = weight.codes.shape
    codes, zeros, scales = weight.codes.tolist(), weight.zero.tolist(), weight.scale.tolist()
    size = weight.group_size
    layer = nn.Linear(in_features, out_features, bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(
            torch.tensor(
                [
                    [
                        (codes[n][k] - zeros[n][k // size]) * scales[n][k // size]
                        for k in range(in_features)
                    ]
                    for n in range(out_features)
                ]
            )
        )
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def rows(count: int, in_features: int) -> Tensor:
    return torch.randn(count, in_features, generator=torch.Generator().manual_seed(count))


def bf16_bound(x: Tensor, weight: Tensor, grid_zero_and_scale: Tensor) -> Tensor:
    """Worst difference that rounding inputs, scales, float zeros and output can make."""
    return BF16_RELATIVE * (x.abs() @ (weight.abs() + grid_zero_and_scale).T) * 2 + 1e-3


def grid_reach(weight: QuantizedWeight) -> Tensor:
    """Sizes of the two terms of the kernel, (code-8)*s and (8-z)*s, summed; (out, in)."""
    group = torch.arange(weight.codes.shape[1]) // weight.group_size
    return ((weight.codes.float() - 8).abs() + (8 - weight.zero.float()).abs()[:, group]) * (
        weight.scale[:, group]
    )


@pytest.mark.parametrize("group_size", [32, 64, 128, 256])
@pytest.mark.parametrize("zero", [None, 1, 8, 15])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_kernel_equals_dense_layer(group_size: int, zero: int | None, device: str) -> None:
    weight = asymmetric_weight(48, 256, group_size, zero=zero)
    layer = Int4Linear.from_quantized(weight, None).to(device)
    x = rows(3, 256).bfloat16()
    assert kernels.use_kernel(torch.device(device), x.dtype, 3)
    with torch.no_grad():
        difference = layer(x.to(device)).float().cpu() - dense(weight)(x.float())
    assert layer.kernel_packed is not None, "the kernel was not used"
    bound = bf16_bound(x.float(), dense(weight).weight.detach(), grid_reach(weight))
    assert (difference.abs() <= bound).all()
    # The bound is a worst case; typical rounding is far smaller.
    scale = float(dense(weight)(x.float()).detach().square().mean().sqrt())
    assert float(difference.square().mean().sqrt()) < 0.01 * scale


@pytest.mark.parametrize(("inputs", "group_size"), [(192, 128), (96, 96), (576, 576), (512, 512)])
def test_other_groups_are_several_of_the_kernels(inputs: int, group_size: int) -> None:
    """Also a last group that is shorter."""
    weight = asymmetric_weight(48, inputs, group_size)
    layer = Int4Linear.from_quantized(weight, None)
    x = rows(3, inputs).bfloat16()
    with torch.no_grad():
        difference = layer(x).float() - dense(weight)(x.float())
    assert layer.kernel_packed is not None, "the kernel was not used"
    bound = bf16_bound(x.float(), dense(weight).weight.detach(), grid_reach(weight))
    assert (difference.abs() <= bound).all()


@pytest.mark.parametrize("count", [1, 5, 300])
def test_dequantize_path_in_float32_equals_dense_layer(count: int) -> None:
    weight = asymmetric_weight(40, 96, 32)
    bias = torch.linspace(-1, 1, 40)
    layer = Int4Linear.from_quantized(weight, bias)
    x = rows(count, 96)
    result = layer(x)
    assert result.dtype == torch.float32
    assert layer.kernel_packed is None
    torch.testing.assert_close(result, dense(weight, bias)(x).detach(), rtol=1e-5, atol=1e-5)


def test_both_paths_agree_on_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = asymmetric_weight(64, 128, 64)
    layer = Int4Linear.from_quantized(weight, torch.ones(64))
    x = rows(4, 128).bfloat16()
    by_kernel = layer(x)
    assert layer.kernel_packed is not None
    monkeypatch.setattr(kernels, "CPU_KERNEL_MAX_ROWS", 0)
    by_product = layer(x)
    root_mean_square = float(by_product.float().square().mean().sqrt())
    assert float((by_kernel - by_product).float().abs().max()) < 0.03 * root_mean_square
    assert not torch.equal(by_kernel, torch.zeros_like(by_kernel))


def test_rows_decide_the_path() -> None:
    device = torch.device("cpu")
    limit = kernels.CPU_KERNEL_MAX_ROWS
    assert kernels.use_kernel(device, torch.bfloat16, 1)
    assert kernels.use_kernel(device, torch.bfloat16, limit)
    assert not kernels.use_kernel(device, torch.bfloat16, limit + 1)
    assert not kernels.use_kernel(device, torch.float32, 1)
    assert not kernels.use_kernel(device, torch.bfloat16, 0)


@pytest.mark.parametrize(
    ("out_features", "in_features", "group_size", "bits", "reason"),
    [
        (40, 64, 32, 4, "multiple of 16"),
        (32, 80, 32, 4, "whole groups"),
        (32, 64, 16, 4, "group size 16"),
        (32, 64, 16, 8, "8 bits"),
    ],
)
def test_layers_that_do_not_qualify_still_multiply(
    out_features: int, in_features: int, group_size: int, bits: int, reason: str
) -> None:
    refusal = kernels.kernel_refusal(
        torch.device("cpu"), in_features, out_features, group_size, bits
    )
    assert refusal is not None and reason in refusal
    weight = asymmetric_weight(out_features, in_features, group_size, bits=bits)
    layer = Int4Linear.from_quantized(weight, None)
    x = rows(2, in_features)
    torch.testing.assert_close(layer(x), dense(weight)(x).detach(), rtol=1e-5, atol=1e-4)
    assert layer(x.bfloat16()).dtype == torch.bfloat16
    assert layer.kernel_packed is None


@pytest.mark.parametrize("zero", [128, None])
def test_a_layer_of_8_bits_is_multiplied_as_two_halves(zero: int | None) -> None:
    refusal = kernels.kernel_refusal(torch.device("cpu"), 64, 32, 32, 8)
    assert refusal is not None and "8 bits" in refusal  # whole
    weight = asymmetric_weight(32, 64, 32, zero=zero, bits=8)
    layer = Int4Linear.from_quantized(weight, None)
    x = rows(3, 64).bfloat16()
    product = layer(x)
    assert layer.kernel_packed is not None
    wanted = dense(weight)(x.float()).detach()
    # Scales, zeros, both products and their sum are rounded to bfloat16.
    group = torch.arange(64) // 32
    codes, zeros, scales = weight.codes.float(), weight.zero.float(), weight.scale[:, group]
    sizes = (codes // 16 * 16 - 128).abs() + (codes % 16 - 8).abs() + (136 - zeros).abs()[:, group]
    bound = 2 * BF16_RELATIVE * (x.float().abs() @ (sizes * scales).T)
    assert bool(((product.float() - wanted).abs() <= bound).all())
    # Neither half alone would do.
    for part in (codes // 16 * 16, codes % 16):
        alone = dense(replace(weight, codes=part.to(torch.uint8)))(x.float()).detach()
        assert bool(((alone - wanted).abs() > bound).any())
    difference = layer.kernel_difference()
    assert difference is not None and difference < 0.01
    assert layer.kernel_weight() is None  # to be joined with others
    assert torch.equal(layer.quantized().codes, weight.codes)


def test_on_a_card_8_bits_are_dequantized() -> None:
    assert not kernels.by_halves(torch.device("cuda"), 8)
    assert not any(kernels.by_halves(torch.device("cpu"), bits) for bits in (3, 4))


def test_wide_layers_are_multiplied_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "SLICE_ELEMENTS", 64 * 20)
    weight = asymmetric_weight(72, 64, 32)
    x = rows(6, 64)
    result = Int4Linear.from_quantized(weight, None)(x)
    torch.testing.assert_close(result, dense(weight)(x).detach(), rtol=1e-5, atol=1e-5)


def test_leading_dimensions_are_kept_and_no_rows_are_no_error() -> None:
    weight = asymmetric_weight(32, 64, 32)
    layer = Int4Linear.from_quantized(weight, None)
    x = rows(6, 64).reshape(2, 3, 64)
    torch.testing.assert_close(layer(x), dense(weight)(x).detach(), rtol=1e-5, atol=1e-5)
    assert layer(x[:0].bfloat16()).shape == (0, 3, 32)


def test_state_dict_round_trip() -> None:
    weight = asymmetric_weight(32, 64, 32)
    layer = Int4Linear.from_quantized(weight, torch.ones(32))
    x = rows(2, 64).bfloat16()
    before = layer(x)  # builds the kernel's layout, which must stay out of the state dict
    state = layer.state_dict()
    assert set(state) == {"qweight", "qzeros", "scales", "g_idx", "bias"}
    other = Int4Linear(64, 32, 32, bias=True)
    other(x)  # a stale layout that loading must drop
    other.load_state_dict(state)
    assert torch.equal(other(x), before)
    assert torch.equal(other.quantized().codes, weight.codes)


def test_casting_the_model_keeps_the_stored_scales() -> None:
    weight = asymmetric_weight(32, 64, 32)
    layer = Int4Linear.from_quantized(weight, torch.ones(32)).to(torch.bfloat16)
    assert layer.scales.dtype == torch.float16
    assert layer.bias is not None and layer.bias.dtype == torch.bfloat16
    assert torch.equal(layer.quantized().scale, weight.scale)


def test_layer_built_on_the_meta_device_takes_its_tensors() -> None:
    weight = asymmetric_weight(32, 64, 32)
    filled = Int4Linear.from_quantized(weight, None)
    with torch.device("meta"):
        layer = Int4Linear(64, 32, 32, bias=False)
    assert layer.qweight.is_meta
    layer.load_state_dict(filled.state_dict(), assign=True)
    x = rows(2, 64)
    assert torch.equal(layer(x), filled(x))


def test_replace_linear_puts_the_layer_in_place_and_refuses_what_is_no_linear() -> None:
    inner = nn.Sequential(nn.Linear(64, 32), nn.ReLU())
    parent = nn.ModuleDict({"inner": inner})
    layer = Int4Linear.from_quantized(asymmetric_weight(32, 64, 32), None)
    replace_linear(parent, "inner.0", layer)
    assert parent.get_submodule("inner.0") is layer
    with pytest.raises(CheckpointError, match="inner.1 is quantized"):
        replace_linear(parent, "inner.1", layer)
    with pytest.raises(CheckpointError, match="other.0 is quantized"):
        replace_linear(parent, "other.0", layer)
    inner[0] = nn.Linear(64, 48)
    with pytest.raises(CheckpointError, match="64 -> 32 in the checkpoint but 64 -> 48"):
        replace_linear(parent, "inner.0", layer)


def test_a_weight_whose_columns_are_sorted_runs_on_inputs_in_their_own_order() -> None:
    weight = asymmetric_weight(16, 80, 32)
    order = torch.randperm(weight.shape[1], generator=torch.Generator().manual_seed(5))
    permuted = replace(weight, input_order=order)
    dense = permuted.dequantize()
    for column, place in enumerate(order.tolist()):
        assert torch.equal(dense[:, place], weight.dequantize()[:, column])
    x = torch.randn(3, weight.shape[1], generator=torch.Generator().manual_seed(6))
    layer = Int4Linear.from_quantized(permuted, None)
    torch.testing.assert_close(layer(x), x @ dense.T, rtol=1e-4, atol=1e-4)
    # Nothing is lost on the way through a layer.
    again = Int4Linear.from_quantized(layer.quantized(), None)
    assert torch.equal(again(x), layer(x))
    assert torch.equal(permuted.to("cpu").dequantize(), dense)


def test_a_file_that_could_not_say_the_order_of_columns_is_not_written() -> None:
    weight = asymmetric_weight(16, 80, 32)
    with pytest.raises(CheckpointError, match="follow the activations"):
        pack(replace(weight, input_order=torch.arange(weight.shape[1])))
