"""The coordinate step of one block; see ``quantizer.solvers.rpiq.coordinate_step``.

The block's residual is kept up to date column by column, so that it is complete at the end.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from quantizer.solvers.fused.rounding import nearest_code

ROWS = 2  # of a program, as in the walk


# Triton is untyped, and so is what it hands to a kernel: pointers, strides, constants.
@triton.jit  # type: ignore[untyped-decorator]
def _coordinate(  # type: ignore[no-untyped-def]
    codes,
    scale,
    zero,
    residual,
    hessian,
    order,
    new_codes,
    new_residual,
    rows,
    columns,
    count,
    top,
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
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)
    mine = row < rows
    inside = mine[:, None] & (column < columns)[None, :]
    row = row.to(tl.int64)
    old = codes + row * codes_row
    places = old[:, None] + column[None, :] * codes_column
    chosen = tl.load(places, mask=inside, other=0.0)
    places = row[:, None] * residual_row + column[None, :] * residual_column
    pull = tl.load(residual + places, mask=inside, other=0.0)
    for i in range(count):
        j = tl.load(order + i)
        here = (column == j)[None, :]
        slope = tl.sum(tl.where(here, pull, 0.0), axis=1)
        c = tl.load(old + j * codes_column, mask=mine, other=0.0)
        s = tl.load(scale + row * scale_row + j * scale_column, mask=mine, other=1.0)
        z = tl.load(zero + row * zero_row + j * zero_column, mask=mine, other=0.0)
        diagonal = tl.load(hessian + j * (hessian_row + hessian_column))
        optimum = (c - z) * s - tl.div_rn(slope, diagonal)
        step = nearest_code(optimum, s, z, top) - c
        d = step * s
        quadratic = d * d * diagonal
        kept = 2.0 * d * slope + quadratic < -rounding * quadratic
        step = tl.where(kept, step, 0.0)
        chosen = tl.where(here, chosen + step[:, None], chosen)
        spread = tl.load(
            hessian + j * hessian_row + column * hessian_column, mask=column < columns, other=0.0
        )
        pull = pull + (step * s)[:, None] * spread[None, :]
    places = row[:, None] * columns + column[None, :]
    tl.store(new_codes + places, chosen, mask=inside)
    tl.store(new_residual + places, pull, mask=inside)


def launch(
    codes: Tensor,
    scale: Tensor,
    zero: Tensor,
    residual: Tensor,
    hessian: Tensor,
    order: Tensor,
    top: int,
    rounding: float,
) -> tuple[Tensor, Tensor]:
    """Step through a block: codes, scale, zero, residual (out, b), hessian (b, b), any strides.

    order: (n,) int64, the columns that are given new codes, in turn.
    rounding: share of the quadratic term of a change that may be rounding noise.
    Returns codes and residual behind the step, both (out, b) float32, contiguous.
    """
    rows, columns = codes.shape
    new_codes = torch.empty(rows, columns, dtype=torch.float32, device=codes.device)
    new_residual = torch.empty_like(new_codes)
    _coordinate[(triton.cdiv(rows, ROWS),)](
        codes,
        scale,
        zero,
        residual,
        hessian,
        order.contiguous(),
        new_codes,
        new_residual,
        rows,
        columns,
        order.numel(),
        float(top),
        rounding,
        *codes.stride(),
        *scale.stride(),
        *zero.stride(),
        *residual.stride(),
        *hessian.stride(),
        ROWS=ROWS,
        WIDTH=triton.next_power_of_2(columns),
        enable_fp_fusion=False,
        num_warps=1,
    )
    return new_codes, new_residual
