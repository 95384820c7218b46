"""A language model that understands a text which was read: summaries, questions about it."""

import os
import weakref
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


def _go_on() -> None:
    """Nobody gives the model up."""


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

    def __init__(
        self, folder: Path, placing: Placing | None = None, go_on: Callable[[], None] = _go_on
    ) -> None:
        """Load the model.

        placing: chooses the device; None for the processor.
        go_on:   called before each tensor is read; what it raises gives the model up.

        Raises:
            VisionError: the folder or one of its files cannot be used, or holds no text model, or
                memory is too small.
        """
        from models.families.text import text_ends
        from models.text.chat_template import read_chat_template

        self.name = "/".join(folder.absolute().parts[-2:])
        self._folder = folder
        self._let_go: list[weakref.WeakMethod[Callable[[], None]]] = []
        self.placed: Placed[LoadedModel] = Placed(
            folder,
            partial(_load, folder, go_on),
            placing or Placing(),
            on_let_go=partial(_forget, self._let_go),
        )
        loaded = self.placed.get()
        try:
            self._template = read_chat_template(folder)
        except ModelsError as error:
            raise VisionError(str(error)) from error
        self.tokenizer = loaded.tokenizer
        named = ("<|eot_id|>", "<|im_end|>")
        turns = (self.tokenizer.token_to_id(token) for token in named)
        self.ends = text_ends(loaded.model) | {turn for turn in turns if turn is not None}
        self.context = _context(loaded.model.config)

    @property
    def _model(self) -> Any:
        return self.placed.get().model

    @property
    def knows_turns(self) -> bool:
        """True for a model that was taught to answer, not only to go on with a text."""
        marks = map(self.tokenizer.token_to_id, (_HEADER, _TURN))
        return self._template is not None or any(mark is not None for mark in marks)

    def when_let_go(self, forget: Callable[[], None]) -> None:
        """Have something forgotten that lies on the model's device when the model is let go of.

        forget: a bound method; the object that it belongs to is not kept alive.
        """
        self._let_go.append(weakref.WeakMethod(forget))

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

        ids = self._encode(text, question, self.context - MOST_NEW_TOKENS)
        streaming = StreamingText(self.tokenizer)
        for token in self._tokens(ids, cancelled):
            if token in self.ends or cancelled():
                return
            yield streaming.add(token)

    def _tokens(self, ids: list[int], cancelled: Callable[[], bool]) -> Iterator[int]:
        said: list[int] = []
        with self.placed.used():
            while True:
                try:
                    yield from self._stream(ids, said, cancelled)
                    return
                except RuntimeError as error:
                    self.placed.fail(error)

    def _stream(
        self, ids: list[int], said: list[int], cancelled: Callable[[], bool]
    ) -> Iterator[int]:
        """Stream what follows the tokens that were said, and add to them."""
        import torch

        from models.generate import greedy_tokens
        from models.text.captured import wanted_recorder

        model = self._model  # first: where it has to be loaded, this decides the device
        fed = torch.tensor([[*ids, *said]]).to(self.placed.device)
        most, recorder = MOST_NEW_TOKENS - len(said), wanted_recorder(os.environ)
        for token in greedy_tokens(model, fed, most, cancelled, recorder):
            said.append(token)
            yield token

    def _encode(self, text: str, question: str, room: int) -> list[int]:
        while True:
            asked = f"Text:\n{self.harmless(text)}\n\nQuestion: {self.harmless(question)}"
            ids = self.encoded(INSTRUCTION, asked)
            if len(ids) <= max(room, 8) or not text:
                return ids
            text = text[: int(len(text) * 0.8)]

    def encoded(self, instruction: str, asked: str) -> list[int]:
        """What the model reads to answer one turn of a user.

        Raises:
            ModelsError: its chat template fails.
        """
        prompt, is_whole = self._prompt(instruction, asked)
        # What a template begins a text with, it writes itself.
        encoded = self.tokenizer.encode(prompt, add_special_tokens=not is_whole)
        ids: list[int] = encoded.ids
        return ids

    def _prompt(self, instruction: str, asked: str) -> tuple[str, bool]:
        """What the model reads, and whether nothing is to be put before it."""
        from models.text.chat_template import Turn

        turns = (Turn("system", instruction), Turn("user", asked))
        if self._template is not None:
            return self._template.prompt(turns), True
        if self.tokenizer.token_to_id(_HEADER) is not None:
            said = "".join(
                f"{_HEADER}{turn.role}<|end_header_id|>\n\n{turn.text}<|eot_id|>" for turn in turns
            )
            return f"{said}{_HEADER}assistant<|end_header_id|>\n\n", False
        if self.tokenizer.token_to_id(_TURN) is not None:
            said = "".join(f"{_TURN}{turn.role}\n{turn.text}<|im_end|>\n" for turn in turns)
            return f"{said}{_TURN}assistant\n", True
        return f"{asked}\nAnswer:", False

    def harmless(self, text: str) -> str:
        """The text without marks of turns: a page must not speak for the user."""
        added = self.tokenizer.get_added_tokens_decoder().values()
        for mark in (token.content for token in added if token.special):
            if mark in text:
                text = text.replace(mark, " ")
        return text


def _load(folder: Path, go_on: Callable[[], None], device: str) -> "LoadedModel":
    # No method: a model that is given up must go at once, not when circles are next looked for.
    from models.image_text.choosing import sees_pictures
    from models.loading import load_model

    try:
        loaded = load_model(folder, device=device, go_on=go_on)
    except ModelsError as error:
        raise VisionError(str(error)) from error
    if sees_pictures(loaded.family):
        raise VisionError(
            f"{folder} holds a model that looks at pictures; give the folder of a text model"
        )
    return loaded


def _forget(let_go: "list[weakref.WeakMethod[Callable[[], None]]]") -> None:
    for each in let_go:
        forget = each()
        if forget is not None:
            forget()


def _context(config: object) -> int:
    return int(getattr(config, "max_position_embeddings", 2048))
