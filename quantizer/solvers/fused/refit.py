"""The refit of one block's scales; see ``quantizer.solvers.rpiq.refit_step``.

A change of a scale moves the weights of its group along ``u = code − zero``, so that ``u H`` alone
gives the curvature, the change in J and the change of the residual.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

_ROWS, _CHUNK = 16, 16  # rows, and columns of a group, that one product takes; it wants so many
_SMALLEST_SCALE = tl.constexpr(2.0**-24)  # the smallest positive fp16 number


# Triton is untyped, and so is what it hands to a kernel: pointers, strides, constants.
@triton.jit  # type: ignore[untyped-decorator]
def _refit(  # type: ignore[no-untyped-def]
    codes,
    scale,
    zero,
    residual,
    hessian,
    new_scale,
    new_residual,
    rows,
    columns,
    group_size,
    rounding,
    codes_row,
    codes_column,
    scale_row,
    scale_column,
    zero_row,
    zero_column,
    residual_row,
    residual_column,
    hessian_row,
    hessian_column,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
    CHUNK: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)
    mine = row < rows
    inside = mine[:, None] & (column < columns)[None, :]
    row = row.to(tl.int64)
    places = row[:, None] * codes_row + column[None, :] * codes_column
    u = tl.load(codes + places, mask=inside, other=0.0)
    places = row[:, None] * zero_row + column[None, :] * zero_column
    u = u - tl.load(zero + places, mask=inside, other=0.0)
    places = row[:, None] * scale_row + column[None, :] * scale_column
    scales = tl.load(scale + places, mask=inside, other=1.0)
    places = row[:, None] * residual_row + column[None, :] * residual_column
    pull = tl.load(residual + places, mask=inside, other=0.0)
    for first in range(0, columns, group_size):
        last = tl.minimum(first + group_size, columns)
        product = tl.zeros((ROWS, WIDTH), dtype=tl.float32)
        for start in range(first, last, CHUNK):
            k = start + tl.arange(0, CHUNK)
            known = mine[:, None] & (k < last)[None, :]
            of_codes = row[:, None] * codes_row + k[None, :] * codes_column
            of_zero = row[:, None] * zero_row + k[None, :] * zero_column
            part = tl.load(codes + of_codes, mask=known, other=0.0)
            part = part - tl.load(zero + of_zero, mask=known, other=0.0)
            square = (k < last)[:, None] & (column < columns)[None, :]
            corner = k[:, None] * hessian_row + column[None, :] * hessian_column
            block = tl.load(hessian + corner, mask=square, other=0.0)
            product += tl.dot(part, block, input_precision="ieee")
        group = ((column >= first) & (column < last))[None, :]
        own = tl.where(group, u, 0.0)
        curvature = tl.sum(own * product, axis=1)
        slope = tl.sum(own * pull, axis=1)
        old = tl.load(scale + row * scale_row + first * scale_column, mask=mine, other=1.0)
        shift = tl.div_rn(-slope, tl.maximum(curvature, 1e-30))
        wanted = old + tl.where(curvature > 0, shift, 0.0)
        stored = tl.maximum(wanted.to(tl.float16).to(tl.float32), _SMALLEST_SCALE)
        step = stored - old
        linear = 2.0 * step[:, None] * own * pull
        quadratic = (step * step)[:, None] * own * product
        noise = tl.sum(tl.abs(linear), axis=1) + tl.sum(tl.abs(quadratic), axis=1)
        change = tl.sum(linear + quadratic, axis=1) + rounding * noise
        kept = (change < 0) & (wanted > 0) & (stored < float("inf"))
        scales = tl.where(group, tl.where(kept, stored, old)[:, None], scales)
        pull += tl.where(kept, step, 0.0)[:, None] * product
    places = row[:, None] * columns + column[None, :]
    tl.store(new_scale + places, scales, mask=inside)
    tl.store(new_residual + places, pull, mask=inside)


def launch(
    codes: Tensor,
    scale: Tensor,
    zero: Tensor,
    residual: Tensor,
    hessian: Tensor,
    group_size: int,
    rounding: float,
) -> tuple[Tensor, Tensor]:
    """Refit a block: codes, scale, zero, residual (out, b), hessian (b, b), of any strides.

    rounding: share of the summed terms of a change in J that may be rounding noise.
    Returns scale and residual behind the step, both (out, b) float32, contiguous.
    """
    rows, columns = codes.shape
    new_scale = torch.empty(rows, columns, dtype=torch.float32, device=codes.device)
    new_residual = torch.empty_like(new_scale)
    _refit[(triton.cdiv(rows, _ROWS),)](
        codes,
        scale,
        zero,
        residual,
        hessian,
        new_scale,
        new_residual,
        rows,
        columns,
        group_size,
        rounding,
        *codes.stride(),
        *scale.stride(),
        *zero.stride(),
        *residual.stride(),
        *hessian.stride(),
        ROWS=_ROWS,
        WIDTH=max(triton.next_power_of_2(columns), 16),
        CHUNK=_CHUNK,
        enable_fp_fusion=False,
        num_warps=8,
    )
    return new_scale, new_residual
