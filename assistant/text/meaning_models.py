"""The models that tell what texts mean, each where it is installed; everything works without."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts as unit vectors, (N, D)."""


class Rank(Protocol):
    """How well each of N texts answers a question, (N,) float32, in logits; 0 is that none does."""

    name: str

    def __call__(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class MeaningModels:
    """Each gives its model, or None where none is installed or it cannot be opened."""

    embed: Callable[[], Embed | None] = lambda: None
    rank: Callable[[], Rank | None] = lambda: None


WITHOUT = MeaningModels()
"""Words alone lead to the answers."""
