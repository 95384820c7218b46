"""GPTQ's walk over the columns of one block; see ``quantizer.solvers.gptq.feed_back``.

A column's error is spread over all columns behind it as soon as it is known, while the reference
lets each column gather the errors before it: the same sums, in the order of the columns.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from quantizer.solvers.fused.rounding import nearest_code

ROWS = 2
"""Rows of a program, which is one warp: its threads then never wait for those of another, and two
rows keep it busy while one waits for its sum."""


# Triton is untyped, and so is what it hands to a kernel: pointers, strides, constants.
@triton.jit  # type: ignore[untyped-decorator]
def _walk(  # type: ignore[no-untyped-def]
    target,
    upper,
    scale,
    zero,
    codes,
    errors,
    rows,
    columns,
    top,
    target_row,
    target_column,
    upper_row,
    upper_column,
    scale_row,
    scale_column,
    zero_row,
    zero_column,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)
    mine = row < rows
    inside = mine[:, None] & (column < columns)[None, :]
    places = row.to(tl.int64)[:, None] * target_row + column[None, :] * target_column
    work = tl.load(target + places, mask=inside, other=0.0)
    row_of_scale = scale + row.to(tl.int64) * scale_row
    row_of_zero = zero + row.to(tl.int64) * zero_row
    result = row.to(tl.int64) * columns
    for j in range(columns):
        value = tl.sum(tl.where((column == j)[None, :], work, 0.0), axis=1)
        s = tl.load(row_of_scale + j * scale_column, mask=mine, other=1.0)
        z = tl.load(row_of_zero + j * zero_column, mask=mine, other=0.0)
        diagonal = tl.load(upper + j * (upper_row + upper_column))
        code = nearest_code(value, s, z, top)
        error = tl.div_rn(value - (code - z) * s, diagonal)
        tl.store(codes + result + j, code, mask=mine)
        tl.store(errors + result + j, error, mask=mine)
        behind = (column > j) & (column < columns)
        spread = tl.load(upper + j * upper_row + column * upper_column, mask=behind, other=0.0)
        work = work - error[:, None] * spread[None, :]


def launch(
    target: Tensor, upper: Tensor, scale: Tensor, zero: Tensor, top: int
) -> tuple[Tensor, Tensor]:
    """Walk over a block: target, scale, zero (out, b), upper (b, b), of any strides.

    Returns codes and errors ``(w_j − q_j) / U_jj``, both (out, b) float32, contiguous.
    """
    rows, columns = target.shape
    codes = torch.empty(rows, columns, dtype=torch.float32, device=target.device)
    errors = torch.empty_like(codes)
    _walk[(triton.cdiv(rows, ROWS),)](
        target,
        upper,
        scale,
        zero,
        codes,
        errors,
        rows,
        columns,
        float(top),
        *target.stride(),
        *upper.stride(),
        *scale.stride(),
        *zero.stride(),
        ROWS=ROWS,
        WIDTH=triton.next_power_of_2(columns),
        # A fused multiply-add would round otherwise than the reference.
        enable_fp_fusion=False,
        num_warps=1,
    )
    return codes, errors
