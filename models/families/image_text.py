"""What the families share whose class of transformers joins a picture tower to a decoder.

Such a module has a tower and a decoder somewhere under ``model``, its head at ``lm_head``, and a
config whose numbers stand in ``text_config`` and ``vision_config``. The decoder's layers are the
blocks; tower, connector, embedding and head stay as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from models.blocks import Sample
from models.errors import PromptError
from models.families.causal import build_on_meta, check_numbers, not_described
from models.files.config_values import wrong_ids, wrong_values
from models.sequences import ALL, PICTURE, TEXT, Parts, Turns, answer_targets

_FLOAT_BYTES = 4

_TEXT_COUNTS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
_TEXT_OPTIONAL_COUNTS = ("num_key_value_heads", "head_dim")
_TEXT_NUMBERS = ("rms_norm_eps", "rope_theta")


def build_image_text(
    title: str,
    config: Mapping[str, Any],
    config_class: Any,
    module_class: Any,
    *,
    decoder: str,
    vision_counts: tuple[str, ...],
    default_vocabulary: int,
) -> nn.Module:
    """Build an image-text model of transformers on the meta device.

    title:         what config.json should describe, such as ``an Idefics3 model``.
    decoder:       where the module holds its decoder.
    vision_counts: fields of ``vision_config`` that must be positive where they are given.

    The module's ``config`` also says the decoder's width, vocabulary, context and marks, as that
    of every family does.

    Raises:
        ModelFolderError: config.json has values that cannot be used.
    """
    text, vision = (_part(title, config, name) for name in ("text_config", "vision_config"))
    check_numbers(
        title,
        text,
        counts=_TEXT_COUNTS,
        optional_counts=_TEXT_OPTIONAL_COUNTS,
        numbers=_TEXT_NUMBERS,
        default_vocabulary=default_vocabulary,
    )
    words = text.get("vocab_size", default_vocabulary)
    ids = {key: config[key] for key in ("image_token_id", "eos_token_id") if config.get(key)}
    wrong = [
        *wrong_values(vision, counts=vision_counts, numbers=(), prefix="vision_config."),
        *wrong_ids(ids, words),
    ]
    if wrong:
        raise not_described(title, "; ".join(wrong))
    module: Any = build_on_meta(title, config, config_class, module_class)
    numbers, own = module.get_submodule(decoder).config, module.config
    for name in ("hidden_size", "vocab_size", "max_position_embeddings", "bos_token_id"):
        setattr(own, name, getattr(numbers, name, None))
    ends = config.get("eos_token_id")  # generation_config.json's, where there is one
    own.eos_token_id = getattr(numbers, "eos_token_id", None) if ends is None else ends
    built: nn.Module = module
    return built


def restore_decoder_rotary(module: Any, decoder: str, device: torch.device) -> None:
    """Build the decoder's rotary module off the meta device; its table is in no checkpoint."""
    part = module.get_submodule(decoder)
    part.rotary_emb = type(part.rotary_emb)(part.config).to(device)


def put_features(hidden: Tensor, ids: Tensor, token_id: int, features: Tensor) -> Tensor:
    """Put a picture's features (N, width) at the N places of its token in hidden (1, T, width).

    Raises:
        PromptError: the prompt has another number of places.
    """
    places = (ids[0] == token_id).nonzero().squeeze(1).to(hidden.device)
    if len(places) != len(features):
        raise PromptError(
            f"a picture of {len(features)} tokens does not fit the prompt's {len(places)} places: "
            "the folder's tokenizer or its picture settings belong to another model"
        )
    return hidden.index_copy(1, places, features.to(hidden.dtype)[None])


class CalibrationPictures(Protocol):
    """How one picture and the prompt around it are made for calibration."""

    def pixels(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Turn a picture (H, W, 3) into what a sample holds as ``pixels``, always of one size."""
        ...

    def laid_out(self, turns: Turns, tokenizer: Tokenizer) -> tuple[str, str]:
        """The conversation up to its last answer, with a mark for every token of the picture,
        and that answer as the model writes it."""
        ...


@dataclass(frozen=True, slots=True)
class ImageTextPictures:
    """A picture in one size, and a conversation about it."""

    made: CalibrationPictures
    context: int

    def pixels(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Turn a picture (H, W, 3) into pixels of one size.

        Raises:
            PictureError: that is no picture.
        """
        return self.made.pixels(rgb)

    def conversation(self, turns: Turns, tokenizer: Tokenizer, picture: Path) -> Sample:
        """Lay out a conversation and its last answer, which the model meets itself while decoding.

        Later turns that do not fit are left out.

        Raises:
            PromptError: the first question with its answer does not fit into the context.
        """
        while True:
            before, last = self.made.laid_out(turns, tokenizer)
            # Encoded on its own, as decoding appends it.
            answer = tokenizer.encode(last, add_special_tokens=False).ids
            ids = torch.tensor([[*tokenizer.encode(before).ids, *answer]])
            if ids.shape[1] <= self.context:
                return {"input_ids": ids, "answer": len(answer)}
            if len(turns) == 1:
                raise PromptError(
                    f"{picture}: picture, question and answer have {ids.shape[1]} tokens but "
                    f"{self.context} fit; shorten the answer"
                )
            turns = turns[:-1]


@dataclass(frozen=True, slots=True)
class ImageTextLayout:
    """How such a model reads calibration data: every token reaches every layer of the decoder.

    start_bytes: most bytes that tower and connector hold at once for one picture, in float32.
    state_width: numbers of the state for every token.
    picture_id:  the token that stands for a picture's.
    """

    pictures: ImageTextPictures
    start_bytes: int
    state_width: int
    picture_id: int
    parts: Parts = field(default_factory=Parts, init=False)

    def text(self, ids: Tensor) -> Sample:
        """The ids are all there is; ids (1, T)."""
        return {"input_ids": ids}

    def tokens(self, sample: Sample) -> Mapping[str, int]:
        """Every token reaches every layer."""
        ids: Tensor = sample["input_ids"]
        return {ALL: ids.numel()}

    def kinds(self, sample: Sample) -> Tensor:
        """Which tokens (T,) stand for a picture."""
        ids: Tensor = sample["input_ids"]
        return torch.where(ids[0] == self.picture_id, PICTURE, TEXT)

    def targets(self, sample: Sample) -> Tensor:
        """The last answer (T,), or all of a text."""
        return answer_targets(sample)

    def state_bytes(self, sample: Sample) -> int:
        """The state of every token."""
        ids: Tensor = sample["input_ids"]
        return ids.numel() * self.state_width * _FLOAT_BYTES


def _part(title: str, config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = config.get(name)
    if not isinstance(part, Mapping):
        raise not_described(title, f"{name} is no JSON object")
    return part
