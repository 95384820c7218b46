"""Greedy streaming generation, and questions about one picture that share its prefix."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from models.cogvlm2 import CogVLM2ForCausalLM
from models.cogvlm2.decoder import VISION, KVCache, position_ids
from models.cogvlm2.processing import build_prompt, preprocess_picture
from models.errors import ModelFolderError, PromptError
from models.greedy import Picked, no_numbers, pick
from models.loading import LoadedModel
from models.one_row import head_logits
from models.text.captured import Recorder, lent_step
from models.text.reading import reader_of


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """A piece of the answer.

    text:        what this token adds to the text; may be empty inside a character.
    probability: the model's probability of the token, 0 to 1.
    id:          the token's number; None for one that only gives time to stop.
    """

    text: str
    probability: float
    id: int | None = None


@dataclass(frozen=True, slots=True)
class SceneHandle:
    """A picture the model has looked at: its tokens' keys and values."""

    cache: KVCache
    next_position: int


class PictureChat:
    """Answers questions about a picture with a CogVLM2 model."""

    def __init__(self, loaded: LoadedModel) -> None:
        if not isinstance(loaded.model, CogVLM2ForCausalLM):
            raise ModelFolderError(
                f"{loaded.folder} holds a text model, which cannot look at pictures; "
                "give the folder of a CogVLM2 model"
            )
        self.model = loaded.model
        self.config = loaded.model.config
        self.tokenizer = loaded.tokenizer

    @torch.inference_mode()
    def look(self, rgb: NDArray[np.uint8]) -> SceneHandle:
        """Encode a picture (H, W, 3) once; any number of questions can follow.

        Raises:
            PictureError: that is no picture, or more than one: the model takes one.
        """
        config, weight = self.config, self.model.lm_head.weight
        pixels = self._pixels(rgb)
        ids = torch.full((1, 1 + config.num_picture_tokens), config.pad_token_id)
        ids[0, 0] = config.bos_token_id
        types = torch.full_like(ids, VISION)
        types[0, 0] = 0
        cache = KVCache(config.num_hidden_layers)
        device = weight.device
        self.model.hidden_states(ids.to(device), types.to(device), pixels=pixels, cache=cache)
        return SceneHandle(cache, int(position_ids(types)[0, -1]) + 1)

    @torch.inference_mode()
    def embed(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the model sees in a picture (H, W, 3) as one vector (D,), to compare pictures by.

        The mean of what the adapter gives the decoder, without the marks at both ends, which are
        the same for every picture.

        Raises:
            PictureError: that is no picture.
            CheckpointError: the model computes no numbers.
        """
        tokens = self.model.model.vision(self._pixels(rgb))[0, 1:-1]
        mean: NDArray[np.float32] = tokens.float().mean(0).cpu().numpy()
        if not np.isfinite(mean).all():
            raise no_numbers()
        return mean

    @torch.inference_mode()
    def answer(
        self,
        scene: SceneHandle,
        question: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        max_new_tokens: int = 64,
        template: str | None = None,
        detailed: bool = False,
        begun: Sequence[int] = (),
    ) -> Iterator[GeneratedToken]:
        """Stream the greedy answer to one question.

        history:  earlier (question, answer) pairs about this picture, oldest first.
        detailed: is for models that look in several resolutions; this one has seen all it can.
        begun:    tokens of the answer that were given already; what follows them is streamed.
        template: ``chat``, ``vqa`` for a short answer, or ``base``; None for config.json's.

        Raises:
            PromptError: the question is empty or longer than the context, or there is no such
                template.
            CheckpointError: the model computes no numbers.
        """
        if not question.strip():
            raise PromptError("the question is empty; ask something about the picture")
        prompt = build_prompt(question, history, template or self.config.template_version)
        words = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        room = self.config.max_position_embeddings - scene.cache.length - max_new_tokens
        if len(words) > room:
            raise PromptError(
                f"the question has {len(words)} tokens but only {max(room, 0)} fit; "
                "ask a shorter question"
            )
        yield from self._decode(scene, words, max_new_tokens, begun)

    def _decode(
        self, scene: SceneHandle, words: list[int], max_new_tokens: int, begun: Sequence[int]
    ) -> Iterator[GeneratedToken]:
        cache, position = scene.cache.fork(), scene.next_position
        device = self.model.lm_head.weight.device
        text = StreamingText(self.tokenizer, begun)
        fed = torch.tensor([[*words, *begun]], device=device)
        for _ in range(max_new_tokens - len(begun)):
            positions = torch.arange(position, position + fed.shape[1], device=device)[None]
            hidden = self.model.hidden_states(fed, positions=positions, cache=cache)
            picked = pick(head_logits(self.model.lm_head, hidden[0, -1:])[0])
            position += fed.shape[1]
            if picked.id in self.config.eos_token_ids:
                return
            yield GeneratedToken(text.add(picked.id), picked.probability, picked.id)
            fed = picked.fed

    def _pixels(self, rgb: NDArray[np.uint8]) -> Tensor:
        """The picture as the tower takes it, (1, 3, S, S)."""
        dtype = self.model.model.vision.conv.weight.dtype
        return preprocess_picture(rgb, self.config)[None].to(
            self.model.lm_head.weight.device, dtype
        )


class StreamingText:
    """Turns token ids into text as they come, never emitting half a character."""

    def __init__(self, tokenizer: Tokenizer, begun: Sequence[int] = ()) -> None:
        """begun: ids whose text was given out already."""
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._emitted = ""
        for token_id in begun:
            self.add(token_id)

    def add(self, token_id: int) -> str:
        """Return the text that this token completes."""
        self._ids.append(token_id)
        text: str = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        if text.endswith("�"):
            return ""
        new = text[len(self._emitted) :]
        self._emitted = text
        return new


PIECE_TOKENS = 128
"""Of a prompt that are read at once: between two pieces, a reader may give up."""


def greedy_tokens(
    model: torch.nn.Module,
    ids: Tensor,
    max_new_tokens: int,
    cancelled: Callable[[], bool] = lambda: False,
    recorder: Recorder | None = None,
) -> Iterator[int]:
    """Yield the greedy continuation of ids (1, T) by a text model.

    cancelled: asked before each token, and while a long prompt is read; once it is true, nothing
        more is computed.
    recorder: captures the step of a token where model and device are of a kind that it takes; None
        reads as usual.

    Raises:
        CheckpointError: the model computes no numbers.
    """
    reader = reader_of(model)
    with lent_step(reader, recorder) as captured:
        held = reader.begin() if captured is None else captured.rooms
        pieces = list(torch.split(ids, PIECE_TOKENS, dim=1))
        picked: Picked | None = None
        for _ in range(max_new_tokens):
            if captured is not None and picked is not None:
                if cancelled():
                    return
                picked = captured.next(picked)
                yield picked.id
                continue
            for piece in pieces:
                if cancelled():
                    return
                logits = reader.read(piece, held)
            with torch.inference_mode():
                picked = pick(logits[-1])
            yield picked.id
            pieces = [picked.fed]
