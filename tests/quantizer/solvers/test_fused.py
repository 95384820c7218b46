"""The fused kernels, in Triton's interpreter, against the reference in PyTorch.

Where sums are taken in a fixed order, a walk in NumPy that takes them so must give the same codes
bit for bit. The reference adds up in another order, so its codes may differ where a value lies on
the edge between two, and J is compared.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from quantizer.solvers.gptq import LayerProblem, feed_back, gptq
from quantizer.solvers.grid import Grid, hessian_grid, minmax_grid, round_to_nearest
from quantizer.solvers.hessian import damped, inverse_factor, mean_diagonal
from quantizer.solvers.rpiq import (
    BlockState,
    _live_by_importance,
    coordinate_step,
    project,
    refit_step,
    rpiq,
)

ROUNDING = 1e-5
Make = Callable[..., LayerProblem]
Floats = NDArray[np.float32]

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("triton") is None,
        reason="no Triton: scripts/setup --test brings it",
    ),
    pytest.mark.skipif(torch.version.cuda is not None, reason="Triton does not interpret here"),
]

# Outputs, inputs, group size, dead columns. An interpreted program is slow.
SHAPES = [
    (2, 40, 32, (7, 39)),
    *(
        pytest.param(shape, marks=pytest.mark.slow)
        for shape in (
            (5, 100, 32, (7, 64)),
            (4, 128, 64, (0, 127)),
            (2, 96, 96, ()),
            (3, 130, 256, (1,)),
            (2, 256, 256, (3, 200)),
        )
    ),
]


class Block:
    """One block of a layer at its GPTQ codes, and what its steps are given."""

    def __init__(self, problem: LayerProblem, group_size: int) -> None:
        W, H = problem.weight, problem.hessian
        ridge = 0.01 * mean_diagonal(H)
        self.weight, self.hessian, self.group_size = W, damped(H, ridge), group_size
        self.grid = minmax_grid(W, bits=4, group_size=group_size, sym=False)
        self.scale, self.zero = self.grid.columns(W.shape[1])
        self.codes = round_to_nearest(W, self.grid).codes.float()
        self.order = _live_by_importance(H)
        self.upper = inverse_factor(H[self.order][:, self.order], ridge).upper
        self.residual = (self.value() - W) @ self.hessian

    def value(self) -> Tensor:
        return (self.codes - self.zero) * self.scale

    def state(self) -> BlockState:
        return BlockState(
            self.codes, self.scale, self.zero, self.residual, self.hessian, self.grid.top
        )

    def error(self, value: Tensor) -> Tensor:
        """Damped J of every row, in float64."""
        error = (value - self.weight).double()
        return (error @ self.hessian.double() * error).sum(dim=1)

    def check_residual(self, codes: Tensor, scale: Tensor, residual: Tensor) -> None:
        expected = ((codes - self.zero) * scale - self.weight) @ self.hessian
        torch.testing.assert_close(residual, expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(params=SHAPES, ids=str)
def block(request: pytest.FixtureRequest, make_problem: Make) -> Block:
    outputs, inputs, group_size, dead = request.param
    return Block(make_problem(outputs, inputs, dead=dead), group_size)


def nearest(value: Floats, scale: Floats, zero: Floats) -> Floats:
    return np.clip(np.rint(value / scale) + zero, 0, 15).astype(np.float32)


def walked(target: Tensor, upper: Tensor, scale: Tensor, zero: Tensor) -> tuple[Floats, Floats]:
    """GPTQ's walk, each error spread over the columns behind it before the next is rounded."""
    work, U, s, z = (x.numpy().copy() for x in (target, upper, scale, zero))
    codes, errors = np.zeros_like(work), np.zeros_like(work)
    for j in range(work.shape[1]):
        codes[:, j] = nearest(work[:, j], s[:, j], z[:, j])
        missing = work[:, j] - (codes[:, j] - z[:, j]) * s[:, j]
        errors[:, j] = missing / U[j, j]
        for k in range(j + 1, work.shape[1]):
            work[:, k] = work[:, k] - errors[:, j] * U[j, k]
    return codes, errors


def ordered(block: Block) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    live = block.order
    return block.weight[:, live], block.upper, block.scale[:, live], block.zero[:, live]


def test_the_walk_is_that_of_numpy_bit_for_bit(block: Block) -> None:
    from quantizer.solvers.fused.walk import launch

    codes, errors = launch(*ordered(block), 15)
    expected_codes, expected_errors = walked(*ordered(block))
    assert np.array_equal(codes.numpy(), expected_codes)
    assert np.array_equal(errors.numpy(), expected_errors)


def test_the_walk_agrees_with_the_reference(block: Block) -> None:
    from quantizer.solvers.fused.walk import launch

    codes, errors = launch(*ordered(block), 15)
    reference, reference_errors = feed_back(*ordered(block), 15)
    same = codes == reference
    assert float(same.float().mean()) > 0.999
    rows = same.all(dim=1)  # a row with another code has other errors behind it
    torch.testing.assert_close(errors[rows], reference_errors[rows], rtol=1e-3, atol=1e-5)


def test_the_walk_reads_any_strides(block: Block) -> None:
    """A Cholesky factor is a transposed view, and blocks are cut out of whole layers."""
    from quantizer.solvers.fused.walk import launch

    target, upper, scale, zero = ordered(block)
    transposed = upper.T.contiguous().T
    assert transposed.stride() == (1, len(upper))
    rows = torch.cat([target, target], dim=1)[:, : target.shape[1]]
    flat = launch(*(part.contiguous() for part in (target, upper, scale, zero)), 15)
    grid = Grid(block.grid.scale, block.grid.zero, block.group_size, 4)
    wide = [part.T.contiguous().T for part in grid.columns(block.weight.shape[1])]
    odd = launch(rows, transposed, wide[0][:, block.order], wide[1][:, block.order], 15)
    assert torch.equal(flat[0], odd[0]) and torch.equal(flat[1], odd[1])


def test_the_coordinate_step_agrees_with_the_reference(block: Block) -> None:
    from quantizer.solvers.fused.coordinate import launch

    state = block.state()
    coordinate_step(state, block.order)
    turned = block.residual.T.contiguous().T
    codes, residual = launch(
        block.codes, block.scale, block.zero, turned, block.hessian, block.order, 15, ROUNDING
    )
    before = block.error(block.value())
    fused, reference = (block.error((c - block.zero) * block.scale) for c in (codes, state.codes))
    assert (fused <= before).all() and float(fused.sum()) < float(before.sum())
    torch.testing.assert_close(fused, reference, rtol=1e-6, atol=0)
    block.check_residual(codes, block.scale, residual)


def test_the_block_step_agrees_with_the_reference(block: Block) -> None:
    from quantizer.solvers.fused.block import launch

    state, U = block.state(), block.upper
    shift = block.residual[:, block.order] @ U.T @ U
    project(state, block.order, U, shift)
    codes, residual = launch(
        shift,
        U.T.contiguous().T,
        block.codes,
        block.scale,
        block.zero,
        block.residual,
        block.hessian.T,
        block.order,
        15,
        ROUNDING,
    )
    fused, reference = (block.error((c - block.zero) * block.scale) for c in (codes, state.codes))
    assert (fused <= block.error(block.value())).all()
    torch.testing.assert_close(fused, reference, rtol=1e-6, atol=0)
    block.check_residual(codes, block.scale, residual)


def test_the_refit_step_agrees_with_the_reference(block: Block) -> None:
    from quantizer.solvers.fused.refit import launch

    state = block.state()
    refit_step(state, block.group_size)
    scale, residual = launch(
        block.codes,
        block.scale,
        block.zero,
        block.residual,
        block.hessian,
        block.group_size,
        ROUNDING,
    )
    step = block.codes - block.zero
    fused, reference = block.error(step * scale), block.error(step * state.scale)
    assert (fused <= block.error(block.value())).all()
    assert not torch.equal(scale, block.scale)
    torch.testing.assert_close(fused, reference, rtol=1e-6, atol=0)
    assert torch.equal(scale, scale.half().float())
    for first in range(0, scale.shape[1], block.group_size):
        assert (scale[:, first : first + block.group_size] == scale[:, first : first + 1]).all()
    block.check_residual(block.codes, scale, residual)


@pytest.fixture
def fused_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the solvers use the kernels, interpreted, on the CPU."""
    import quantizer.solvers.fused.choice as choice
    from quantizer.solvers.fused import block, coordinate, refit, walk

    monkeypatch.setattr(choice, "used_for", lambda square: True)
    for module in (walk, block, coordinate, refit):
        name = module.__name__.rpartition(".")[2]
        monkeypatch.setattr(choice, name, module.launch)
    for module in (walk, block, coordinate):  # an interpreted program takes as long for many rows
        monkeypatch.setattr(module, "ROWS", 16)


@pytest.mark.slow
@pytest.mark.parametrize("act_order", [True, False])
def test_whole_solvers_agree_with_the_reference(
    make_problem: Make, act_order: bool, request: pytest.FixtureRequest
) -> None:
    problem = make_problem(16, 160, dead=(5, 150))

    def solved() -> tuple[float, float]:
        grid = hessian_grid(problem.weight, problem.hessian, bits=4, group_size=64, sym=False)
        fresh = LayerProblem(problem.weight, problem.hessian, problem.tokens)
        start = gptq(fresh, grid, damp_percent=0.05, act_order=act_order).weight
        refined = rpiq(problem, start, damp_percent=0.05, rounds=1).weight
        found = []
        for weight in (start, refined):
            error = (weight.dequantize() - problem.weight).double()
            found.append(float((error @ problem.hessian.double() * error).sum()))
        return found[0], found[1]

    reference = solved()
    request.getfixturevalue("fused_here")
    assert solved() == pytest.approx(reference, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 89, 90])
def test_the_kernels_compile_for_real_cards(capability: int, tmp_path: Path) -> None:
    """The interpreter takes what the compiler refuses; compiling needs no card."""
    program = COMPILING.format(capability=capability)
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["_walk", "_block", "_coordinate", "_refit"]


COMPILING = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from quantizer.solvers.fused import block, coordinate, refit, walk

WHOLE = {{"rows", "columns", "count", "group_size"}}
for kernel, rows, warps in (
    (walk._walk, 2, 1), (block._block, 2, 1), (coordinate._coordinate, 2, 1), (refit._refit, 16, 8),
):
    constants = {{"ROWS": rows, "WIDTH": 128, "CHUNK": 16}}
    constants = {{name: value for name, value in constants.items() if name in kernel.arg_names}}
    constants |= {{name: 1 for name in kernel.arg_names if name.endswith("_column")}}
    signature = {{}}
    for name in kernel.arg_names:
        whole = name in WHOLE or name.endswith("_row")
        number = "fp32" if name in ("top", "rounding") else "*i64" if name == "order" else "*fp32"
        signature[name] = "constexpr" if name in constants else "i32" if whole else number
    source = ASTSource(kernel, signature, constexprs=constants)
    made = triton.compile(
        source,
        target=GPUTarget("cuda", {capability}, 32),
        options={{"enable_fp_fusion": False, "num_warps": warps}},
    )
    assert made.metadata.shared < 48_000, made.metadata.shared
    print(kernel.__name__)
"""
