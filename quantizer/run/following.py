"""How many sequences the full-precision network is walked with, beside the quantized one.

Following all of a large model's tokens would cost more than the whole of GPTQ.
"""

from collections.abc import Iterable

from models.blocks import BlockwiseModel
from quantizer.recipes.recipe import Recipe
from quantizer.run.parts import kind_of, linear_of

_FOLLOWED_PER_COLUMN = 8
_FOLLOWED_AT_LEAST = 16384
"""Tokens that the full-precision path follows, where there are more: so many per column of the
widest layer, on whose columns the correction is a regression, and so many at least. On small
models perplexity gains from following more than 8 per column; narrower layers therefore follow as
many as the widest, whose share of the time is the largest in any case."""

JUDGING_TOKENS = 2048
"""Held-out tokens whose block output chooses γ."""


def widest_layer(model: BlockwiseModel, recipe: Recipe) -> int:
    """Most inputs of a quantized layer, on which the number of followed tokens depends.

    A picture's tower is left aside where there are other layers: it has four positions for each
    token of the picture, so that fewer sequences than the others need serve it too.
    """
    widths: dict[bool, int] = {}
    for block in recipe.blocks(model):
        for group in block.groups:
            tower = kind_of(f"{block.name}.{group[0]}") == "tower"
            columns = max(linear_of(block, name).in_features for name in group)
            widths[tower] = max(widths.get(tower, 0), columns)
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
