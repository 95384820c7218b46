"""How near the places of a page are to a question in meaning, where a model can tell.

"Can I have a beer with it" and "Avoid alcohol" share no word; their vectors are close.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.text.meaning_models import Embed
from assistant.text.page import Page, Passage
from assistant.text.sections import behind_heading


class Closeness:
    """The places of one page as vectors, made at the first question."""

    def __init__(self, page: Page, embed: Embed) -> None:
        self._page, self._embed = page, embed
        self._vectors: dict[tuple[str, tuple[int, ...]], NDArray[np.float32]] = {}

    def of(self, question: str, places: Sequence[Passage]) -> list[float]:
        """The cosine of each place to a question, -1 to 1.

        Raises:
            VisionError: the model failed.
        """
        if not places:
            return []
        self.learn(places)
        known = np.stack([self._vectors[_key(each)] for each in places])
        return [float(value) for value in known @ self._embed([question])[0]]

    def learn(self, places: Sequence[Passage]) -> None:
        """Embed places before anybody asks: then a question costs one text more.

        Raises:
            VisionError: the model failed.
        """
        new = [each for each in places if _key(each) not in self._vectors]
        if new:
            vectors = self._embed([behind_heading(self._page, each) for each in new])
            self._vectors.update(zip(map(_key, new), vectors, strict=True))


def _key(place: Passage) -> tuple[str, tuple[int, ...]]:
    return place.text, place.rows
