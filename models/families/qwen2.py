"""Qwen2 and Qwen2.5 as transformers implements them: LLaMA's blocks with biases on q, k and v."""

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
from models.families.qwen3 import QWEN_RULES, without_bos
from models.families.rotary import RotaryBlocks
from models.families.terms import NoTerms, Terms
from models.sequences import SequenceLayout, TextLayout
from models.text.byte_level import ByteLevelRules
from models.text.reading import TextReader
from models.text.rotary_step import rotary_step

_TITLE = "a Qwen2 model"
_COUNTS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
_OPTIONAL_COUNTS = ("num_key_value_heads", "head_dim", "sliding_window")
_NUMBERS = ("rms_norm_eps", "rope_theta")
_VOCABULARY = 151936


@dataclass(frozen=True, slots=True)
class Qwen2Family:
    """Qwen2 and Qwen2.5 without experts, with tied or own head."""

    name: str = "qwen2"
    byte_level: ByteLevelRules | None = QWEN_RULES
    layout: Callable[[nn.Module], SequenceLayout] = TextLayout
    terms: Terms = NoTerms()

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell by model_type."""
        return config.get("model_type") == "qwen2"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build `transformers.Qwen2ForCausalLM` on the meta device.

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
        from transformers import Qwen2Config, Qwen2ForCausalLM

        return without_bos(build_on_meta(_TITLE, config, Qwen2Config, Qwen2ForCausalLM))

    def blockwise(self, module: nn.Module) -> RotaryBlocks:
        """Wrap a Qwen2 module for the quantizer."""
        from transformers import Qwen2ForCausalLM

        return RotaryBlocks(require(module, Qwen2ForCausalLM))

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
