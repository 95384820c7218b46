"""The share of right answers."""

from typing import Any

import torch

from quantizer.evaluate.intervals import bootstrap_ratio


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
