"""Bootstrap intervals of a ratio of sums, the form of every figure measured here."""

import torch
from torch import Tensor

_RESAMPLES = 2000
_SEED = 0


def bootstrap_ratio(numerators: Tensor, denominators: Tensor) -> tuple[float, float]:
    """95 % interval of ``sum(numerators) / sum(denominators)`` over resampled items.

    numerators, denominators: (items,), such as summed losses and token counts per window, or
    right answers and ones. Resampling is seeded, so the same items give the same interval.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, percentile interval.
    """
    count = len(numerators)
    generator = torch.Generator().manual_seed(_SEED)
    draws = torch.randint(count, (_RESAMPLES, count), generator=generator)
    top = numerators.double()[draws].sum(dim=1)
    bottom = denominators.double()[draws].sum(dim=1)
    low, high = torch.quantile(top / bottom, torch.tensor([0.025, 0.975], dtype=torch.float64))
    return float(low), float(high)
