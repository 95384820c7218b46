"""GPTQ: rounding one column at a time, each error absorbed by the columns not yet rounded."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.int4.weight import QuantizedWeight
from quantizer.solvers.fused import choice as fused
from quantizer.solvers.grid import Grid, round_to_nearest
from quantizer.solvers.hessian import InverseFactor, inverse_factor, live_columns, mean_diagonal

_LAZY_COLUMNS = 128
SPAN_COLUMNS = 32
"""Columns walked one by one before their effect on those behind them is one product. Steps of the
walk are so small that the calls to the library count; on 192 to 4,096 rows 16 to 32 are best."""
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
    first_block = U[:_LAZY_COLUMNS, :_LAZY_COLUMNS]
    ordered = _rows_together if fused.used_for(first_block) else _columns_together
    scale, zero = (ordered(part, order) for part in grid.columns(W.shape[1]))
    work = ordered(W, order)
    codes = torch.empty_like(work)
    for first in range(0, len(order), _SLAB_COLUMNS):
        slab = slice(first, min(first + _SLAB_COLUMNS, len(order)))
        errors = torch.empty_like(work[:, slab])
        for start in range(first, slab.stop, _LAZY_COLUMNS):
            block = slice(start, min(start + _LAZY_COLUMNS, slab.stop))
            codes[:, block], found = feed_back(
                work[:, block], U[block, block], scale[:, block], zero[:, block], grid.top
            )
            errors[:, start - first : block.stop - first] = found
            behind = slice(block.stop, slab.stop)
            work[:, behind].addmm_(found, U[block, behind], alpha=-1)
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


def _rows_together(values: Tensor, order: Tensor) -> Tensor:
    """Columns of (out, in) in an order, as a matrix of which rows lie together in memory."""
    return values[:, order]


def _columns_together(values: Tensor, order: Tensor) -> Tensor:
    """The same as a matrix of which columns lie together, as the walk over them likes it."""
    return values.T[order].T


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
    # Columns are walked one at a time, so they lie contiguously: (b, out). Each gathers the misses
    # value − q of those before it when its turn comes, which reads far less memory than spreading
    # them; those of whole spans before its own come as one product.
    target, scale, zero = (part.T.contiguous() for part in (target, scale, zero))
    low, high = -zero, top - zero
    diagonal = upper.diagonal().unsqueeze(1)
    shares = (upper / diagonal).T.contiguous()
    steps, misses = torch.empty_like(target), torch.zeros_like(target)  # steps: code − zero
    for first in range(0, len(target), SPAN_COLUMNS):
        span = slice(first, first + SPAN_COLUMNS)
        value = target[span]
        if first:
            value = torch.addmm(value, shares[span, :first], misses[:first], alpha=-1)
        before = misses[span].T  # nought where a column's turn has not come
        for v, s, least, most, step, miss, share in zip(
            value.unbind(),
            *(part[span].unbind() for part in (scale, low, high, steps, misses)),
            shares[span, span].tril(-1).unbind(),
            strict=True,
        ):
            v = torch.addmv(v, before, share, alpha=-1)
            torch.div(v, s, out=step).round_().clamp_(least, most)
            torch.addcmul(v, step, s, value=-1, out=miss)
    return steps.add_(zero).T, misses.div_(diagonal).T
