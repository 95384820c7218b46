"""Greedy continuations of several prompts of one length at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from models.families import text_ends, text_steps


def greedy_rows(model: nn.Module, ids: Tensor, max_new_tokens: int) -> list[list[int]]:
    """Continue each row of ids (B, T) by its likeliest tokens, up to a token that ends texts.

    Prompts of one length need no filling, so each row's continuation is what it would be alone.
    The end itself is left out.

    Raises:
        ValueError: a logit that decides is not finite.
    """
    ends = text_ends(model)
    rows: list[list[int]] = [[] for _ in ids]
    open_rows = set(range(len(ids)))
    for best in _steps(model, ids, max_new_tokens):
        for index in sorted(open_rows):
            if int(best[index]) in ends:
                open_rows.remove(index)
            else:
                rows[index].append(int(best[index]))
        if not open_rows:
            break
    return rows


def _steps(model: nn.Module, ids: Tensor, count: int) -> Iterator[Tensor]:
    """Yield the likeliest next tokens (B,) again and again, each step fed with the last."""
    step = text_steps(model)
    fed = ids
    for _ in range(count):
        with torch.inference_mode():
            largest, best = step(fed).max(-1)
        if not bool(largest.isfinite().all()):
            raise ValueError("the model computes no numbers")
        yield best
        fed = best[:, None]
