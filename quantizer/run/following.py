"""How many sequences the full-precision network is walked with, beside the quantized one.

Following all of a large model's tokens would cost more than the whole of GPTQ.
"""

from collections.abc import Iterable

from models.families import OpenedModel
from quantizer.recipes.recipe import Recipe
from quantizer.run.passes import linear_of

_FOLLOWED_PER_COLUMN = 8
_FOLLOWED_AT_LEAST = 16384
"""Tokens that the full-precision path follows, where there are more: so many per column of the
widest layer, on whose columns the correction is a regression, and so many at least. On small
models perplexity gains from following more than 8 per column; narrower layers therefore follow as
many as the widest, whose share of the time is the largest in any case."""

JUDGING_TOKENS = 2048
"""Held-out tokens whose block output chooses γ."""


def widest_layer(opened: OpenedModel, recipe: Recipe) -> int:
    """Most inputs of a quantized layer, on which the number of followed tokens depends.

    Finer parts of the model, such as a picture's tower, are left aside where there are others.
    """
    parts = opened.layout.parts
    widths: dict[bool, int] = {}
    for block in recipe.blocks(opened.blockwise):
        for group in block.groups:
            finer = parts.of(f"{block.name}.{group[0]}").finer
            columns = max(linear_of(block, name).in_features for name in group)
            widths[finer] = max(widths.get(finer, 0), columns)
    return widths.get(False, widths.get(True, 0))


def followed_tokens(columns: int) -> int:
    """Tokens that the full-precision path follows where the widest layer has ``columns`` inputs."""
    return max(_FOLLOWED_PER_COLUMN * columns, _FOLLOWED_AT_LEAST)


def sequences_for(lengths: Iterable[int], tokens: int) -> int:
    """How many sequences, from the first, hold at least so many tokens together; at most all.

    lengths: tokens of every sequence.
    """
    total = count = 0
    for length in lengths:
        if total >= tokens:
            break
        total += length
        count += 1
    return count
