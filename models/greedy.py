"""The likeliest next token, asked of a device by waiting for it once."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Picked:
    """A token that a model goes on with.

    id:          its number.
    probability: the model's, 0 to 1.
    fed:         the number as (1, 1) int64 on the model's device, to be fed again without a copy.
    """

    id: int
    probability: float
    fed: Tensor


def pick(logits: Tensor) -> Picked:
    """Pick the likeliest token of logits (vocabulary,).

    All that is asked for comes in one transfer: a card has finished its work before it answers,
    and each further question would find it idle.

    Raises:
        CheckpointError: a logit is NaN or infinite, also one that would not be picked.
    """
    return answered(*asked(logits))


def asked(logits: Tensor) -> tuple[Tensor, Tensor]:
    """What is asked about logits (vocabulary,), left on their device without waiting for it.

    Returns what `answered` takes: the span of the logits, the probability and the number of the
    likeliest token (3,) float32; and this number (1, 1) int64.
    """
    wide = logits.float()
    # Their span is NaN or infinite if any of them is.
    least, largest = wide.aminmax()
    probability, best = wide.softmax(-1).max(-1)
    # A number of a token is exact in float32: vocabularies have fewer than 2**24.
    return torch.stack((largest - least, probability, best.float())), best.view(1, 1)


def answered(told: Tensor, fed: Tensor) -> Picked:
    """Wait for what `asked` asked.

    Raises:
        CheckpointError: a logit is NaN or infinite, also one that would not be picked.
    """
    span, sure, number = told.tolist()
    if not math.isfinite(span):
        raise no_numbers()
    return Picked(int(number), sure, fed)


def no_numbers() -> CheckpointError:
    """Weights can be finite, one by one, and still too large to compute with."""
    return CheckpointError(
        "the model computes NaN or infinity, so its weights are damaged: copy the model again"
    )
