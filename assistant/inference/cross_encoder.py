"""How well short texts answer a question, by a small model of a folder: a cross-encoder.

The folder holds `model.onnx` (token ids of a question and a text together to one score) and
`tokenizer.json`, as BERT that was trained to rank passages for questions is exported (Nogueira and
Cho 2019, https://arxiv.org/abs/1901.04085). Unlike vectors that are made of each text by itself,
the score weighs every word of the one against every word of the other.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.errors import VisionError

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"

MOST_TOKENS = 160
"""Of a question and a text together; a place that is quoted is shorter."""

BATCH = 16
"""Texts that are computed together; those of about one length are, so that little is padded."""


class CrossEncoder:
    """Scores texts on the processor; used by one thread."""

    def __init__(self, folder: Path, *, threads: int = 2) -> None:
        """Load the model.

        Raises:
            VisionError: the folder lacks a file, or one of them cannot be used.
        """
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            self._session = onnxruntime.InferenceSession(
                str(folder / MODEL), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise their own kinds, some bare
            raise VisionError(
                f"{folder}: the model that finds the place that answers cannot be loaded "
                f"({str(error).splitlines()[0]})",
                "install it again: assistant models pull ms-marco-minilm",
            ) from error
        self.name = folder.name
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._inputs = {each.name for each in self._session.get_inputs()}

    def __call__(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """The score of each text as the answer to a question, (N,) float32, in logits.

        Raises:
            VisionError: the model failed.
        """
        pairs = self._tokenizer.encode_batch([(question, each) for each in texts])
        order = sorted(range(len(pairs)), key=lambda at: len(pairs[at].ids))
        scores = np.zeros(len(pairs), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            scores[chosen] = self._score(
                [pairs[at].ids for at in chosen], [pairs[at].type_ids for at in chosen]
            )
        return scores

    def _score(
        self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]]
    ) -> NDArray[np.float32]:
        tokens = np.zeros((len(ids), max(map(len, ids))), dtype=np.int64)
        parts, mask = np.zeros_like(tokens), np.zeros_like(tokens)
        for row, (each, part) in enumerate(zip(ids, types, strict=True)):
            tokens[row, : len(each)] = each
            parts[row, : len(part)] = part
            mask[row, : len(each)] = 1
        given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": parts}
        try:
            logits = self._session.run(
                None, {name: value for name, value in given.items() if name in self._inputs}
            )[0]
            return np.asarray(logits, dtype=np.float32).reshape(len(ids))
        except Exception as error:  # also what gives no one score a text
            raise VisionError(
                f"the model that finds the place that answers failed ({str(error).splitlines()[0]})"
            ) from error
