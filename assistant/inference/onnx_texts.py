"""A BERT in a folder that reads short texts on the processor: model.onnx and tokenizer.json."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from assistant.errors import VisionError

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"

BATCH = 16
"""Texts that are computed together; those of about one length are, so that little is padded."""


class OnnxTexts:
    """Runs the model over texts, or over pairs of them; used by one thread."""

    def __init__(
        self,
        folder: Path,
        *,
        does: str,
        name: str,
        most_tokens: int,
        threads: int = 2,
        instead: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
    ) -> None:
        """Load the model.

        does, name: what it does, for errors, and what it is called in the catalog.
        most_tokens: of one text, or of a pair together; what is longer is cut.
        instead: by their names in the file, tensors that are used instead of those stored there.

        Raises:
            VisionError: the folder lacks a file, or one of them cannot be used.
        """
        import onnxruntime
        from tokenizers import Tokenizer

        self._does = does
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # The session reads them where they lie, as long as it lives.
        self._instead = {
            each: onnxruntime.OrtValue.ortvalue_from_numpy(tensor)
            for each, tensor in instead.items()
        }
        for each, value in self._instead.items():
            options.add_initializer(each, value)
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            self._session = onnxruntime.InferenceSession(
                str(folder / MODEL), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise their own kinds, some bare
            raise VisionError(
                f"{folder}: the model that {does} cannot be loaded ({str(error).splitlines()[0]})",
                f"install it again: assistant models pull {name}",
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(most_tokens)
        self._inputs = {each.name for each in self._session.get_inputs()}

    def outputs(
        self, texts: Sequence[str] | Sequence[tuple[str, str]]
    ) -> Iterator[tuple[list[int], NDArray[np.int64], NDArray[np.float32]]]:
        """The first output of the model for some texts at a time, in any order.

        Yields which texts they are (B), their attention mask (B, T), and the output, (B, ...).

        Raises:
            VisionError: the model failed.
        """
        found = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(found)), key=lambda at: len(found[at].ids))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            shape = len(chosen), len(found[chosen[-1]].ids)
            tokens, kinds, mask = (np.zeros(shape, dtype=np.int64) for _ in range(3))
            for row, at in enumerate(chosen):
                length = len(found[at].ids)
                tokens[row, :length] = found[at].ids
                kinds[row, :length] = found[at].type_ids
                mask[row, :length] = 1
            given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": kinds}
            try:
                output = self._session.run(
                    None, {name: value for name, value in given.items() if name in self._inputs}
                )[0]
            except Exception as error:
                raise self.failed(str(error).splitlines()[0]) from error
            yield chosen, mask, np.asarray(output, dtype=np.float32)

    def failed(self, why: str) -> VisionError:
        """The error for a model that was loaded and does not do what it should."""
        return VisionError(f"the model that {self._does} failed ({why})")
