"""RPIQ as published: interpolated block updates on the last batch, and what they are worth.

The published method (arXiv 2601.02888) starts from GPTQ's codes and keeps the inputs ``X`` of the
last calibration batch. For each block i of columns in turn it solves least squares for what all
other blocks leave of the output, rounds that optimum to the grid, and moves a small step α there:

    D_i = Y − (Y_q − X_i B_iᵀ),   B_i* = (H_i⁻¹ X_iᵀ D_i)ᵀ,   B_i ← B_i + α (q(B_i*) − B_i)

The iterates lie between grid points, so what falls is the error of a weight that no low-bit file
can hold. The result is therefore also put back on the grid, and both are reported.

Notation: ``E = B − W`` (out, in), ``G = XᵀX`` per token, ``R = E G``, ``Γ = tr(E G Eᵀ)``. Because
``Y − Y_q = −X Eᵀ``, the residual enters only as ``X_iᵀ D_i = (B_i G_ii − R_i)ᵀ``, and
``Γ = ‖Y − Y_q‖²`` per token. So the Gram matrix alone gives exactly the published iteration, and
no (tokens, out) matrix is ever formed.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from models.int4.weight import QuantizedWeight
from quantizer.errors import SettingsError
from quantizer.solvers.gptq import LayerProblem
from quantizer.solvers.grid import Grid, nearest_code, round_to_nearest
from quantizer.solvers.hessian import (
    HessianAccumulator,
    inverse_factor,
    mean_diagonal,
    output_error,
)
from quantizer.solvers.methods import HessianChoice


@dataclass(frozen=True, slots=True)
class PaperErrors:
    """Squared output error per token of one weight.

    last:     Γ, on the last batch, the only one that the method looks at.
    all:      J, on every fitting sequence.
    held_out: J_val, on the held-out sequences; None without any.
    """

    last: float
    all: float
    held_out: float | None


@dataclass(frozen=True, slots=True)
class PaperReport:
    """What the method claims, and what is left of it in a file.

    start:         the codes that it started from.
    off_grid:      the interpolated weight, which has no low-bit form.
    on_grid:       its nearest codes on the start's grid.
    codes_changed: share of codes that differ from the start's.
    rounds:        rounds that were run.
    kept_round:    the round whose weight was kept, 0 for the start.
    trace, grid_trace: Γ before the first round and after each, off the grid and put back on it.
    """

    start: PaperErrors
    off_grid: PaperErrors
    on_grid: PaperErrors
    codes_changed: float
    rounds: int
    kept_round: int
    trace: tuple[float, ...]
    grid_trace: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PaperResult:
    """weight: on the grid; off_grid: (out, in) float32, what the paper's Γ is measured on."""

    weight: QuantizedWeight
    off_grid: Tensor
    report: PaperReport

    @property
    def trace(self) -> tuple[float, ...]:
        """Γ per token off the grid, before the first round and after each."""
        return self.report.trace


def rpiq_paper(
    problem: LayerProblem,
    start: QuantizedWeight,
    last_inputs: Tensor,
    held_out: Tensor | None,
    *,
    rounds: int,
    hessian: HessianChoice,
    damp_percent: float,
    step: float = 0.01,
) -> PaperResult:
    """Refine a layer by the published iteration; stop when Γ no longer falls, keep the best.

    start:       GPTQ's result; its grid never moves.
    last_inputs: (tokens, in), the layer's inputs on the last fitting sequence.
    held_out:    Hessian (in, in) of the held-out sequences; it is only reported on.
    step:        α, the share of the way to the rounded optimum.
    hessian:     what ``H_i`` is made of: the last batch, which makes each block's update the
        least-squares optimum of its residual, or all fitting tokens as equation 12 reads.
        Both are means per token, as GPTQ keeps its Hessian; with sums, the global one would
        shrink every optimum by the number of batches.

    A block is one quantization group: ``q`` then has one scale and zero-point per row. In the
    paper groups and GPTQ's column blocks both have 128 columns, so this is also the block there.
    Columns that are zero on the whole last batch have no optimum and keep their value.

    Raises:
        CalibrationError: a damped diagonal block cannot be factorized, or the inputs are not
            finite.
        SettingsError: ``rounds`` or ``step`` is out of range, or there are no inputs.

    Source: RPIQ, arXiv 2601.02888, equations 12 to 14 and algorithm 1.
    """
    _check(last_inputs, rounds, step)
    W = problem.target
    G = _gram(last_inputs)
    H = G if hessian == "last" else problem.hessian
    ridge = damp_percent * mean_diagonal(H)
    grid = Grid.of(start)
    scale, zero = grid.columns(W.shape[1])
    blocks = _blocks(G, H, start.group_size)
    factors = [inverse_factor(H[i][:, i], ridge).upper for i in blocks]

    B = start.dequantize()
    R = (B - W) @ G
    best, kept = B.clone(), 0
    trace = [float(((B - W) * R).sum())]
    grid_trace = [trace[0]]
    for _ in range(rounds):
        for i, U in zip(blocks, factors, strict=True):
            optimum = (B[:, i] @ G[i][:, i] - R[:, i]) @ U.T @ U
            codes = nearest_code(optimum, scale[:, i], zero[:, i], grid.top)
            change = step * ((codes - zero[:, i]) * scale[:, i] - B[:, i])
            R += change @ G[i, :]
            B[:, i] += change
        trace.append(float(((B - W) * R).sum()))
        grid_trace.append(output_error(_put_back(B, start).dequantize() - W, G))
        if trace[-1] >= trace[kept]:
            break
        best, kept = B.clone(), len(trace) - 1

    weight = _put_back(best, start)

    def errors(value: Tensor) -> PaperErrors:
        change = value - W
        return PaperErrors(
            last=output_error(change, G),
            all=output_error(change, problem.hessian),
            held_out=None if held_out is None else output_error(change, held_out),
        )

    report = PaperReport(
        start=errors(start.dequantize()),
        off_grid=errors(best),
        on_grid=errors(weight.dequantize()),
        codes_changed=float((weight.codes != start.codes).float().mean()),
        rounds=len(trace) - 1,
        kept_round=kept,
        trace=tuple(trace),
        grid_trace=tuple(grid_trace),
    )
    return PaperResult(weight, best, report)


def _blocks(gram: Tensor, hessian: Tensor, group_size: int) -> list[Tensor]:
    """Indices of each group's columns that the last batch and the Hessian both know."""
    live = (gram.diagonal() > 0) & (hessian.diagonal() > 0)
    columns = torch.nonzero(live).flatten()
    groups = columns // group_size
    return [columns[groups == group] for group in torch.unique(groups)]


def _gram(inputs: Tensor) -> Tensor:
    accumulator = HessianAccumulator(inputs.shape[-1], inputs.device)
    accumulator.add(inputs)
    return accumulator.mean()


def _put_back(value: Tensor, start: QuantizedWeight) -> QuantizedWeight:
    """Nearest codes on the start's grid; a value that never moved gets its own code back."""
    return round_to_nearest(value, Grid.of(start))


def _check(last_inputs: Tensor, rounds: int, step: float) -> None:
    if last_inputs.numel() == 0:
        raise SettingsError(
            "rpiq-paper refines on the last calibration sequence, which has no token here; "
            "use another method for this layer"
        )
    if rounds < 1:
        raise SettingsError(f"rounds {rounds} refine nothing; give 1 or more")
    if not 0 < step <= 1:
        raise SettingsError(f"step {step} is out of range; give a share such as 0.01")
