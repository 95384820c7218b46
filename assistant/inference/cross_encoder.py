"""How well short texts answer a question, by a small model of a folder: a cross-encoder.

The model takes the token ids of a question and a text together to one score, as BERT that was
trained to rank passages for questions does (Nogueira and Cho 2019,
https://arxiv.org/abs/1901.04085). Unlike vectors that are made of each text by itself, the score
weighs every word of the one against every word of the other.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.inference.onnx_texts import OnnxTexts

MOST_TOKENS = 160
"""Of a question and a text together; a place that is quoted is shorter."""


class CrossEncoder:
    """Scores texts on the processor; used by one thread."""

    def __init__(self, folder: Path) -> None:
        """Load the model.

        Raises:
            VisionError: the folder lacks a file, or one of them cannot be used.
        """
        self.name = folder.name
        self._model = OnnxTexts(
            folder,
            does="finds the place that answers",
            name="ms-marco-minilm",
            most_tokens=MOST_TOKENS,
        )

    def __call__(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """The score of each text as the answer to a question, (N,) float32, in logits.

        Raises:
            VisionError: the model failed.
        """
        scores = np.zeros(len(texts), dtype=np.float32)
        for chosen, _, logits in self._model.outputs([(question, each) for each in texts]):
            if logits.size != len(chosen):
                raise self._model.failed("it gives no one score a text")
            scores[chosen] = logits.reshape(len(chosen))
        return scores
