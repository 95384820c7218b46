"""Questions about one picture to an image-text model, answered word by word."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.errors import CheckpointError, ModelFolderError, PromptError
from models.families.image_text import put_features
from models.families.text import text_ends, text_limits
from models.generate import GeneratedToken, StreamingText
from models.greedy import pick
from models.image_text.decoder import KeptStates, run_decoder
from models.image_text.eye import Eye, Seen
from models.image_text.idefics3 import Idefics3Eye
from models.image_text.prompts import PictureTemplate, Turn, picture_settings, plain
from models.image_text.qwen3_vl import Qwen3VLEye
from models.loading import LoadedModel
from models.one_row import head_logits

EYES: Mapping[str, type[Idefics3Eye] | type[Qwen3VLEye]] = MappingProxyType(
    {"idefics3": Idefics3Eye, "qwen3_vl": Qwen3VLEye}
)
"""The picture side of each family that this chat can ask."""

_ANY = "?"  # a question that nobody asks: what stands before it is the same for all


@dataclass(frozen=True, slots=True)
class _Look:
    """A prompt up to its picture, as the decoder keeps it.

    ids:   up to the picture's last token.
    marks: what stands for the picture in the prompt.
    next:  the position behind.
    """

    ids: list[int]
    marks: str
    kept: KeptStates
    next: int


@dataclass(slots=True)
class PictureScene:
    """A picture (H, W, 3), and what the model has seen of it, quickly and in detail."""

    rgb: NDArray[np.uint8]
    looks: dict[bool, _Look] = field(default_factory=dict)


class ImageTextChat:
    """Answers questions about a picture with a model of one of the families in `EYES`."""

    def __init__(self, loaded: LoadedModel) -> None:
        """Take a loaded model.

        Raises:
            ModelFolderError: it is of another family, or a file of its folder cannot be used.
        """
        if loaded.family not in EYES:
            raise ModelFolderError(
                f"{loaded.folder} holds no image-text model of the families {', '.join(EYES)}"
            )
        self.model: Any = loaded.model
        self.tokenizer = loaded.tokenizer
        self._eye: Eye = EYES[loaded.family](loaded.model, picture_settings(loaded.folder))
        self._template = PictureTemplate.of(loaded.folder, self._eye.template)
        self._context = text_limits(loaded.model).context
        self._ends = text_ends(loaded.model)

    @torch.inference_mode()
    def look(self, rgb: NDArray[np.uint8], *, detailed: bool = False) -> PictureScene:
        """Look at a picture (H, W, 3) once; any number of questions can follow.

        Raises:
            PictureError: that is no picture, or more than one: the model takes one.
            ModelFolderError: the folder's template or tokenizer does not belong to the model.
        """
        scene = PictureScene(rgb)
        for _ in self._looking(scene, detailed):
            pass
        return scene

    @torch.inference_mode()
    def embed(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the model sees in a picture (H, W, 3) as one vector (D,), to compare pictures by.

        Raises:
            PictureError: that is no picture.
            CheckpointError: the model computes no numbers.
        """
        seen = Seen.joined(list(self._eye.see(self._eye.prepare(rgb, detailed=False))))
        mean: NDArray[np.float32] = seen.features.float().mean(0).cpu().numpy()
        if not np.isfinite(mean).all():
            raise CheckpointError(
                "the model computes NaN or infinity, so its weights are damaged: copy it again"
            )
        return mean

    @torch.inference_mode()
    def answer(
        self,
        scene: PictureScene,
        question: str,
        *,
        history: Sequence[Turn] = (),
        max_new_tokens: int = 64,
        detailed: bool = False,
        begun: Sequence[int] = (),
    ) -> Iterator[GeneratedToken]:
        """Stream the greedy answer to one question; whoever stops listening ends it.

        history:  earlier (question, answer) pairs about this picture, oldest first.
        detailed: look at the picture in more pixels first, where that has not been done yet.
            That takes seconds, so for each part of it comes a token that says nothing, of
            probability 1, at which listening can be stopped too.
        begun:    tokens of the answer that were given already; what follows them is streamed.

        Raises:
            PromptError: the question is empty or longer than the context.
            CheckpointError: the model computes no numbers.
        """
        if not question.strip():
            raise PromptError("the question is empty; ask something about the picture")
        for _ in self._looking(scene, detailed):
            yield GeneratedToken("", 1.0)
        look = scene.looks[detailed]
        ids = self._encode(look.marks, question, history)
        if ids[: len(look.ids)] != look.ids:
            raise ModelFolderError(
                "the folder's chat template puts the question before the picture: restore it"
            )
        words = ids[len(look.ids) :]
        room = self._context - len(look.ids) - max_new_tokens
        if len(words) > room:
            raise PromptError(
                f"the question has {len(words)} tokens but only {max(room, 0)} fit; "
                "ask a shorter question"
            )
        yield from self._decode(look, words, max_new_tokens, begun)

    def _decode(
        self, look: _Look, words: list[int], max_new_tokens: int, begun: Sequence[int]
    ) -> Iterator[GeneratedToken]:
        kept, position = look.kept.fork(), look.next
        text = StreamingText(self.tokenizer, begun)
        fed = self._ids([*words, *begun])
        for _ in range(max_new_tokens - len(begun)):
            new = fed.shape[1]
            positions = torch.arange(position, position + new, device=fed.device)[None]
            hidden = run_decoder(self._eye.decoder, self._embedded(fed), positions, kept)
            position += new
            picked = pick(head_logits(self.model.lm_head, hidden[0, -1:])[0])
            if picked.id in self._ends:
                return
            yield GeneratedToken(text.add(picked.id), picked.probability, picked.id)
            fed = picked.fed

    def _looking(self, scene: PictureScene, detailed: bool) -> Iterator[None]:
        """Look, if that has not been done yet, with a pause behind each part."""
        if detailed in scene.looks:
            return
        prepared = self._eye.prepare(scene.rgb, detailed=detailed)
        before = self._before(self._encode(prepared.marks, _ANY, ()))
        parts: list[Seen] = []
        for part in self._eye.see(prepared):
            parts.append(part)
            yield
        ids, seen, kept = self._ids(before), Seen.joined(parts), KeptStates()
        hidden = put_features(self._embedded(ids), ids, self._eye.token_id, seen.features)
        positions, following = self._eye.positions(ids, prepared)
        places = (ids[0] == self._eye.token_id).nonzero().squeeze(1)
        run_decoder(self._eye.decoder, hidden, positions, kept, added=seen.added, places=places)
        scene.looks[detailed] = _Look(before, prepared.marks, kept, following)

    def _before(self, ids: list[int]) -> list[int]:
        """A prompt's ids up to the picture's last token."""
        token = self._eye.token_id
        if token not in ids:
            raise ModelFolderError(
                "the folder's tokenizer or chat template knows no picture: restore its files"
            )
        return ids[: len(ids) - ids[::-1].index(token)]

    def _encode(self, marks: str, question: str, history: Sequence[Turn]) -> list[int]:
        """The ids of a whole prompt."""
        clean = [(plain(q, self.tokenizer), plain(a, self.tokenizer)) for q, a in history]
        prompt = self._template.prompt(plain(question, self.tokenizer), clean)
        ids: list[int] = self.tokenizer.encode(prompt.replace(self._eye.mark, marks, 1)).ids
        return ids

    def _ids(self, ids: list[int]) -> Tensor:
        return torch.tensor([ids], device=self._eye.decoder.embed_tokens.weight.device)

    def _embedded(self, ids: Tensor) -> Tensor:
        hidden: Tensor = self._eye.decoder.embed_tokens(ids)
        return hidden
