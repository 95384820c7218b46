"""The grid: scales and zero points per row and group, and rounding onto them.

A value is stored as a code ``c`` in ``0 .. 2**bits - 1`` and read back as ``scale * (c - zero)``.
Scales are rounded to fp16 before any code is computed, so that what is optimized is what is
stored; the product of such a scale and a small integer is exact in float32.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.int4.weight import QuantizedWeight
from quantizer.errors import SettingsError, WeightError

_SMALLEST_SCALE = 2.0**-24  # the smallest positive fp16 number
_SHRINK_FACTORS = tuple(1.0 - 0.02 * step for step in range(16))  # 1.00, 0.98 … 0.70

SEARCHED_COLUMNS = 4096
"""Columns whose scales a card searches together."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Scales and zero points of one weight.

    scale: (out, groups) float32, positive, exactly representable in fp16.
    zero:  (out, groups) float32 holding integers in ``1 .. 2**bits - 1``.
    """

    scale: Tensor
    zero: Tensor
    group_size: int
    bits: int

    @property
    def top(self) -> int:
        """The largest code."""
        return int(2**self.bits - 1)

    @classmethod
    def of(cls, weight: QuantizedWeight) -> "Grid":
        """The grid that a quantized weight stands on."""
        return cls(weight.scale, weight.zero.to(torch.float32), weight.group_size, weight.bits)

    def weight(self, codes: Tensor) -> QuantizedWeight:
        """The weight that codes (out, in) uint8 stand for on this grid."""
        return QuantizedWeight(codes, self.scale, self.zero.int(), self.group_size, self.bits)

    def columns(self, in_features: int) -> tuple[Tensor, Tensor]:
        """Scale and zero of every column, each (out, in); column k belongs to group k // g."""
        wide_scale = self.scale.repeat_interleave(self.group_size, dim=1)[:, :in_features]
        wide_zero = self.zero.repeat_interleave(self.group_size, dim=1)[:, :in_features]
        return wide_scale, wide_zero


def nearest_code(value: Tensor, scale: Tensor, zero: Tensor, top: int) -> Tensor:
    """Code nearest to each value, as float; all shapes broadcast."""
    return ((value / scale).round_() + zero).clamp_(0, top)


def round_to_nearest(weight: Tensor, grid: Grid) -> QuantizedWeight:
    """Round every weight (out, in) to its nearest grid point (RTN)."""
    scale, zero = grid.columns(weight.shape[1])
    return grid.weight(nearest_code(weight, scale, zero, grid.top).to(torch.uint8))


def minmax_grid(weight: Tensor, *, bits: int, group_size: int, sym: bool) -> Grid:
    """Grid that spans each group from its minimum to its maximum, both clamped to include 0.

    weight: (out, in) float32; the last group may be shorter than ``group_size``.

    Raises:
        SettingsError: ``bits`` is outside 2 .. 8 or ``group_size`` is not positive.
        WeightError: the weight is not finite, or too large for fp16 scales.
    """
    _check(weight, bits, group_size)
    grouped = _grouped(weight, group_size)
    low = grouped.amin(dim=2).clamp_(max=0)
    high = grouped.amax(dim=2).clamp_(min=0)
    return Grid(*_span(low, high, bits, sym), group_size, bits)


def hessian_grid(weight: Tensor, hessian: Tensor, *, bits: int, group_size: int, sym: bool) -> Grid:
    """Min/max grid shrunk per row and group by the factor that costs the least output error.

    Minimizes ``e H_bb eᵀ`` over factors from 1 down to 0.7, where ``e`` is the rounding error of
    the group and ``H_bb`` its diagonal block of the Hessian (in, in). Ties keep the wider grid.

    Raises:
        SettingsError: ``bits`` is outside 2 .. 8 or ``group_size`` is not positive.
        WeightError: the weight is not finite, or too large for fp16 scales.
    """
    best = minmax_grid(weight, bits=bits, group_size=group_size, sym=sym)
    scale, zero = best.scale.clone(), best.zero.clone()
    whole = weight.shape[1] // group_size
    # A launch costs a card more than the arithmetic in it; a CPU's cache holds one group.
    together = max(1, SEARCHED_COLUMNS // group_size) if weight.is_cuda else 1
    for first in range(0, whole, together):
        groups = slice(first, min(first + together, whole))
        columns = slice(groups.start * group_size, groups.stop * group_size)
        parts = weight[:, columns].view(len(weight), -1, group_size).transpose(0, 1)
        blocks = _diagonal_blocks(hessian[columns, columns], group_size)
        start = scale[:, groups].T.unsqueeze(-1), zero[:, groups].T.unsqueeze(-1)
        s, z = _searched(parts, blocks, start, best.top, bits, sym)
        scale[:, groups], zero[:, groups] = s.squeeze(-1).T, z.squeeze(-1).T
    if whole * group_size < weight.shape[1]:  # a ragged last group
        rest = slice(whole * group_size, None)
        start = scale[:, whole:], zero[:, whole:]
        s, z = _searched(weight[:, rest], hessian[rest, rest], start, best.top, bits, sym)
        scale[:, whole:], zero[:, whole:] = s, z
    return Grid(scale, zero, group_size, bits)


def _diagonal_blocks(hessian: Tensor, size: int) -> Tensor:
    """The blocks (n, size, size) on the diagonal of a matrix (n·size, n·size)."""
    count = len(hessian) // size
    blocks = hessian.reshape(count, size, count, size).diagonal(dim1=0, dim2=2)
    return blocks.permute(2, 0, 1)


def _searched(
    parts: Tensor,
    blocks: Tensor,
    start: tuple[Tensor, Tensor],
    top: int,
    bits: int,
    sym: bool,
) -> tuple[Tensor, Tensor]:
    """The best scale and zero (..., out, 1) of groups (..., out, g) with blocks (..., g, g) of H.

    start: what stays where no factor has a cost that is a number.
    """
    low = parts.amin(dim=-1, keepdim=True).clamp_(max=0)
    high = parts.amax(dim=-1, keepdim=True).clamp_(min=0)
    least = torch.full_like(low, torch.inf)
    scale, zero = start
    factors = torch.tensor(_SHRINK_FACTORS, dtype=low.dtype).to(low.device)
    factors = factors.view(-1, *(1 for _ in low.shape))
    for s, z in zip(*_span(factors * low, factors * high, bits, sym), strict=True):
        error = nearest_code(parts, s, z, top).sub_(z).mul_(s).sub_(parts)
        cost = (error @ blocks).mul_(error).sum(dim=-1, keepdim=True)
        better = cost < least
        least = torch.where(better, cost, least)
        scale, zero = torch.where(better, s, scale), torch.where(better, z, zero)
    return scale, zero


def stored_scale(scale: Tensor) -> Tensor:
    """Round scales to what an fp16 file holds; too small ones become the smallest positive."""
    return scale.to(torch.float16).to(torch.float32).clamp_(min=_SMALLEST_SCALE)


def _span(low: Tensor, high: Tensor, bits: int, sym: bool) -> tuple[Tensor, Tensor]:
    """Scale and zero that cover [low, high], low <= 0 <= high, any shape."""
    top = 2**bits - 1
    middle = 2 ** (bits - 1)
    if sym:
        scale = stored_scale(2 * torch.maximum(-low, high) / top)
        zero = torch.full_like(scale, middle)
    else:
        scale = stored_scale((high - low) / top)
        zero = torch.round(-low / scale).clamp_(0, top)
        # The file stores zero - 1, and several loaders let a stored -1 spill into its neighbours.
        at_zero = zero == 0
        scale = torch.where(at_zero, stored_scale(high / (top - 1)), scale)
        zero = torch.where(at_zero, torch.ones_like(zero), zero)
    empty = (low == 0) & (high == 0)
    scale = torch.where(empty, torch.ones_like(scale), scale)
    zero = torch.where(empty, torch.full_like(zero, middle), zero)
    if not bool(torch.isfinite(scale).all()):
        raise WeightError(
            "a weight is too large for an fp16 scale (largest scale 65504): "
            "rescale the layer, or leave it out"
        )
    return scale, zero


def _grouped(weight: Tensor, group_size: int) -> Tensor:
    """View (out, in) as (out, groups, g); zeros fill a ragged last group, which never widens it."""
    out_features, in_features = weight.shape
    missing = -in_features % group_size
    padded = torch.nn.functional.pad(weight, (0, missing))
    return padded.view(out_features, -1, group_size)


def _check(weight: Tensor, bits: int, group_size: int) -> None:
    if not 2 <= bits <= 8:
        raise SettingsError(f"bits must lie in 2 .. 8, not {bits}")
    if group_size < 1:
        raise SettingsError(f"group size must be positive, not {group_size}")
    if not bool(torch.isfinite(weight).all()):
        raise WeightError("the weight holds NaN or infinity: the source checkpoint is damaged")
