"""A model that ranks texts by the words in them that it likes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLOOR = -6.0


class Liking:
    """Each liked string that stands in a text adds its worth; a text without any has the floor."""

    name = "liking"

    def __init__(self, **likes: float) -> None:
        self._likes = likes
        self.shown: list[str] = []

    def __call__(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        self.shown += texts
        return np.array(
            [FLOOR + sum(v for k, v in self._likes.items() if k in text) for text in texts],
            dtype=np.float32,
        )
