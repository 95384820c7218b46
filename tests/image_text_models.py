"""Tiny random image-text models as transformers writes them, with tokenizers of their marks."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import nn

SIDE = 32
"""Pixels of a tile."""

IDEFICS3_MARKS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<end_of_utterance>",
    "<fake_token_around_image>",
    "<image>",
    "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)),
)
VOCABULARY = 300


def byte_tokenizer(marks: tuple[str, ...]) -> Tokenizer:
    """One token for a byte, and the marks behind them; no merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    return tokenizer


def widened(model: nn.Module) -> nn.Module:
    """The model with weights so wide that every step's best token is another."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.15)
    return model.eval()


def write_idefics3(folder: Path, *, tied: bool = False, kind: str = "idefics3") -> Any:
    """Write a tiny random Idefics3 or SmolVLM; returns transformers' own module."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    tokenizer = byte_tokenizer(IDEFICS3_MARKS)
    torch.manual_seed(3)
    config = AutoConfig.for_model(
        kind,
        text_config={
            "model_type": "llama",
            "vocab_size": VOCABULARY,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "bos_token_id": tokenizer.token_to_id("<|im_start|>"),
            "eos_token_id": tokenizer.token_to_id("<end_of_utterance>"),
            "pad_token_id": 0,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": 8,
        },
        scale_factor=2,
        image_token_id=tokenizer.token_to_id("<image>"),
        tie_word_embeddings=tied,
    )
    model = widened(AutoModelForImageTextToText.from_config(config))
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return model


QWEN3_VL_MARKS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
PATCH = 8
"""Pixels of a patch; a feature has 2 x 2 of them."""


def write_qwen3_vl(folder: Path, *, tied: bool = True) -> Any:
    """Write a tiny random Qwen3-VL that adds to its first layer; returns transformers' own."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    tokenizer = byte_tokenizer(QWEN3_VL_MARKS)
    torch.manual_seed(4)
    ids = {
        f"{name}_token_id": tokenizer.token_to_id(f"<|{mark}|>")
        for name, mark in (
            ("image", "image_pad"),
            ("video", "video_pad"),
            ("vision_start", "vision_start"),
            ("vision_end", "vision_end"),
        )
    }
    config = AutoConfig.for_model(
        "qwen3_vl",
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [4, 2, 2],
                "mrope_interleaved": True,
            },
            "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
            "bos_token_id": tokenizer.token_to_id("<|endoftext|>"),
            "tie_word_embeddings": tied,
        },
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "patch_size": PATCH,
            "out_hidden_size": 64,
            "num_position_embeddings": 36,
            "deepstack_visual_indexes": [0],
        },
        tie_word_embeddings=tied,
        **ids,
    )
    model = widened(AutoModelForImageTextToText.from_config(config))
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return model
