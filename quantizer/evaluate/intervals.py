"""Bootstrap intervals: of any statistic, of a ratio of sums, of the share of right answers."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

_RESAMPLES = 2000
_SEED = 0
_MOST_DRAWN = 1 << 22  # item numbers held at once, so that many items need no gigabytes


def bootstrap(statistic: Callable[[Tensor], Tensor], count: int) -> tuple[float, float]:
    """95 % interval of a statistic of ``count`` items over resampled items.

    statistic: takes item numbers (resamples, count), drawn with replacement, to (resamples,)
        values. What it computes from several models' figures is paired by that.

    Resampling is seeded, so the same items give the same interval.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, percentile interval.
    """
    values = torch.cat([statistic(draws).double() for draws in _draws(count)])
    low, high = torch.quantile(values, torch.tensor([0.025, 0.975], dtype=torch.float64))
    return float(low), float(high)


def bootstrap_ratio(numerators: Tensor, denominators: Tensor) -> tuple[float, float]:
    """95 % interval of ``sum(numerators) / sum(denominators)`` over resampled items.

    numerators, denominators: (items,), such as summed losses and token counts per window, or
    right answers and ones.
    """
    top, bottom = numerators.double(), denominators.double()
    return bootstrap(lambda draws: top[draws].sum(1) / bottom[draws].sum(1), len(top))


def accuracy(right: list[bool]) -> dict[str, Any]:
    """Share of right answers with its 95 % bootstrap interval over items.

    Returns ``items, value, interval_95``.
    """
    counts = torch.tensor(right, dtype=torch.float64)
    return {
        "items": len(right),
        "value": float(counts.mean()),
        "interval_95": list(bootstrap_ratio(counts, torch.ones_like(counts))),
    }


def _draws(count: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(_SEED)
    left = _RESAMPLES
    while left:
        now = max(1, min(left, _MOST_DRAWN // count))
        yield torch.randint(count, (now, count), generator=generator)
        left -= now
