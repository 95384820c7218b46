"""How well short texts answer a question, by a small model of a folder: a cross-encoder.

The model takes the token ids of a question and a text together to one score, as BERT that was
trained to rank passages for questions does (Nogueira and Cho 2019,
https://arxiv.org/abs/1901.04085). Unlike vectors that are made of each text by itself, the score
weighs every word of the one against every word of the other.

It was trained on what people type into a search box. How they ask about a paper in their hand is
learnt by its biases and norms alone (Ben Zaken, Goldberg and Ravfogel 2021, "BitFit",
https://arxiv.org/abs/2106.10199): they are 136 kilobytes, kept beside this file, and are
used instead of those of the model. `scripts/train_relevance.py` makes them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from assistant.errors import VisionError
from assistant.inference.onnx_texts import MODEL, OnnxTexts
from assistant.machine import sha256_of

NAME, DOES = "ms-marco-minilm", "finds the place that answers"

TUNED = Path(__file__).with_name("everyday_questions.safetensors")

TUNED_FOR = "tuned_for"
"""What the file of the tensors says of the model's file: its SHA-256."""

MOST_TOKENS = 160
"""Of a question and a text together; a place that is quoted is shorter."""


class CrossEncoder:
    """Scores texts on the processor; used by one thread."""

    def __init__(self, folder: Path, tuned: Path | None = TUNED) -> None:
        """Load the model.

        tuned: the file of the tensors that are used instead of the model's own, or None.

        Raises:
            VisionError: the folder lacks a file, one of them cannot be used, or the tensors were
                tuned for another model.
        """
        self.name = folder.name
        self._model = OnnxTexts(
            folder,
            does=DOES,
            name=NAME,
            most_tokens=MOST_TOKENS,
            instead={} if tuned is None else _of_this_model(tuned, folder / MODEL),
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


def _of_this_model(tuned: Path, model: Path) -> dict[str, NDArray[np.float32]]:
    """The tuned tensors by their names in the model's file.

    Raises:
        VisionError: one of the files cannot be read, or they do not belong together.
    """
    try:
        with safe_open(tuned, "numpy") as file:
            digest = (file.metadata() or {}).get(TUNED_FOR)
            # The file has keys, and is no mapping that could be gone through itself.
            tensors = {each: file.get_tensor(each) for each in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise VisionError(
            f"{tuned}: this part of Sightline cannot be loaded ({error})", "install Sightline again"
        ) from error
    try:
        is_it = digest == sha256_of(model)
    except OSError as error:
        raise VisionError(
            f"the model that {DOES} cannot be loaded ({error})",
            f"install it again: assistant models pull {NAME}",
        ) from error
    if not is_it:
        raise VisionError(
            f"{model}: this is not the file of {NAME} that Sightline was tuned for",
            f"install it again: assistant models pull {NAME}",
        )
    return {each: tensor.astype(np.float32) for each, tensor in tensors.items()}
