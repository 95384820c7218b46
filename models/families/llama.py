"""LLaMA as transformers implements it."""

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
from models.families.rotary import ROTARY_GROUPS, RotaryBlocks
from models.families.terms import LlamaTerms, Terms
from models.sequences import SequenceLayout, TextLayout
from models.text.byte_level import ByteLevelRules
from models.text.reading import TextReader
from models.text.rotary_step import rotary_step

LLAMA_GROUPS = ROTARY_GROUPS
LlamaBlocks = RotaryBlocks

_TITLE = "a LLaMA model"
_COUNTS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
_OPTIONAL_COUNTS = ("num_key_value_heads", "head_dim")
_NUMBERS = ("rms_norm_eps", "rope_theta")
_VOCABULARY = 32000


@dataclass(frozen=True, slots=True)
class LlamaFamily:
    """LLaMA 1 to 3 and what names itself ``llama``."""

    name: str = "llama"
    byte_level: ByteLevelRules | None = None  # published folders have a tokenizer.json
    layout: Callable[[nn.Module], SequenceLayout] = TextLayout
    terms: Terms = LlamaTerms()

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell by model_type."""
        return config.get("model_type") == "llama"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build `transformers.LlamaForCausalLM` on the meta device.

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
        # Imported here because transformers takes seconds to import and picture models do
        # without it.
        from transformers import LlamaConfig, LlamaForCausalLM

        module: nn.Module = build_on_meta(_TITLE, config, LlamaConfig, LlamaForCausalLM)
        return module

    def blockwise(self, module: nn.Module) -> RotaryBlocks:
        """Wrap a LLaMA module for the quantizer."""
        from transformers import LlamaForCausalLM

        return RotaryBlocks(require(module, LlamaForCausalLM))

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
