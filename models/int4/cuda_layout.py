"""Where PyTorch's CUDA kernel keeps each int4 code, so that no second copy has to be held.

`torch.ops.aten._convert_weight_to_int4pack` cuts the weight into tiles of 8 outputs by 128
inputs (`INNER_K_TILES` tiles of 16), each held by the 32 lanes of a warp. Lane l has the codes
of output l // 4; each of its words has eight codes of 32 neighbouring inputs. From the lowest
bits upwards they are those of the inputs 0, 8, 16, 24, 1, 9, 17, 25 behind 2 * (l % 4).
Source: aten/src/ATen/native/cuda/int4mm.cu of https://github.com/pytorch/pytorch (2.13).
"""

import torch
from torch import Tensor

INNER_K_TILES = 8
TILE_OUTPUTS = 8
"""Outputs of a tile; a slice of the layout holds whole tiles."""


def unpack_cuda(packed: Tensor) -> Tensor:
    """Read the codes out of the kernel's layout.

    packed: (out / 8, in / 128, 32, 4) int32, or some of its tiles of outputs.
    Returns (out, in) uint8.
    """
    tiles, deep, _, words = packed.shape
    shifts = torch.arange(0, 32, 4, dtype=torch.int32, device=packed.device)
    codes = ((packed.unsqueeze(-1) >> shifts) & 15).to(torch.uint8)
    # Input within 32: 16 * upper + 8 * middle + 2 * lane + odd.
    codes = codes.view(tiles, deep, TILE_OUTPUTS, 4, words, 2, 2, 2)
    # Now (tile, deep, output, lane, word, odd, upper, middle).
    codes = codes.permute(0, 2, 1, 4, 6, 7, 3, 5)
    return codes.reshape(tiles * TILE_OUTPUTS, -1)
