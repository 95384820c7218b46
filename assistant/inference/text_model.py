"""A language model that understands a text which was read: summaries, questions about it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from assistant.errors import VisionError
from assistant.seeing.text import never
from models.errors import ModelsError

MOST_NEW_TOKENS = 160
"""About a minute of speech; a summary that is longer is none."""

INSTRUCTION = (
    "You help a blind person. Answer in one to three short sentences, from the text alone. "
    "If the text does not say it, say that it does not."
)

_HEADER = "<|start_header_id|>"


class TextModel(Protocol):
    """Anything that answers questions about a text."""

    name: str

    def answer(
        self, text: str, question: str, cancelled: Callable[[], bool] = never
    ) -> Iterator[str]:
        """Stream an answer in pieces of any size."""
        ...


class LocalTextModel:
    """A LLaMA, OPT or Qwen3 of any size in a folder on this machine."""

    def __init__(self, folder: Path) -> None:
        """Load the model.

        Raises:
            VisionError: the folder or one of its files cannot be used, or holds no text model.
        """
        from models.loading import load_model

        self.name = "/".join(folder.absolute().parts[-2:])
        try:
            loaded = load_model(folder)
        except ModelsError as error:
            raise VisionError(str(error)) from error
        if loaded.family == "cogvlm2":
            raise VisionError(
                f"{folder} holds a model that looks at pictures; give the folder of a text model"
            )
        self._model, self._tokenizer = loaded.model, loaded.tokenizer

    def answer(
        self, text: str, question: str, cancelled: Callable[[], bool] = never
    ) -> Iterator[str]:
        """Stream the greedy answer; a text that is too long loses its end.

        Raises:
            VisionError: the model computes no numbers.
        """
        try:
            yield from self._answer(text, question, cancelled)
        except ModelsError as error:
            raise VisionError(f"{self.name}: {error}") from error

    def _answer(self, text: str, question: str, cancelled: Callable[[], bool]) -> Iterator[str]:
        import torch

        from models.generate import StreamingText, greedy_tokens

        config = self._model.config
        ids = self._encode(text, question, _context(config) - MOST_NEW_TOKENS)
        streaming = StreamingText(self._tokenizer)
        ends = self._end_ids(config)
        device = next(self._model.parameters()).device
        fed = torch.tensor([ids], device=device)
        for token in greedy_tokens(self._model, fed, max(1, MOST_NEW_TOKENS)):
            if token in ends or cancelled():
                return
            yield streaming.add(token)

    def _encode(self, text: str, question: str, room: int) -> list[int]:
        while True:
            ids: list[int] = self._tokenizer.encode(self._prompt(text, question)).ids
            if len(ids) <= max(room, 8) or not text:
                return ids
            text = text[: int(len(text) * 0.8)]

    def _prompt(self, text: str, question: str) -> str:
        asked = f"Text:\n{text}\n\nQuestion: {question}"
        if self._tokenizer.token_to_id(_HEADER) is None:
            return f"{asked}\nAnswer:"
        turns = (("system", INSTRUCTION), ("user", asked))
        said = "".join(
            f"{_HEADER}{role}<|end_header_id|>\n\n{words}<|eot_id|>" for role, words in turns
        )
        return f"{said}{_HEADER}assistant<|end_header_id|>\n\n"

    def _end_ids(self, config: object) -> set[int]:
        stated = getattr(config, "eos_token_id", None)
        ends = set(stated) if isinstance(stated, list | tuple) else {stated}
        ends.add(self._tokenizer.token_to_id("<|eot_id|>"))
        return {end for end in ends if end is not None}


def _context(config: object) -> int:
    return int(getattr(config, "max_position_embeddings", 2048))
