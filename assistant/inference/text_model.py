"""A language model that understands a text which was read: summaries, questions about it."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assistant.errors import VisionError
from assistant.inference.placing import Placed, Placing
from assistant.seeing.text import never
from models.errors import ModelsError

if TYPE_CHECKING:
    from models.loading import LoadedModel

MOST_NEW_TOKENS = 160
"""About a minute of speech; a summary that is longer is none."""

INSTRUCTION = (
    "You help a blind person. Answer in one to three short sentences, from the text alone, in the "
    "words of the text. If the text does not say it, say that it does not."
)

_HEADER, _TURN = "<|start_header_id|>", "<|im_start|>"
"""Tokens that show how Llama 3 and ChatML models are asked, where a folder has no template."""


class TextModel(Protocol):
    """Anything that answers questions about a text."""

    name: str

    def answer(
        self, text: str, question: str, cancelled: Callable[[], bool] = never
    ) -> Iterator[str]:
        """Stream an answer in pieces of any size."""
        ...


class LocalTextModel:
    """A LLaMA, OPT, Qwen2 or Qwen3 of any size in a folder on this machine."""

    def __init__(self, folder: Path, placing: Placing | None = None) -> None:
        """Load the model.

        placing: chooses the device; None for the processor.

        Raises:
            VisionError: the folder or one of its files cannot be used, or holds no text model, or
                memory is too small.
        """
        from models.families.text import text_ends
        from models.text.chat_template import read_chat_template

        self.name = "/".join(folder.absolute().parts[-2:])
        self._folder = folder
        self._placed: Placed[LoadedModel] = Placed(
            folder, partial(_load, folder), placing or Placing()
        )
        loaded = self._placed.get()
        try:
            self._template = read_chat_template(folder)
        except ModelsError as error:
            raise VisionError(str(error)) from error
        self._tokenizer = loaded.tokenizer
        named = ("<|eot_id|>", "<|im_end|>")
        turns = {self._tokenizer.token_to_id(token) for token in named} - {None}
        self._ends = text_ends(loaded.model) | turns
        self._context = _context(loaded.model.config)

    @property
    def _model(self) -> Any:
        return self._placed.get().model

    def answer(
        self, text: str, question: str, cancelled: Callable[[], bool] = never
    ) -> Iterator[str]:
        """Stream the greedy answer; a text that is too long loses its end.

        Where a card fails in the middle of it, the processor goes on behind the last word.

        cancelled: asked before each token, and while the text is read.

        Raises:
            VisionError: the model computes no numbers, or its chat template fails.
        """
        try:
            yield from self._answer(text, question, cancelled)
        except ModelsError as error:
            raise VisionError(f"{self.name}: {error}") from error

    def _answer(self, text: str, question: str, cancelled: Callable[[], bool]) -> Iterator[str]:
        from models.generate import StreamingText

        ids = self._encode(text, question, self._context - MOST_NEW_TOKENS)
        streaming = StreamingText(self._tokenizer)
        for token in self._tokens(ids, cancelled):
            if token in self._ends or cancelled():
                return
            yield streaming.add(token)

    def _tokens(self, ids: list[int], cancelled: Callable[[], bool]) -> Iterator[int]:
        said: list[int] = []
        with self._placed.used():
            while True:
                try:
                    yield from self._stream(ids, said, cancelled)
                    return
                except RuntimeError as error:
                    self._placed.fail(error)

    def _stream(
        self, ids: list[int], said: list[int], cancelled: Callable[[], bool]
    ) -> Iterator[int]:
        """Stream what follows the tokens that were said, and add to them."""
        import torch

        from models.generate import greedy_tokens

        model = self._model  # first: where it has to be loaded, this decides the device
        fed = torch.tensor([[*ids, *said]]).to(self._placed.device)
        for token in greedy_tokens(model, fed, MOST_NEW_TOKENS - len(said), cancelled):
            said.append(token)
            yield token

    def _encode(self, text: str, question: str, room: int) -> list[int]:
        while True:
            prompt, is_whole = self._prompt(text, question)
            # What a template begins a text with, it writes itself.
            encoded = self._tokenizer.encode(prompt, add_special_tokens=not is_whole)
            ids: list[int] = encoded.ids
            if len(ids) <= max(room, 8) or not text:
                return ids
            text = text[: int(len(text) * 0.8)]

    def _prompt(self, text: str, question: str) -> tuple[str, bool]:
        """What the model reads, and whether nothing is to be put before it."""
        from models.text.chat_template import Turn

        asked = f"Text:\n{self._harmless(text)}\n\nQuestion: {self._harmless(question)}"
        turns = (Turn("system", INSTRUCTION), Turn("user", asked))
        if self._template is not None:
            return self._template.prompt(turns), True
        if self._tokenizer.token_to_id(_HEADER) is not None:
            said = "".join(
                f"{_HEADER}{turn.role}<|end_header_id|>\n\n{turn.text}<|eot_id|>" for turn in turns
            )
            return f"{said}{_HEADER}assistant<|end_header_id|>\n\n", False
        if self._tokenizer.token_to_id(_TURN) is not None:
            said = "".join(f"{_TURN}{turn.role}\n{turn.text}<|im_end|>\n" for turn in turns)
            return f"{said}{_TURN}assistant\n", True
        return f"{asked}\nAnswer:", False

    def _harmless(self, text: str) -> str:
        """The text without marks of turns: a page must not speak for the user."""
        added = self._tokenizer.get_added_tokens_decoder().values()
        for mark in (token.content for token in added if token.special):
            if mark in text:
                text = text.replace(mark, " ")
        return text


def _load(folder: Path, device: str) -> "LoadedModel":
    # No method: a model that is given up must go at once, not when circles are next looked for.
    from models.image_text.choosing import sees_pictures
    from models.loading import load_model

    try:
        loaded = load_model(folder, device=device)
    except ModelsError as error:
        raise VisionError(str(error)) from error
    if sees_pictures(loaded.family):
        raise VisionError(
            f"{folder} holds a model that looks at pictures; give the folder of a text model"
        )
    return loaded


def _context(config: object) -> int:
    return int(getattr(config, "max_position_embeddings", 2048))
