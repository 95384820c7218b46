"""Qwen3 as transformers implements it: LLaMA's blocks with norms on queries and keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models.families.causal import (
    build_on_meta,
    check_numbers,
    is_recomputed,
    require,
    restore_rotary,
    stored_names,
    tie_head,
)
from models.families.rotary import RotaryBlocks
from models.families.terms import NoTerms, Terms
from models.sequences import SequenceLayout, TextLayout
from models.text.byte_level import ByteLevelRules
from models.text.reading import TextReader
from models.text.rotary_step import rotary_step

_TITLE = "a Qwen3 model"
_COUNTS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "head_dim",
    "max_position_embeddings",
)
_OPTIONAL_COUNTS = ("num_key_value_heads", "sliding_window")
_NUMBERS = ("rms_norm_eps", "rope_theta")
_VOCABULARY = 151936

# How Qwen2 and Qwen3 split text before merging bytes; it stands in their tokenizer.json
# (https://huggingface.co/Qwen/Qwen3-8B). Digits stand alone, contractions in any case.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)
QWEN_RULES = ByteLevelRules(
    split=_SPLIT,
    compose=True,
    special_tokens=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
)


@dataclass(frozen=True, slots=True)
class Qwen3Family:
    """Qwen3 without experts, with tied or own head."""

    name: str = "qwen3"
    byte_level: ByteLevelRules | None = QWEN_RULES
    layout: Callable[[nn.Module], SequenceLayout] = TextLayout
    terms: Terms = NoTerms()

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell by model_type."""
        return config.get("model_type") == "qwen3"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build `transformers.Qwen3ForCausalLM` on the meta device.

        Raises:
            ModelFolderError: config.json has values that cannot be used.
        """
        check_numbers(
            _TITLE,
            config,
            counts=_COUNTS,
            optional_counts=_OPTIONAL_COUNTS,
            numbers=_NUMBERS,
            default_vocabulary=_VOCABULARY,
        )
        from transformers import Qwen3Config, Qwen3ForCausalLM

        return without_bos(build_on_meta(_TITLE, config, Qwen3Config, Qwen3ForCausalLM))

    def blockwise(self, module: nn.Module) -> RotaryBlocks:
        """Wrap a Qwen3 module for the quantizer."""
        from transformers import Qwen3ForCausalLM

        return RotaryBlocks(require(module, Qwen3ForCausalLM))

    def expected_names(self, module: nn.Module) -> set[str]:
        """Name the tensors that a checkpoint must hold: all but a tied head."""
        return stored_names(module)

    def may_ignore(self, name: str) -> bool:
        """Tell whether a tensor is a stored rotary table or the copy of a tied head."""
        return is_recomputed(name)

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Compute the rotary frequencies on the device and tie the head if asked to."""
        restore_rotary(module, device)
        tie_head(module)

    def reading_step(self, module: nn.Module) -> TextReader | None:
        """A rotary decoder, step by step."""
        return rotary_step(module)


def without_bos(module: Any) -> nn.Module:
    """A built Qwen module that puts nothing in front of a text.

    Published configs name <|endoftext|> as BOS, but it ended the documents of the training; their
    tokenizers put nothing in front (add_bos_token false).
    """
    module.config.bos_token_id = None
    own: nn.Module = module
    return own
