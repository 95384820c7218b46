"""What a layer should approximate: its weight, or that weight corrected for its inputs' error.

The inputs X of a layer come from the quantized part of the network and differ from those, X̃, of
the full-precision network. Minimizing ``‖X̃Wᵀ − XQᵀ‖²`` instead of ``‖XWᵀ − XQᵀ‖²`` lets the
layer undo a part of the errors before it. Up to a constant it is ``tr((W' − Q) H (W' − Q)ᵀ)`` with

    W' = W + γ·W·Δ·(H + λI)⁻¹,   Δ = (X̃ − X)ᵀX,   H = XᵀX

exact at γ = 1 and λ = 0: one correction of the target, after which nothing else changes.

With ``residual_target`` a layer whose output is added to something, r on the quantized path and r̃
on the other, aims at ``r̃ + X̃Wᵀ``: ``WΔ`` becomes ``((X̃ − X)Wᵀ + r̃ − r)ᵀX``. What blocks before have
done to the sum is made up for as far as X foretells it.

Source: the objective is that of GPTAQ, arXiv 2504.02692, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from quantizer.solvers.gptq import Factors, LayerProblem, ordered_factor
from quantizer.solvers.hessian import cholesky, live_columns, mean_diagonal

GAMMAS = (0.0, 0.5, 1.0)
"""Shares of the correction that ``asymmetric_target`` auto tries."""

_USUAL = 0.5
_CLEAR_GAIN = 0.9
_TRIED_FIRST, _TRIED_EVERY = 2, 4
_WIDE = 1024


def multiplies_early(rows: Sequence[int], columns: int) -> bool:
    """Whether WΔ is summed over tokens in place of Δ, for a group with so many outputs a layer.

    It takes 4·out·in operations a token in place of 2·in². Narrow layers are spared neither time
    nor memory that counts.
    """
    return len(rows) == 1 and columns >= _WIDE and 2 * rows[0] < columns


def choose(errors: dict[float, float]) -> float:
    """Choose γ by the held-out output errors that the tried shares led to.

    A half is taken unless another share lowers the error by a tenth. On the small models that
    this was tuned on, smaller gains of the full correction in one block's output were lost again
    in perplexity, while a half did well on every calibration draw.
    """
    best = min(errors, key=errors.__getitem__)
    clear = errors[best] < _CLEAR_GAIN * errors.get(_USUAL, float("inf"))
    return best if clear else _USUAL


def tries_shares(place: int) -> bool:
    """Whether all shares are tried for a group of layers in the block at a place, from 0.

    The first blocks try them, then every fourth; those between take what the one before them
    took. On real models neighbours hardly ever differ, and trying costs two more walks of GPTQ.
    """
    return place < _TRIED_FIRST or place % _TRIED_EVERY == 0


@dataclass(slots=True)
class LayerStatistics:
    """What calibration says about the input of one group of layers.

    hessian:     (in, in), mean over ``tokens`` fitting tokens.
    held_out:    (in, in) of the held-out sequences; None where they sent no token.
    judged_tokens: those of ``held_out_tokens`` in sequences that both paths followed.
    shift:       Δ (in, in), mean over the tokens that both paths followed, or WΔ (out, in) of the
                 only layer; None without the full-precision path, or where it has too few.
    multiplied:  whether it is WΔ.
    paired:      Hessian (in, in) of those tokens alone, to which Δ belongs.
    last_inputs: (tokens, in) on the last fitting sequence, where they are kept.
    """

    hessian: Tensor
    tokens: int
    held_out: Tensor | None
    held_out_tokens: int
    judged_tokens: int
    shift: Tensor | None
    paired: Tensor | None
    damp_percent: float
    last_inputs: Tensor | None = None
    multiplied: bool = False
    _correction: Tensor | None = field(default=None, init=False)
    _own: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    _corrected: list[tuple[Tensor, Tensor]] = field(default_factory=list, init=False)
    _factors: Factors = field(default_factory=dict, init=False)

    @property
    def dead_columns(self) -> int:
        """How many columns calibration never used."""
        return int((self.hessian.diagonal() <= 0).sum()) if self.tokens else 0

    def problem(self, weight: Tensor, gamma: float) -> LayerProblem:
        """The problem of one layer (out, in) of the group, its target corrected by a share γ.

        Raises:
            CalibrationError: the Hessian cannot be factorized.
        """
        if gamma == 0 or self.shift is None or self.paired is None or self.tokens == 0:
            return LayerProblem(weight, self.hessian, self.tokens, factors=self._factors)
        target = weight + gamma * self._pull(weight, self.shift, self.paired)
        return LayerProblem(weight, self.hessian, self.tokens, target, self._factors)

    def _pull(self, weight: Tensor, shift: Tensor, paired: Tensor) -> Tensor:
        """``W Δ (H + λI)⁻¹`` for one layer of the group."""
        if paired is self.hessian and not self.multiplied:
            # Every sequence was followed: GPTQ's factor serves here, and layers share the rest.
            if self._correction is None:
                self._correction = correction(shift, paired, self.damp_percent, self._factors)
            return weight @ self._correction
        for known, found in self._corrected:
            if known is weight:
                return found
        # A factor that serves nothing else is not inverted, and Δ never multiplied by it: on the
        # widest layers either would take longer than GPTQ.
        if self._own is None:
            self._own = own_factor(paired, self.damp_percent)
        found = pull(shift if self.multiplied else weight @ shift, *self._own)
        self._corrected.append((weight, found))
        return found


def own_factor(hessian: Tensor, damp_percent: float) -> tuple[Tensor, Tensor]:
    """Live columns and the lower Cholesky factor of their damped Hessian.

    Raises:
        CalibrationError: it cannot be factorized at all.
    """
    live = live_columns(hessian)
    part = hessian if len(live) == len(hessian) else hessian[live][:, live]
    return live, cholesky(part, damp_percent * mean_diagonal(hessian))[0]


def pull(product: Tensor, live: Tensor, lower: Tensor) -> Tensor:
    """``W Δ (H + λI)⁻¹`` over live columns from ``W Δ``, both (out, in); dead ones stay."""
    wanted = product[:, live].T.to(lower.dtype)
    result = torch.zeros_like(product)
    result[:, live] = torch.cholesky_solve(wanted, lower).T.to(product.dtype)
    return result


def correction(
    shift: Tensor, hessian: Tensor, damp_percent: float, factors: Factors | None = None
) -> Tensor:
    """``Δ (H + λI)⁻¹`` over live columns, (in, in); dead columns get no correction.

    The damping is escalated as for GPTQ where the Hessian cannot be factorized. ``factors`` holds
    those of this Hessian that are known already.

    Raises:
        CalibrationError: it cannot be factorized at all.
    """
    known = {} if factors is None else factors
    found = ordered_factor(hessian, known, damp_percent=damp_percent, act_order=True)
    result = torch.zeros_like(hessian)
    if found is not None:
        live, U = found.order, found.factor.upper
        # A dead column of X can still be live in X̃, so rows are not restricted.
        result[:, live] = shift[:, live] @ U.T @ U
    return result
