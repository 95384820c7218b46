"""The pretend card refuses, computes and counts as CUDA's documentation and source say."""

import copy
import gc

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.pretend_gpu.counts import Counts
from tests.pretend_gpu.device import pretend_card
from tests.pretend_gpu.guard import load_guard
from tests.pretend_gpu.rules import MixedDevices

attention = nn.functional.scaled_dot_product_attention
aten = torch.ops.aten

pytestmark = pytest.mark.skipif(load_guard() is not None, reason=str(load_guard()))


def seeded(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape))).to(dtype)


def test_values_are_those_of_the_host(card: Counts) -> None:
    x, w = seeded(3, 4), seeded(5, 4)
    y = torch.nn.functional.linear(x.to("cuda"), w.to("cuda")).relu()
    assert y.device == torch.device("cuda:0")
    torch.testing.assert_close(y.cpu(), (x @ w.T).relu())
    y += 1
    y[0] = 7
    assert y[0].tolist() == [7.0] * 5
    torch.testing.assert_close(y[1:].cpu(), (x @ w.T).relu()[1:] + 1)


def test_modules_move_there_and_back(card: Counts) -> None:
    layer = nn.Linear(4, 5)
    weight = layer.weight.detach().clone()
    layer.to("cuda")
    twin = copy.deepcopy(layer)
    assert layer.weight.is_cuda and twin.weight.is_cuda
    layer.weight.data.zero_()
    assert torch.equal(twin.to("cpu").weight, weight)
    assert not layer.to("cpu").weight.any()


@pytest.mark.parametrize(
    "mix",
    [
        lambda here, there: here + there,
        lambda here, there: here @ there,
        lambda here, there: torch.cat([here, there]),
        lambda here, there: torch.where(here > 0, here, there),
        lambda here, there: there.add_(here),
        lambda here, there: there[here.argmax(1)],
        lambda here, there: attention(here[None, None], here[None, None], there[None, None]),
    ],
)
def test_two_devices_do_not_mix(card: Counts, mix: object) -> None:
    assert callable(mix)
    with pytest.raises(MixedDevices):
        mix(seeded(4, 4).to("cuda"), seeded(4, 4))


def test_what_cuda_lets_mix(card: Counts) -> None:
    here, there = seeded(4, 4).to("cuda"), seeded(4, 4)
    assert (here * there.max()).is_cuda
    assert here[torch.tensor([0, 2])].is_cuda
    here.copy_(there)
    assert torch.equal(here.cpu(), there)


def test_numpy_wants_the_host(card: Counts) -> None:
    with pytest.raises(TypeError, match="cuda"):
        seeded(2).to("cuda").numpy()
    with pytest.raises(TypeError, match="cuda"):
        np.asarray(seeded(2).to("cuda"))


def test_launches_waits_and_copies_are_counted(card: Counts) -> None:
    x = torch.zeros(8, 8, device="cuda")
    assert (card.launches.total(), card.waits.total()) == (1, 0)
    x.T[:2].reshape(16).view(2, 8)  # a copy of what is not contiguous; views start nothing
    assert card.launches.total() == 2
    assert float(x.sum()) == 0.0
    assert (card.launches.total(), card.waits.total()) == (3, 1)
    x[x > 0]
    assert card.waits.total() == 2
    card.clear()
    y = seeded(4, 4).to("cuda", torch.bfloat16)
    assert card.copied_in.total() == card.blocking.total() == 32
    y.cpu()
    assert (card.copied_out.total(), card.blocking.total(), card.waits.total()) == (32, 64, 1)


def test_pinned_memory_need_not_wait(card: Counts) -> None:
    held = seeded(4, 4).pin_memory()
    assert held.is_pinned() and not seeded(4, 4).is_pinned()
    there = held.to("cuda", non_blocking=True)
    torch.empty(4, 4, pin_memory=True).copy_(there, non_blocking=True)
    assert (card.blocking.total(), card.waits.total()) == (0, 0)
    seeded(4, 4).to("cuda", non_blocking=True)  # pageable: the driver copies it first
    assert card.blocking.total() == 64


def test_living_bytes_and_their_peak(card: Counts) -> None:
    x = torch.zeros(1000, device="cuda")
    view = x[:10]
    assert card.living == 4096  # whole pieces of 512
    y = x + 1
    del y, x
    gc.collect()
    assert (card.living, card.peak) == (4096, 8192)
    del view
    assert card.living == 0


def test_a_full_card_says_so() -> None:
    with pretend_card(total=4096), pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        torch.zeros(2000, device="cuda")
    with pretend_card(total=4096):  # what failed holds nothing
        assert torch.cuda.mem_get_info() == (4096, 4096)


def test_inference_mode_and_moves_back(card: Counts) -> None:
    layer = nn.Linear(4, 4).to("cuda")
    with torch.inference_mode():
        result = layer(seeded(2, 4).to("cuda"))
    assert not result.requires_grad and result.is_cuda
    assert layer(seeded(2, 4).to("cuda")).requires_grad


@pytest.mark.parametrize(
    ("dtype", "heads", "width", "masked", "causal", "kernel"),
    [
        (torch.bfloat16, 4, 64, False, False, "flash"),
        (torch.bfloat16, 2, 64, False, False, "flash"),  # grouped heads
        (torch.bfloat16, 4, 64, True, False, "efficient"),
        (torch.bfloat16, 2, 64, True, False, "math"),
        (torch.bfloat16, 4, 60, True, False, "math"),  # rows of no 16 bytes
        (torch.float32, 4, 64, False, False, "efficient"),
        (torch.float32, 4, 60, True, False, "efficient"),
        (torch.float32, 2, 64, False, False, "math"),
        (torch.float64, 4, 64, False, False, "math"),
        (torch.bfloat16, 4, 64, False, True, "efficient"),  # causal, and not square
    ],
)
def test_attention_takes_the_kernel_that_cuda_would(
    card: Counts,
    dtype: torch.dtype,
    heads: int,
    width: int,
    masked: bool,
    causal: bool,
    kernel: str,
) -> None:
    query = seeded(1, 4, 3, width, dtype=dtype)
    keys = seeded(1, heads, 5, width, dtype=dtype)
    mask = torch.ones(3, 5, dtype=torch.bool) if masked else None
    options = {"is_causal": causal, "enable_gqa": heads != 4}
    expected = attention(query, keys, keys, mask, **options)
    placed = [None if x is None else x.to("cuda") for x in (query, keys, keys, mask)]
    launches = card.launches.total()
    result = attention(*placed, **options)
    assert card.kernels == {kernel}
    assert (card.launches.total() - launches > 3) == (kernel == "math")
    torch.testing.assert_close(result.cpu(), expected, rtol=2e-2, atol=2e-2)


def packed_on_card(codes: Tensor) -> Tensor:
    pairs = (codes[:, ::2] * 16 + codes[:, 1::2]).byte().contiguous()
    packed: Tensor = aten._convert_weight_to_int4pack(pairs.to("cuda"), 8)
    return packed


def test_int4_product_is_that_of_the_grid(card: Counts) -> None:
    codes = torch.randint(0, 16, (16, 256), generator=torch.Generator().manual_seed(0))
    grid = torch.stack([seeded(4, 16).abs(), seeded(16, 4).T], -1).bfloat16()
    x = seeded(3, 256, dtype=torch.bfloat16)
    product = aten._weight_int4pack_mm(
        x.to("cuda"), packed_on_card(codes), 64, grid.contiguous().to("cuda")
    )
    wide = grid.float().repeat_interleave(64, 0)  # (in, out, 2)
    weight = ((codes.T - 8) * wide[..., 0] + wide[..., 1]).bfloat16().float()
    torch.testing.assert_close(product.cpu().float(), x.float() @ weight, rtol=8e-3, atol=1e-2)


def test_int4_refuses_what_cuda_refuses(card: Counts) -> None:
    packed = packed_on_card(torch.zeros(16, 256, dtype=torch.int64))
    grid = torch.ones(4, 16, 2).bfloat16().to("cuda")
    x = torch.ones(1, 256).bfloat16().to("cuda")
    multiply = aten._weight_int4pack_mm
    for call in (
        lambda: multiply(x.half(), packed, 64, grid),
        lambda: multiply(x, packed, 48, grid),
        lambda: multiply(x, packed, 128, grid),  # scales of other groups
        lambda: multiply(x, packed, 64, grid.float()),
        lambda: multiply(x[:, :128].contiguous(), packed, 64, grid),
        lambda: aten._convert_weight_to_int4pack(grid[..., 0].int(), 8),
    ):
        with pytest.raises(RuntimeError, match=r"int4mm\.cu"):
            call()
    with pytest.raises(NotImplementedError, match="CUDA"):
        aten._convert_weight_to_int4pack_for_cpu(torch.zeros(16, 32).int().to("cuda"), 1)


def test_nothing_of_it_stays() -> None:
    with pretend_card():
        assert torch.cuda.is_available()
    assert not torch.cuda.is_available()
    with pytest.raises((AssertionError, RuntimeError)):
        torch.zeros(2, device="cuda")
