"""Closed-loop RPIQ: Gauss–Seidel refinement of a quantized layer, every state on the grid.

The published method (arXiv 2601.02888) solves each column block for the directional residual
that all other blocks leave, one block after the other, and keeps the best. Here the objective is
the output error over all calibration tokens, which needs only the Hessian, and every step lands
on the grid and is accepted row by row only where it lowers that error.

Notation, for one block of columns i: ``E = Q − W``, ``R = E H`` (out, in), ``J = tr(E H Eᵀ)``.
A change d of the block changes row J by ``2 d·R_i + d H_ii dᵀ``. H carries GPTQ's damping λI
throughout: a ridge on errors in directions that the calibration tokens hardly showed. Refining
the undamped J goes further on those tokens and gave worse perplexity on other text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.int4.weight import QuantizedWeight
from quantizer.solvers.fused import choice as fused
from quantizer.solvers.gptq import SPAN_COLUMNS, LayerProblem, feed_back
from quantizer.solvers.grid import Grid, nearest_code, stored_scale
from quantizer.solvers.hessian import (
    InverseFactor,
    damped,
    inverse_factor,
    live_columns,
    mean_diagonal,
    output_error,
)

_BLOCK_COLUMNS = 128
_SLAB_COLUMNS = 512
"""Columns whose part of R is kept up to date together. R of a whole wide layer, updated behind
every block, would be read and written more than it is computed with."""
_REST = 4
"""A slab of fewer than a fourth of those columns is left to the one before it: where it leaves a
single slab, R is kept from round to round."""
_LEAST_GAIN = 0.005  # a round that lowers J by a smaller share is the last
_RESCALINGS = (0.9, 0.95, 1.05, 1.1)  # of a group's scale, each tried with fresh codes
_RESCALING_ROUNDS = 1  # later rounds find next to nothing
_ROUNDING = 1e-5  # share of the summed terms of a change in J that may be rounding noise


@dataclass(frozen=True, slots=True)
class RpiqResult:
    """weight: the refined layer; trace: damped J before the first round and after each."""

    weight: QuantizedWeight
    trace: tuple[float, ...]
    damp_percent: float


@dataclass(slots=True)
class BlockState:
    """Local quantities of one block of b columns while its three steps run.

    codes:    (out, b) float, integers.
    scale:    (out, b) per column, constant within a group.
    zero:     (out, b).
    residual: (out, b), this block's columns of R; every step keeps it up to date.
    hessian:  (b, b), damped.
    """

    codes: Tensor
    scale: Tensor
    zero: Tensor
    residual: Tensor
    hessian: Tensor
    top: int

    def value(self) -> Tensor:
        """The block's dequantized weights (out, b)."""
        return (self.codes - self.zero) * self.scale


def rpiq(
    problem: LayerProblem, start: QuantizedWeight, *, damp_percent: float, rounds: int
) -> RpiqResult:
    """Refine a layer that is already on its grid; the damped J never rises.

    Columns that calibration never used get their nearest code on the final scales.

    One round visits every block once and costs one ``2·out·in²`` pass, which computes R for one
    slab of blocks after the other. It stops after ``rounds`` rounds, or when a round lowers J by
    less than 0.5 %.

    Raises:
        CalibrationError: a damped diagonal block of the Hessian cannot be factorized.

    Source: RPIQ, arXiv 2601.02888, equations 12 to 14 with the Hessian of all calibration
    tokens; the projection of a block is GPTQ's (arXiv 2210.17323).
    """
    W, H = problem.target, problem.hessian
    grid = Grid.of(start)
    group_size, top = grid.group_size, grid.top
    blocks = column_blocks(W.shape[1], group_size)
    # The steps walk over columns; kernels read rows, as the rest does.
    stored = torch.clone if fused.used_for(H[blocks[0], blocks[0]]) else columns_first
    codes = stored(start.codes.to(W.dtype))
    scale, zero = (stored(part) for part in grid.columns(W.shape[1]))
    mean = mean_diagonal(H)
    ridge = damp_percent * mean
    lives = [_live_by_importance(H[i, i]) for i in blocks]
    factors = [
        inverse_factor(H[i, i][live][:, live], ridge) for i, live in zip(blocks, lives, strict=True)
    ]
    groups = [
        _groups(H[i, i], live, group_size, ridge) for i, live in zip(blocks, lives, strict=True)
    ]

    H = damped(H, ridge)
    E = stored(start.dequantize() - W)
    slabs = group_slabs(blocks)
    if len(slabs) == 1:
        R = torch.mm(E, H, out=torch.empty_like(E))
        trace = [float((E * R).sum(dim=1).sum())]
    else:
        R = E[:, :0]  # made slab by slab
        trace = [output_error(E, H)]
    for round_ in range(rounds):
        # Summed where it is computed, in float64: asking for every block's share would wait for it.
        gained = torch.zeros((), dtype=torch.float64, device=W.device)
        for slab, members in slabs:
            if len(slabs) > 1:
                R = torch.mm(E, H[:, slab], out=torch.empty_like(E[:, slab]))
            for b in members:
                i, live = blocks[b], lives[b]
                here = slice(i.start - slab.start, i.stop - slab.start)
                before = R[:, here].clone()
                state = BlockState(codes[:, i], scale[:, i], zero[:, i], before, H[i, i], top)
                old = state.value()
                if round_ < _RESCALING_ROUNDS:  # GPTQ has just been here: a new scale is news
                    rescale_step(state, groups[b])
                block_step(state, live, factors[b])
                if round_ >= _RESCALING_ROUNDS:
                    coordinate_step(state, live)
                refit_step(state, group_size)
                value = state.value()
                change = value - old
                # J changes by 2 d·R + d H dᵀ, and R by d H.
                gained -= (change * (R[:, here] + state.residual)).sum()
                R.addmm_(change, H[i, slab])
                torch.sub(value, W[:, i], out=E[:, i])
                codes[:, i], scale[:, i] = state.codes, state.scale
        trace.append(trace[-1] - float(gained))
        if float(gained) < _LEAST_GAIN * trace[-2]:
            break

    # A refitted scale stretches dead columns too; rounding them anew to it is free in J.
    dead = H.diagonal() <= 0
    codes[:, dead] = nearest_code(W[:, dead], scale[:, dead], zero[:, dead], top)
    refined = Grid(scale[:, ::group_size].contiguous(), grid.zero, group_size, grid.bits)
    worst = max((factor.ridge for factor in factors), default=ridge)
    used = worst / mean if mean else damp_percent
    return RpiqResult(refined.weight(codes.to(torch.uint8)), tuple(trace), used)


def block_step(state: BlockState, live: Tensor, factor: InverseFactor) -> None:
    """Move the block to its optimum given all others, ``Q_i − R_i (H_ii)⁻¹``, and project it.

    The projection is GPTQ's error feedback inside the block. live: indices of the columns with
    statistics; factor: of their damped diagonal block. Dead columns do not move.
    """
    U = factor.upper
    shift = (U.T @ (U @ state.residual.T[live])).T
    if fused.used_for(state.hessian):
        state.codes, state.residual = fused.block(
            shift,
            U,
            state.codes,
            state.scale,
            state.zero,
            state.residual,
            state.hessian,
            live,
            state.top,
            _ROUNDING,
        )
        return
    project(state, live, U, shift)


def project(state: BlockState, live: Tensor, upper: Tensor, shift: Tensor) -> None:
    """Move rows to the grid near ``value − shift`` where that lowers J; shift: (out, live)."""
    codes, scale, zero = (x.T[live].T for x in (state.codes, state.scale, state.zero))
    optimum = (codes - zero).mul_(scale).sub_(shift)
    projected = feed_back(optimum, upper, scale, zero, state.top)[0]
    del optimum, scale, zero
    step = torch.zeros_like(state.codes)
    step.T.index_copy_(0, live, projected.sub_(codes).T)
    del projected, codes
    d = step * state.scale
    d_hessian = _times(d, state.hessian)
    kept = _falls(d, state.residual, d_hessian).unsqueeze(1)
    state.codes = torch.where(kept, state.codes + step, state.codes)
    state.residual = torch.where(kept, state.residual + d_hessian, state.residual)


def coordinate_step(state: BlockState, live: Tensor) -> None:
    """Give every live column in turn its best code with all other columns fixed."""
    H, top = state.hessian, state.top
    if fused.used_for(H):
        state.codes, state.residual = fused.coordinate(
            state.codes, state.scale, state.zero, state.residual, H, live, top, _ROUNDING
        )
        return
    # Columns are walked one at a time, so they lie contiguously and in order: (live, out).
    codes, residual, scale = (part.T[live] for part in (state.codes, state.residual, state.scale))
    order = H[live][:, live]
    # In codes, the optimum of a column lies slope / (H_jj · scale) below its code. A step n to the
    # nearest code lowers J by n·(2·optimum − n), which is nothing where the optimum is half a code
    # away and n = 1: as much less as rounding may hide is taken of the way there.
    curvature = order.diagonal().unsqueeze(1) * (1 + _ROUNDING)
    per_slope = 1 / (scale * curvature.clamp(min=1e-30))
    found, changes = torch.empty_like(codes), torch.zeros_like(codes)
    for first in range(0, len(live), SPAN_COLUMNS):
        span = slice(first, first + SPAN_COLUMNS)
        slopes = residual[span]
        if first:
            slopes = torch.addmm(slopes, order[span, :first], changes[:first])
        before = changes[span].T  # nought where a column's turn has not come
        for slope, code, width, per, new, change, row in zip(
            slopes.unbind(),
            *(part[span].unbind() for part in (codes, scale, per_slope, found, changes)),
            order[span, span].unbind(),
            strict=True,
        ):
            slope = torch.addmv(slope, before, row)
            torch.addcmul(code, slope, per, value=-1, out=new).round_().clamp_(0, top)
            torch.sub(new, code, out=change).mul_(width)
    state.codes, state.residual = state.codes.clone(), state.residual.clone()
    state.codes.T.index_copy_(0, live, found)
    state.residual.addmm_(changes.T, H[live])


def rescale_step(state: BlockState, groups: Sequence["GroupFactor"]) -> None:
    """Try each group on coarser and finer scales, with its own optimum projected on each.

    The best of ``_RESCALINGS`` is kept for the rows where J falls. A refit moves the scale with
    its codes fixed and so only to the nearest optimum; this step can leave it. Dead columns of a
    group follow its scale; they cost nothing and are rounded anew at the end.
    """
    H, top = state.hessian, state.top
    for group in groups:
        live, first = group.live, group.columns.start
        U = group.factor.upper
        codes, zero, residual = (x.T[live] for x in (state.codes, state.zero, state.residual))
        old = state.scale[:, first]
        value = (codes - zero).mul_(old)
        optimum = value - U.T @ (U @ residual)
        # All scales at once, side by side: the walk over columns is what takes time.
        tried = stored_scale(torch.cat([old * share for share in _RESCALINGS]))
        copies = len(_RESCALINGS)
        zeros = zero.repeat(1, copies)
        wide = tried.expand(len(live), -1)
        candidates = feed_back(optimum.repeat(1, copies).T, U, wide.T, zeros.T, top)[0]
        d = (candidates.T - zeros).mul_(tried).sub_(value.repeat(1, copies)).T
        del zeros
        change = _change(d, residual.repeat(1, copies).T, _times(d, H[live][:, live]))
        change = torch.where(torch.isfinite(tried), change, torch.inf).view(copies, -1)
        least, best = change.min(dim=0)
        better = least < 0
        chosen = best.expand(len(live), 1, -1)
        found, moved = (
            x.T.reshape(len(live), copies, -1).gather(1, chosen).squeeze(1) for x in (candidates, d)
        )
        new = tried.view(copies, -1).gather(0, best.unsqueeze(0)).squeeze(0)
        state.scale[:, group.columns] = torch.where(better, new, old).unsqueeze(1)
        state.codes.T[live] = torch.where(better, found, codes)
        state.residual.addmm_(torch.where(better, moved, 0).T, H[live])
        del candidates, d, found, moved  # before the next group's


def refit_step(state: BlockState, group_size: int) -> None:
    """Refit each group's scale with its codes fixed, by least squares, rounded to fp16 first."""
    H = state.hessian
    if fused.used_for(H):
        state.scale, state.residual = fused.refit(
            state.codes, state.scale, state.zero, state.residual, H, group_size, _ROUNDING
        )
        return
    scale, residual = state.scale.clone(), state.residual.clone()
    for first in range(0, state.codes.shape[1], group_size):
        b = slice(first, first + group_size)
        u = state.codes[:, b] - state.zero[:, b]
        pull = _times(u, H[b, b])
        curvature = (pull * u).sum(dim=1)
        slope = (u * residual[:, b]).sum(dim=1)
        old = scale[:, first]
        # A group without statistics or with all codes at zero has no curvature: keep its scale.
        shift = torch.where(curvature > 0, -slope / curvature.clamp(min=1e-30), 0)
        new = stored_scale(old + shift)
        d = (new - old).unsqueeze(1) * u
        kept = _falls(d, residual[:, b], pull * (new - old).unsqueeze(1))
        kept &= (old + shift > 0) & torch.isfinite(new)
        scale[:, b] = torch.where(kept, new, old).unsqueeze(1)
        residual.addmm_(torch.where(kept.unsqueeze(1), d, 0), H[b, :])
    state.scale, state.residual = scale, residual


def column_blocks(in_features: int, group_size: int) -> list[slice]:
    """Blocks of at most 128 columns that never split a group, or one group where g > 128."""
    width = max(_BLOCK_COLUMNS // group_size, 1) * group_size
    return [slice(k, min(k + width, in_features)) for k in range(0, in_features, width)]


def group_slabs(blocks: Sequence[slice]) -> list[tuple[slice, range]]:
    """Columns of neighbouring blocks, as few as reach 512, and the places of those blocks.

    A short rest at the end belongs to the slab before it.
    """
    slabs, first = [], 0
    rest = blocks[-1].stop - _SLAB_COLUMNS // _REST
    for b, block in enumerate(blocks):
        columns = slice(blocks[first].start, block.stop)
        reached = columns.stop - columns.start >= _SLAB_COLUMNS and block.stop <= rest
        if reached or b == len(blocks) - 1:
            slabs.append((columns, range(first, b + 1)))
            first = b + 1
    return slabs


def _live_by_importance(hessian: Tensor) -> Tensor:
    """Live columns in descending order of H_jj: the costly ones are rounded while others adapt."""
    live = live_columns(hessian)
    return live[torch.argsort(hessian.diagonal()[live], descending=True, stable=True)]


def _falls(d: Tensor, residual: Tensor, d_hessian: Tensor) -> Tensor:
    """Rows (out,) whose J falls by a change d (out, b) by more than rounding can explain."""
    return _change(d, residual, d_hessian) < 0


def _change(d: Tensor, residual: Tensor, d_hessian: Tensor) -> Tensor:
    """Change of J (out,) by a change d (out, b), taken as high as rounding allows."""
    linear, quadratic = (d * residual).mul_(2), d * d_hessian
    total = (linear + quadratic).sum(dim=1)
    return total.add_(linear.abs_().add_(quadratic.abs_()).sum(dim=1), alpha=_ROUNDING)


def columns_first(values: Tensor) -> Tensor:
    """A copy of a matrix of which whole columns lie together in memory."""
    return values.T.contiguous().T


def _times(values: Tensor, square: Tensor) -> Tensor:
    """A product (out, b) with a square matrix, in memory as the values are."""
    return torch.mm(values, square, out=torch.empty_like(values))


@dataclass(frozen=True, slots=True)
class GroupFactor:
    """One group of a block: its columns, those with statistics by importance, their factor."""

    columns: slice
    live: Tensor
    factor: InverseFactor


def _groups(hessian: Tensor, live: Tensor, group_size: int, ridge: float) -> list[GroupFactor]:
    """Groups of a block with hessian (b, b) that have statistics."""
    found = []
    for first in range(0, hessian.shape[0], group_size):
        columns = slice(first, min(first + group_size, hessian.shape[0]))
        own = live[(live >= columns.start) & (live < columns.stop)]
        if own.numel():
            factor = inverse_factor(hessian[own][:, own], ridge)
            found.append(GroupFactor(columns, own, factor))
    return found
