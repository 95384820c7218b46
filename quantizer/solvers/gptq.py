"""GPTQ: rounding one column at a time, each error absorbed by the columns not yet rounded."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.int4.weight import QuantizedWeight
from quantizer.solvers.fused import choice as fused
from quantizer.solvers.grid import Grid, nearest_code, round_to_nearest
from quantizer.solvers.hessian import InverseFactor, inverse_factor, live_columns, mean_diagonal

_LAZY_COLUMNS = 128
_SLAB_COLUMNS = 512  # whose errors reach the columns behind them together, as one large product


@dataclass(frozen=True, slots=True)
class LayerProblem:
    """Everything that one layer's solver may read.

    weight:  (out, in) float32.
    hessian: (in, in) float32, mean over tokens.
    tokens:  how many tokens the Hessian is the mean of.
    shifted: (out, in), what to approximate instead of the weight; see ``quantizer.solvers.target``.
    factors: factors of this Hessian that were computed before, for layers that share it.
    """

    weight: Tensor
    hessian: Tensor
    tokens: int
    shifted: Tensor | None = None
    factors: "Factors" = field(default_factory=dict)

    @property
    def target(self) -> Tensor:
        """What the quantized layer should approximate, (out, in)."""
        return self.weight if self.shifted is None else self.shifted


@dataclass(frozen=True, slots=True)
class OrderedFactor:
    """order: live columns as they are quantized; factor: of their damped Hessian in that order."""

    order: Tensor
    factor: InverseFactor


Factors = dict[tuple[float, bool], OrderedFactor]
"""Factors of one Hessian by damping share and whether columns are ordered by importance."""


@dataclass(frozen=True, slots=True)
class GptqResult:
    """damp_percent is the damping that the factorization needed, at least the one asked for."""

    weight: QuantizedWeight
    damp_percent: float


def gptq(problem: LayerProblem, grid: Grid, *, damp_percent: float, act_order: bool) -> GptqResult:
    """Quantize a layer by GPTQ on a static grid.

    The groups are static: the grid is set before any column moves, so that with ``act_order``
    (columns in descending order of ``H_jj``) column k still belongs to group k // group_size.
    Columns that calibration never used keep their nearest code.

    Raises:
        CalibrationError: the damped Hessian cannot be factorized.

    Source: Frantar et al., GPTQ, arXiv 2210.17323, algorithm 1 and section 3.3.
    """
    W, H = problem.target, problem.hessian
    nearest = round_to_nearest(W, grid)
    known = ordered_factor(H, problem.factors, damp_percent=damp_percent, act_order=act_order)
    if known is None:
        return GptqResult(nearest, damp_percent)
    order, U = known.order, known.factor.upper
    scale, zero = (part[:, order] for part in grid.columns(W.shape[1]))
    work = W[:, order].clone()
    codes = torch.empty_like(work)
    for first in range(0, len(order), _SLAB_COLUMNS):
        slab = slice(first, min(first + _SLAB_COLUMNS, len(order)))
        errors = work.new_empty(len(work), slab.stop - first)
        for start in range(first, slab.stop, _LAZY_COLUMNS):
            block = slice(start, min(start + _LAZY_COLUMNS, slab.stop))
            codes[:, block], found = feed_back(
                work[:, block], U[block, block], scale[:, block], zero[:, block], grid.top
            )
            errors[:, start - first : block.stop - first] = found
            behind = slice(block.stop, slab.stop)
            work[:, behind] -= found @ U[block, behind]
        work[:, slab.stop :].addmm_(errors, U[slab, slab.stop :], alpha=-1)

    all_codes = nearest.codes.clone()
    all_codes[:, order] = codes.to(torch.uint8)
    return GptqResult(grid.weight(all_codes), known.factor.ridge / mean_diagonal(H))


def ordered_factor(
    hessian: Tensor, known: Factors, *, damp_percent: float, act_order: bool
) -> OrderedFactor | None:
    """Factorize the damped Hessian of the live columns, or find it among ``known`` ones.

    None where no column is live.

    Raises:
        CalibrationError: it cannot be factorized.
    """
    key = (damp_percent, act_order)
    if key not in known:
        order = live_columns(hessian)
        if order.numel() == 0:
            return None
        if act_order:
            order = order[torch.argsort(hessian.diagonal()[order], descending=True, stable=True)]
        ridge = damp_percent * mean_diagonal(hessian)
        known[key] = OrderedFactor(order, inverse_factor(hessian[order][:, order], ridge))
    return known[key]


def feed_back(
    target: Tensor, upper: Tensor, scale: Tensor, zero: Tensor, top: int
) -> tuple[Tensor, Tensor]:
    """Round the columns of one block in order, feeding each error to the columns after it.

    target, scale, zero: (out, b); upper: (b, b), the factor U of the block's inverse Hessian.
    Returns codes and errors ``(w_j − q_j) / U_jj``, both (out, b) float.
    """
    if fused.used_for(upper):
        walked: tuple[Tensor, Tensor] = fused.walk(target, upper, scale, zero, top)
        return walked
    # Columns are walked one at a time, so they lie contiguously: (b, out). Each gathers the
    # errors before it when its turn comes, which reads far less memory than spreading them.
    target, scale, zero = (part.T.contiguous() for part in (target, scale, zero))
    codes = torch.empty_like(target)
    errors = torch.empty_like(target)
    for j, diagonal in enumerate(upper.diagonal().tolist()):
        value = target[j] - upper[:j, j] @ errors[:j]
        codes[j] = nearest_code(value, scale[j], zero[j], top)
        errors[j] = (value - (codes[j] - zero[j]) * scale[j]) / diagonal
    return codes.T, errors.T
