"""What the quantizer's fused kernels do, by its reference in PyTorch, for the pretend card.

That the kernels themselves do it is tested in Triton's interpreter, in
``tests/quantizer/solvers/test_fused.py``.
"""

from torch import Tensor

from quantizer.solvers.gptq import feed_back
from quantizer.solvers.rpiq import BlockState, coordinate_step, project, refit_step


def block(
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
    """Codes and residual behind the step."""
    state = BlockState(codes, scale, zero, residual, hessian, top)
    project(state, order, upper, shift)
    return state.codes, state.residual


def coordinate(
    codes: Tensor,
    scale: Tensor,
    zero: Tensor,
    residual: Tensor,
    hessian: Tensor,
    order: Tensor,
    top: int,
    rounding: float,
) -> tuple[Tensor, Tensor]:
    """Codes and residual behind the step."""
    state = BlockState(codes, scale, zero, residual, hessian, top)
    coordinate_step(state, order)
    return state.codes, state.residual


def refit(
    codes: Tensor,
    scale: Tensor,
    zero: Tensor,
    residual: Tensor,
    hessian: Tensor,
    group_size: int,
    rounding: float,
) -> tuple[Tensor, Tensor]:
    """Scale and residual behind the step."""
    state = BlockState(codes, scale, zero, residual, hessian, 0)
    refit_step(state, group_size)
    return state.scale, state.residual


COLUMN_KERNELS = {"walk": feed_back, "block": block, "coordinate": coordinate, "refit": refit}
