"""CUDA's two int4 operators on host memory, written from what its source does lane by lane.

Source: aten/src/ATen/native/cuda/int4mm.cu (2.13), and for the fragments of matrix B the PTX ISA,
"Matrix Fragments for mma.m16n8k16". Nothing here is shared with ``models.int4``.
"""

import numpy as np
import torch
from torch import Tensor

_GROUPS = (32, 64, 128, 256)
_LANES = 32


def require(condition: bool, text: str) -> None:
    """Fail as a TORCH_CHECK of the operator does.

    Raises:
        RuntimeError: the condition does not hold.
    """
    if not condition:
        raise RuntimeError(f"int4mm.cu: expected {text}")


def pack(pairs: Tensor, inner_k_tiles: int) -> Tensor:
    """``_convert_weight_to_int4pack``: (out, in / 2) uint8, even inputs in the high halves.

    Returns (out / 8, in / (16 · inner), 32, inner / 2) int32.

    Raises:
        RuntimeError: CUDA would refuse it.
    """
    require(pairs.dim() == 2 and pairs.dtype == torch.uint8, "a uint8 matrix of pairs")
    require(pairs.is_contiguous(), "contiguous pairs")
    require(inner_k_tiles in (2, 4, 8), "2, 4 or 8 inner k-tiles")
    outputs, bytes_ = pairs.shape
    require(bytes_ % (inner_k_tiles * 8) == 0, "inputs that fill the inner k-tiles")
    tiles = -(-outputs // 8)
    held = np.zeros((tiles * 8, bytes_), np.uint32)
    held[:outputs] = pairs.numpy()
    # A lane takes from output lane // 4 the bytes lane % 4, 4 further, and both again 8 further.
    held = held.reshape(tiles, 8, bytes_ // (inner_k_tiles * 8), inner_k_tiles // 2, 4, 4)
    lanes = held.transpose(0, 2, 1, 5, 3, 4).reshape(tiles, -1, _LANES, inner_k_tiles // 2, 4)
    words = np.zeros(lanes.shape[:-1], np.uint32)
    for place in range(4):
        byte = lanes[..., place]
        words |= (byte >> 4) << np.uint32(4 * place) | (byte & 15) << np.uint32(16 + 4 * place)
    return torch.from_numpy(words.view(np.int32))


def multiply(x: Tensor, packed: Tensor, group_size: int, scales_and_zeros: Tensor) -> Tensor:
    """``_weight_int4pack_mm``: (rows, in) bfloat16 by a packed weight; returns (rows, out).

    Raises:
        RuntimeError: CUDA would refuse it, or read past what it is given.
    """
    require(x.dtype == torch.bfloat16 and x.dim() == 2, "a bfloat16 matrix")
    require(x.is_contiguous() and packed.is_contiguous(), "contiguous operands")
    require(packed.dtype == torch.int32 and packed.dim() == 4, "a packed int32 weight")
    require(packed.shape[2] == _LANES and packed.shape[3] in (1, 2, 4), "a layout of 32 lanes")
    require(group_size in _GROUPS, "groups of 32, 64, 128 or 256")
    inputs, outputs = x.shape[1], packed.shape[0] * 8
    inner = packed.shape[3] * 2
    require(inputs == packed.shape[1] * inner * 16, "as many inputs as the weight has")
    require(inputs % group_size == 0, "whole groups")
    require(scales_and_zeros.dim() == 3, "three dimensions of scales and zeros")
    require(scales_and_zeros.shape[1:] == (outputs, 2), "scales and zeros of every output")
    # CUDA reads these through a bare pointer and checks nothing of them.
    require(scales_and_zeros.dtype == torch.bfloat16, "bfloat16 scales and zeros")
    require(scales_and_zeros.is_contiguous(), "contiguous scales and zeros")
    require(scales_and_zeros.shape[0] == inputs // group_size, "scales and zeros of every group")
    weight = _dequantized(packed, group_size, scales_and_zeros)
    return (x.double() @ weight.double()).bfloat16()


def _dequantized(packed: Tensor, group_size: int, scales_and_zeros: Tensor) -> Tensor:
    """The weight (in, out) bfloat16 as the tensor cores get it, fragment by fragment."""
    tiles, deep, _, pairs = packed.shape
    words = packed.long() & 0xFFFFFFFF
    grid = scales_and_zeros.double()
    weight = torch.zeros(deep * pairs * 32, tiles * 8, dtype=torch.bfloat16)
    # A word feeds two products, whose fragments have two registers of two halves each.
    place = torch.arange(8)
    product, register, half = place // 4, place // 2 % 2, place % 2
    shift = 4 * (2 * product + register) + 16 * half
    pair = torch.arange(deep * pairs)[:, None]
    for lane in range(_LANES):
        outputs = torch.arange(tiles) * 8 + lane // 4
        inputs = (2 * pair + product) * 16 + 8 * register + 2 * (lane % 4) + half
        inputs = inputs.flatten()
        codes = words[:, :, lane].reshape(tiles, -1, 1) >> shift & 15
        scale, zero = grid[inputs // group_size][:, outputs].unbind(-1)
        # A fused multiply-add: one rounding.
        value = (codes.reshape(tiles, -1).T - 8) * scale + zero
        weight[inputs[:, None], outputs[None]] = value.bfloat16()
    return weight
