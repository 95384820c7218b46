"""CogVLM2's calibration sequences: pictures and text laid out as in use, and where tokens go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from models.blocks import Sample
from models.cogvlm2.blockwise import ADAPTER, TOWER
from models.cogvlm2.config import CogVLM2Config
from models.cogvlm2.decoder import LANGUAGE, Routing
from models.cogvlm2.processing import build_prompt, encode_prompt, preprocess_picture
from models.errors import PromptError
from models.sequences import ALL, PICTURE, TEXT, Part, Parts, Turns, answer_targets

_FLOAT_BYTES = 4


def _expert(name: str, kind: int) -> Part:
    patterns = (f"*.{name}_expert_*", f"*.{name}_mlp.*")
    return Part(name, f"{name} experts", patterns, kind=kind)


COGVLM2_PARTS = Parts(
    (
        # Four patches become one token of the decoder's sequence.
        Part("tower", "vision tower", (f"{TOWER}.*",), own_blocks=True, finer=True),
        Part("adapter", "adapter", (f"{ADAPTER}.*",), own_blocks=True),
        _expert("vision", PICTURE),
        _expert("language", TEXT),
    )
)


@dataclass(frozen=True, slots=True)
class CogVLM2Pictures:
    """One picture, as the model's processor makes it, and a conversation about it."""

    config: CogVLM2Config

    def pixels(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Turn a picture (H, W, 3) into (1, 3, S, S) float32.

        Raises:
            PictureError: that is no picture.
        """
        return preprocess_picture(rgb, self.config).unsqueeze(0)

    def conversation(self, turns: Turns, tokenizer: Tokenizer, picture: Path) -> Sample:
        """Lay out a conversation and its last answer, which the model meets itself while decoding.

        The answer is encoded on its own, as decoding appends it: encoding the joined text would
        put a space between them that no answer has. Later turns that do not fit are left out.

        Raises:
            PromptError: the first question with its answer does not fit into the context.
        """
        *history, (question, last) = turns
        answer = torch.tensor([tokenizer.encode(last, add_special_tokens=False).ids]).long()
        context = self.config.max_position_embeddings
        try:
            prompt = build_prompt(question, history, self.config.template_version)
            ids, types = encode_prompt(tokenizer, prompt, self.config, with_picture=True)
            total = ids.shape[1] + answer.shape[1]
            if total > context:
                raise PromptError(
                    f"{picture}: picture, question and answer have {total} tokens but {context} "
                    "fit; shorten the answer"
                )
        except PromptError:
            if not history:
                raise
            return self.conversation(tuple(history), tokenizer, picture)
        return {
            "input_ids": torch.cat((ids, answer), dim=1),
            "token_type_ids": torch.cat((types, torch.full_like(answer, LANGUAGE)), dim=1),
            "answer": answer.numel(),
        }


@dataclass(frozen=True, slots=True)
class CogVLM2Layout:
    """How CogVLM2 reads calibration data: each token reaches the expert of its kind."""

    config: CogVLM2Config
    parts: Parts = field(default=COGVLM2_PARTS, init=False)

    @property
    def pictures(self) -> CogVLM2Pictures:
        """The layout of pictures."""
        return CogVLM2Pictures(self.config)

    def text(self, ids: Tensor) -> Sample:
        """Text is of one kind of token; ids (1, T)."""
        return {"input_ids": ids, "token_type_ids": torch.full_like(ids, LANGUAGE)}

    def tokens(self, sample: Sample) -> Mapping[str, int]:
        """Count patches for tower and adapter, and the decoder's tokens by their expert."""
        ids, vision = sample["input_ids"], self.config.vision
        routing = Routing.from_token_types(sample["token_type_ids"])
        seen_by_vision = 0 if routing is None else routing.vision.numel()
        pictures = _pictures_of(sample)
        return {
            ALL: ids.numel(),
            "vision": seen_by_vision,
            "language": ids.numel() - seen_by_vision,
            "tower": pictures * vision.num_positions,
            "adapter": pictures * vision.grid**2 // 4,
        }

    def kinds(self, sample: Sample) -> Tensor:
        """Tokens (T,) by their expert."""
        routing = Routing.from_token_types(sample["token_type_ids"])
        kinds = torch.full((sample["input_ids"].numel(),), TEXT)
        if routing is not None:
            kinds[routing.vision] = PICTURE
        return kinds

    def targets(self, sample: Sample) -> Tensor:
        """The last answer (T,), or all of a text."""
        return answer_targets(sample)

    def state_bytes(self, sample: Sample) -> int:
        """Patches or hidden states, with the ids and their kinds kept beside them."""
        ids: Tensor = sample["input_ids"]
        vision = self.config.vision
        patches = _pictures_of(sample) * vision.num_positions * vision.hidden_size * _FLOAT_BYTES
        hidden = ids.numel() * self.config.hidden_size * _FLOAT_BYTES
        return max(patches, hidden) + 2 * ids.nbytes


def _pictures_of(sample: Sample) -> int:
    return 0 if sample.get("pixels") is None else len(sample["pixels"])
