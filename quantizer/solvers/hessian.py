"""Second moments of a layer's inputs, and what is computed from them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from quantizer.errors import CalibrationError

_ESCALATIONS = 3  # how often a failing factorization may raise its damping tenfold
_STRIP_COLUMNS = 1024
ERROR_COLUMNS = 192
"""The same for an error, which has fewer rows: of 576 columns a third of the products is spared."""


class RunningSum:
    """A sum of products over tokens, (rows, columns) in float32, and how many tokens it holds.

    Nothing is allocated before the first token.
    """

    def __init__(
        self, rows: int, columns: int, device: torch.device | None = None, tokens: int = 0
    ) -> None:
        self.shape, self.device = (rows, columns), device
        self.total: Tensor | None = None
        self.tokens = tokens

    def add(self, left: Tensor, right: Tensor) -> None:
        """Add ``leftᵀ right`` of the same tokens, (tokens, rows) and (tokens, columns)."""
        if self.total is None:
            self.total = left.T @ right
        else:
            self.total.addmm_(left.T, right)
        self.tokens += right.shape[0]

    def add_below(self, inputs: Tensor) -> None:
        """Add ``inputsᵀ inputs`` (tokens, columns) on and below the diagonal, by strips."""
        if self.total is None:
            self.total = torch.zeros(self.shape, dtype=inputs.dtype, device=inputs.device)
        for strip in _strips(inputs.shape[1]):
            below = slice(strip.start, None)
            self.total[below, strip].addmm_(inputs[:, below].T, inputs[:, strip])
        self.tokens += inputs.shape[0]

    def merge(self, other: "RunningSum") -> None:
        """Add another sum, which gives up its memory."""
        if self.total is None:
            self.total = other.total
        elif other.total is not None:
            self.total += other.total
        other.total = None
        self.tokens += other.tokens

    def mean(self) -> Tensor:
        """The mean per token; zeros where no token was seen."""
        if self.total is None:
            return torch.zeros(self.shape, dtype=torch.float32, device=self.device)
        return self.total / max(self.tokens, 1)


class HessianAccumulator:
    """Running sum of ``xᵀx`` over tokens, in float32.

    It is symmetric: of wide ones only what lies on and below the diagonal is added up, strip by
    strip, which spares up to half of the products.
    """

    def __init__(self, in_features: int, device: torch.device | None = None) -> None:
        self._lower = RunningSum(in_features, in_features, device)

    @property
    def tokens(self) -> int:
        """How many tokens were added."""
        return self._lower.tokens

    @property
    def sum(self) -> RunningSum:
        """The sum, whole."""
        total = self._lower.total
        if total is not None:
            for strip in _strips(len(total)):
                total[strip, strip.stop :] = total[strip.stop :, strip].T
        return self._lower

    def add(self, inputs: Tensor) -> None:
        """Add inputs of shape (..., in); every leading position counts as one token.

        Raises:
            CalibrationError: the inputs hold NaN or infinity.
        """
        rows = inputs.detach().reshape(-1, inputs.shape[-1]).to(torch.float32)
        _require_finite(rows)
        self._lower.add_below(rows)

    def mean(self) -> Tensor:
        """The Hessian per token, (in, in); zeros where no token was seen.

        Dividing by the count makes it independent of how tokens were batched.
        """
        return self.sum.mean()


class CrossAccumulator:
    """Running sum of ``(x̃ − x)ᵀ x`` over tokens, in float32; or of ``W (x̃ − x)ᵀ x``.

    weight: W (out, in), where only that product is wanted.
    """

    def __init__(
        self,
        in_features: int,
        device: torch.device | None = None,
        weight: Tensor | None = None,
    ) -> None:
        rows = in_features if weight is None else len(weight)
        self.sum = RunningSum(rows, in_features, device)
        self._weight = weight

    @property
    def tokens(self) -> int:
        """How many tokens were added."""
        return self.sum.tokens

    def add(self, exact: Tensor, quantized: Tensor, added: Tensor | None = None) -> None:
        """Add the inputs of the same tokens on both paths, each (..., in).

        added: r̃ − r (tokens, out), by which what the layer's output is added to differs on the
            paths; ``(x̃ − x) Wᵀ + r̃ − r`` is then what the sum lacks. It needs the weight.

        Raises:
            CalibrationError: the full-precision inputs hold NaN or infinity.
        """
        wanted, rows = (x.detach().reshape(-1, x.shape[-1]).float() for x in (exact, quantized))
        _require_finite(wanted)
        missing = wanted - rows
        if self._weight is not None:
            missing = missing @ self._weight.T
            if added is not None:
                missing += added
        self.sum.add(missing, rows)

    def mean(self) -> Tensor:
        """The mean per token, (in, in) or (out, in); zeros where no token was seen."""
        return self.sum.mean()


def _strips(columns: int) -> list[slice]:
    return [
        slice(first, min(first + _STRIP_COLUMNS, columns))
        for first in range(0, columns, _STRIP_COLUMNS)
    ]


def hessian_strips(columns: int) -> int:
    """How many products add a sequence to a Hessian of so many columns."""
    return len(_strips(columns))


def hessian_products(columns: int) -> float:
    """Multiplications and additions that one token adds to a Hessian of so many columns."""
    entries: int = sum((s.stop - s.start) * (columns - s.start) for s in _strips(columns))
    return 2.0 * entries


@dataclass(frozen=True, slots=True)
class InverseFactor:
    """Upper factor ``U`` of ``(H + ridge·I)⁻¹ = UᵀU`` and the ridge that made it exist."""

    upper: Tensor
    ridge: float


def row_output_error(error: Tensor, hessian: Tensor) -> Tensor:
    """``diag(E H Eᵀ)``: squared output error of each row (out,), for E (out, in), H (in, in).

    H is symmetric: strip by strip, the part below its diagonal counts twice and the part above it
    is not read, which saves almost half of the products in wide layers.
    """
    total = error.new_zeros(len(error))
    for first in range(0, error.shape[1], ERROR_COLUMNS):
        strip, below = slice(first, first + ERROR_COLUMNS), first + ERROR_COLUMNS
        product = error[:, strip] @ hessian[strip, strip]
        if below < error.shape[1]:
            product += 2 * (error[:, below:] @ hessian[below:, strip])
        total += (product * error[:, strip]).sum(dim=1)
    return total


def output_error(error: Tensor, hessian: Tensor) -> float:
    """``J = tr(E H Eᵀ)``, the squared output error per token of the whole layer."""
    return float(row_output_error(error, hessian).sum())


def live_columns(hessian: Tensor) -> Tensor:
    """Indices of the columns that calibration ever used, those with ``H_jj > 0``."""
    return torch.nonzero(hessian.diagonal() > 0).flatten()


def mean_diagonal(hessian: Tensor) -> float:
    """Mean of ``H_jj`` over live columns; padding columns must not dilute the damping."""
    diagonal = hessian.diagonal()
    live = diagonal[diagonal > 0]
    return float(live.mean()) if live.numel() else 0.0


def damped(hessian: Tensor, ridge: float) -> Tensor:
    """``H + ridge·I`` on live columns; dead ones stay zero."""
    result = hessian.clone()
    result.diagonal().add_(ridge * (hessian.diagonal() > 0).to(hessian.dtype))
    return result


def inverse_factor(hessian: Tensor, ridge: float) -> InverseFactor:
    """Upper Cholesky factor of the damped inverse, for a Hessian (in, in) of live columns.

    Where the factorization fails the ridge is raised as in ``cholesky``, and the result says so.

    Raises:
        CalibrationError: no factorization succeeded.
    """
    # Reversing rows and columns turns a lower factor of H into an upper factor M with
    # H = M Mᵀ; then U = M⁻¹ is the factor of the inverse, without forming the inverse.
    lower, used = cholesky(hessian, ridge, backwards=True)
    factor = lower.flip(0, 1)
    del lower
    identity = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
    upper = torch.linalg.solve_triangular(factor, identity, upper=True)
    return InverseFactor(upper.to(hessian.dtype), used)


def cholesky(hessian: Tensor, ridge: float, *, backwards: bool = False) -> tuple[Tensor, float]:
    """Lower factor ``L`` of ``H + ridge·I = L Lᵀ`` (in, in) and the ridge that made it exist.

    backwards: of H with its rows and columns in reverse order.

    Where a float32 factorization fails float64 is tried, and the factor is float64 then; where
    both fail the ridge is raised tenfold, at most three times.

    Raises:
        CalibrationError: no factorization succeeded.
    """
    for escalation in range(_ESCALATIONS + 1):
        tried = ridge * 10.0**escalation
        for dtype in (torch.float32, torch.float64):
            # Each matrix goes as soon as it can: the widest layers have gigabytes of them.
            copy = hessian.flip(0, 1) if backwards else hessian.clone()
            copy.diagonal().add_(tried)
            lower, failed = torch.linalg.cholesky_ex(copy.to(dtype))
            del copy
            if int(failed) == 0:
                return lower, tried
    raise CalibrationError(
        lambda name: (
            "the Hessian cannot be factorized even with damping "
            f"{ridge * 10.0**_ESCALATIONS:.3g}: use more calibration samples or a larger "
            f"{name('damp_percent')}"
        )
    )


def _require_finite(rows: Tensor) -> None:
    if not bool(torch.isfinite(rows).all()):
        raise CalibrationError(
            "calibration activations hold NaN or infinity: check the model and its weights"
        )
