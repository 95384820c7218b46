"""From a picture and a question to the tensors CogVLM2 reads."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor

from models.cogvlm2.config import CogVLM2Config
from models.cogvlm2.decoder import LANGUAGE, VISION
from models.errors import PictureError, PromptError

# Mean and standard deviation of CLIP's training pictures (arXiv 2103.00020).
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

_ANSWER_LABEL = {"chat": "Answer:", "vqa": "Short answer:"}


def preprocess_picture(rgb: NDArray[np.uint8], config: CogVLM2Config) -> Tensor:
    """Resize (bicubic, aspect ratio not kept), scale to [0, 1] and normalize.

    Args:
        rgb: (H, W, 3) uint8.
    Returns:
        (3, S, S) float32 with S = ``config.vision.image_size`` pixels.
    Raises:
        PictureError: that is no picture, or more than one.
    """
    if np.ndim(rgb) != 3 or np.shape(rgb)[2] != 3:
        raise PictureError(
            f"the model takes one picture of height x width x 3, not pixels of shape "
            f"{' x '.join(map(str, np.shape(rgb)))}: ask about one picture at a time"
        )
    side = config.vision.image_size
    resized = Image.fromarray(rgb).resize((side, side), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255.0
    mean = torch.tensor(CLIP_MEAN).view(3, 1, 1)
    std = torch.tensor(CLIP_STD).view(3, 1, 1)
    return (pixels - mean) / std


def build_prompt(
    question: str, history: Sequence[tuple[str, str]] = (), template: str = "chat"
) -> str:
    """Write the text that follows the picture.

    Args:
        history: earlier (question, answer) pairs, oldest first; ``base`` drops them.
        template: ``chat``, ``vqa`` (asks for a short answer) or ``base`` (the bare question).
    """
    if template == "base":
        return question
    if template not in _ANSWER_LABEL:
        raise PromptError(f"unknown prompt template {template!r}; use chat, vqa or base")
    label = _ANSWER_LABEL[template]
    turns = "".join(f"Question: {q} {label} {a}\n" for q, a in history)
    return f"{turns}Question: {question} {label}"


def encode_prompt(
    tokenizer: Tokenizer, prompt: str, config: CogVLM2Config, *, with_picture: bool
) -> tuple[Tensor, Tensor]:
    """Lay out begin-of-text, the picture's places and the prompt's tokens.

    Returns:
        input_ids and token_type_ids, each (1, T) int64; picture places hold the padding id
        and have type 1.
    Raises:
        PromptError: the prompt does not fit into the context.
    """
    picture = config.num_picture_tokens if with_picture else 0
    words = tokenizer.encode(prompt, add_special_tokens=False).ids
    room = config.max_position_embeddings - picture - 1
    if len(words) > room:
        raise PromptError(
            f"the question has {len(words)} tokens but only {room} fit; ask a shorter question"
        )
    ids = [config.bos_token_id] + [config.pad_token_id] * picture + words
    types = [LANGUAGE] + [VISION] * picture + [LANGUAGE] * len(words)
    return torch.tensor([ids]), torch.tensor([types])
