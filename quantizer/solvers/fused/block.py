"""The block step of one block; see ``quantizer.solvers.rpiq.block_step``.

The projection walks over the columns in their order and adds up ``d H`` as it goes, so that at its
end each row knows whether it gains by moving.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from quantizer.solvers.fused.rounding import nearest_code

ROWS = 2  # of a program, as in the walk


# Triton is untyped, and so is what it hands to a kernel: pointers, strides, constants.
@triton.jit  # type: ignore[untyped-decorator]
def _block(  # type: ignore[no-untyped-def]
    shift,
    upper,
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
    shift_row,
    shift_column,
    upper_row,
    upper_column,
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
    walked = mine[:, None] & (column < count)[None, :]
    row = row.to(tl.int64)
    old, old_scale, old_zero = (
        codes + row * codes_row,
        scale + row * scale_row,
        zero + row * zero_row,
    )
    # The optimum in the order of the walk.
    place = tl.load(order + column, mask=column < count, other=0)
    c = tl.load(old[:, None] + place[None, :] * codes_column, mask=walked, other=0.0)
    s = tl.load(old_scale[:, None] + place[None, :] * scale_column, mask=walked, other=1.0)
    z = tl.load(old_zero[:, None] + place[None, :] * zero_column, mask=walked, other=0.0)
    places = row[:, None] * shift_row + column[None, :] * shift_column
    work = (c - z) * s - tl.load(shift + places, mask=walked, other=0.0)
    step = tl.zeros((ROWS, WIDTH), dtype=tl.float32)
    product = tl.zeros((ROWS, WIDTH), dtype=tl.float32)
    for i in range(count):
        j = tl.load(order + i)
        value = tl.sum(tl.where((column == i)[None, :], work, 0.0), axis=1)
        before = tl.load(old + j * codes_column, mask=mine, other=0.0)
        own_scale = tl.load(old_scale + j * scale_column, mask=mine, other=1.0)
        own_zero = tl.load(old_zero + j * zero_column, mask=mine, other=0.0)
        diagonal = tl.load(upper + i * (upper_row + upper_column))
        code = nearest_code(value, own_scale, own_zero, top)
        error = tl.div_rn(value - (code - own_zero) * own_scale, diagonal)
        behind = (column > i) & (column < count)
        spread = tl.load(upper + i * upper_row + column * upper_column, mask=behind, other=0.0)
        work = work - error[:, None] * spread[None, :]
        moved = code - before
        step = tl.where((column == j)[None, :], moved[:, None], step)
        spread = tl.load(
            hessian + j * hessian_row + column * hessian_column, mask=column < columns, other=0.0
        )
        product = product + (moved * own_scale)[:, None] * spread[None, :]
    places = row[:, None] * residual_row + column[None, :] * residual_column
    pull = tl.load(residual + places, mask=inside, other=0.0)
    wide = tl.load(old_scale[:, None] + column[None, :] * scale_column, mask=inside, other=0.0)
    c = tl.load(old[:, None] + column[None, :] * codes_column, mask=inside, other=0.0)
    d = step * wide
    linear, quadratic = 2.0 * d * pull, d * product
    noise = tl.sum(tl.abs(linear), axis=1) + tl.sum(tl.abs(quadratic), axis=1)
    kept = tl.sum(linear + quadratic, axis=1) + rounding * noise < 0
    places = row[:, None] * columns + column[None, :]
    tl.store(new_codes + places, c + tl.where(kept[:, None], step, 0.0), mask=inside)
    tl.store(new_residual + places, pull + tl.where(kept[:, None], product, 0.0), mask=inside)


def launch(
    shift: Tensor,
    upper: Tensor,
    codes: Tensor,
    scale: Tensor,
    zero: Tensor,
    residual: Tensor,
    hessian: Tensor,
    order: Tensor,
    top: int,
    rounding: float,
) -> tuple[Tensor, Tensor]:
    """Move a block: codes, scale, zero, residual (out, b), hessian (b, b), of any strides.

    shift: (out, n), how far each row's optimum lies below its value, in the order of the walk.
    upper: (n, n), the factor U of the inverse Hessian in that order.
    order: (n,) int64, the columns that are walked over.
    rounding: share of the summed terms of a change in J that may be rounding noise.
    Returns codes and residual behind the step, both (out, b) float32, contiguous.
    """
    rows, columns = codes.shape
    new_codes = torch.empty(rows, columns, dtype=torch.float32, device=codes.device)
    new_residual = torch.empty_like(new_codes)
    _block[(triton.cdiv(rows, ROWS),)](
        shift,
        upper,
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
        *shift.stride(),
        *upper.stride(),
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
