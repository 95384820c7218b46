"""The meaning of short texts as vectors, by a small model of a folder: MiniLM and its kin.

The model takes token ids to one vector a token, as sentence-transformers exports BERT. The vector
of a text is the mean of its tokens' vectors, with length 1 (Reimers and Gurevych 2019,
https://arxiv.org/abs/1908.10084).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.inference.onnx_texts import OnnxTexts

MOST_TOKENS = 128
"""Of one text; what is longer than a few sentences has no one meaning."""


class SentenceEmbedder:
    """Embeds texts on the processor; used by one thread."""

    def __init__(self, folder: Path) -> None:
        """Load the model.

        Raises:
            VisionError: the folder lacks a file, or one of them cannot be used.
        """
        self._model = OnnxTexts(
            folder, does="compares meanings", name="minilm", most_tokens=MOST_TOKENS
        )

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The unit vectors of texts, (N, D) float32.

        Raises:
            VisionError: the model failed.
        """
        found: dict[int, NDArray[np.float32]] = {}
        for chosen, mask, states in self._model.outputs(texts):
            weights = mask[..., None].astype(np.float32)
            mean = (states * weights).sum(1) / weights.sum(1)
            unit = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
            found.update(zip(chosen, np.asarray(unit, dtype=np.float32), strict=True))
        return np.stack([found[at] for at in range(len(texts))])
