"""The meaning of short texts as vectors, by a small model of a folder: MiniLM and its kin.

The folder holds `model.onnx` (token ids to one vector a token, as sentence-transformers exports
BERT) and `tokenizer.json`. The vector of a text is the mean of its tokens' vectors, with length 1
(Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.errors import VisionError

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"

MOST_TOKENS = 128
"""Of one text; what is longer than a few sentences has no one meaning."""

BATCH = 16
"""Texts that are computed together; those of about one length are, so that little is padded."""


class SentenceEmbedder:
    """Embeds texts on the processor; used by one thread."""

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
                f"{folder}: the model that compares meanings cannot be loaded "
                f"({str(error).splitlines()[0]})",
                "install it again: assistant models pull minilm",
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._inputs = {each.name for each in self._session.get_inputs()}

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The unit vectors of texts, (N, D) float32.

        Raises:
            VisionError: the model failed.
        """
        ids = [each.ids for each in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        found: dict[int, NDArray[np.float32]] = {}
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            found.update(zip(chosen, self._embed([ids[at] for at in chosen]), strict=True))
        return np.stack([found[at] for at in range(len(ids))])

    def _embed(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        tokens = np.zeros((len(ids), max(map(len, ids))), dtype=np.int64)
        mask = np.zeros_like(tokens)
        for row, each in enumerate(ids):
            tokens[row, : len(each)] = each
            mask[row, : len(each)] = 1
        given = {
            "input_ids": tokens,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(tokens),
        }
        try:
            states = self._session.run(
                None, {name: value for name, value in given.items() if name in self._inputs}
            )[0]
        except Exception as error:
            raise VisionError(
                f"the model that compares meanings failed ({str(error).splitlines()[0]})"
            ) from error
        weights = mask[..., None].astype(np.float32)
        mean = (states * weights).sum(1) / weights.sum(1)
        unit = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
        return np.asarray(unit, dtype=np.float32)
