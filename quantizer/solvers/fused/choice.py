"""Whether the fused kernels are used, and the operators by which PyTorch knows them."""

import functools
import importlib.util
import logging
import os
import shutil

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

_WIDEST = 256
"""Columns that a program can hold; groups may have more."""


def used_for(square: Tensor) -> bool:
    """Whether a step over the columns of a block is done by a fused kernel.

    square: (b, b), the block's Hessian or a factor of it.
    """
    return square.is_cuda and len(square) <= _WIDEST and present()


@functools.cache
def present() -> bool:
    """Whether Triton is installed, and the C compiler by which it starts kernels.

    Triton comes with PyTorch's builds for CUDA on Linux.
    """
    if importlib.util.find_spec("triton") is None:
        missing = "Triton is not installed"
    elif not (os.environ.get("CC") or any(map(shutil.which, ("gcc", "clang", "cc")))):
        missing = "Triton finds no C compiler; install gcc"
    else:
        return True
    logger.warning("%s: a layer's columns are walked by PyTorch, which takes far longer", missing)
    return False


# As operators of PyTorch they are seen by whatever follows what is computed. Triton is imported
# only when one of them is called.


@torch.library.custom_op("quantizer::walk", mutates_args=(), device_types="cuda")
def walk(
    target: Tensor, upper: Tensor, scale: Tensor, zero: Tensor, top: int
) -> tuple[Tensor, Tensor]:
    """`quantizer.solvers.gptq.feed_back` as one kernel."""
    from quantizer.solvers.fused.walk import launch

    return launch(target, upper, scale, zero, top)


@torch.library.custom_op("quantizer::block", mutates_args=(), device_types="cuda")
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
    """The walk of `quantizer.solvers.rpiq.block_step` and what it decides, as one kernel."""
    from quantizer.solvers.fused.block import launch

    return launch(shift, upper, codes, scale, zero, residual, hessian, order, top, rounding)


@torch.library.custom_op("quantizer::coordinate", mutates_args=(), device_types="cuda")
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
    """`quantizer.solvers.rpiq.coordinate_step` as one kernel; codes and residual behind it."""
    from quantizer.solvers.fused.coordinate import launch

    return launch(codes, scale, zero, residual, hessian, order, top, rounding)


@torch.library.custom_op("quantizer::refit", mutates_args=(), device_types="cuda")
def refit(
    codes: Tensor,
    scale: Tensor,
    zero: Tensor,
    residual: Tensor,
    hessian: Tensor,
    group_size: int,
    rounding: float,
) -> tuple[Tensor, Tensor]:
    """`quantizer.solvers.rpiq.refit_step` as one kernel; scale and residual behind it."""
    from quantizer.solvers.fused.refit import launch

    return launch(codes, scale, zero, residual, hessian, group_size, rounding)
