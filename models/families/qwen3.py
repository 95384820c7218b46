"""Qwen3 as transformers implements it: LLaMA's blocks with norms on queries and keys."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from models.families.decoder import RotaryFamily
from models.text.byte_level import ByteLevelRules

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


class QwenFamily(RotaryFamily):
    """What Qwen2 and Qwen3 share: their vocabulary, and that nothing stands before a text."""

    vocabulary = 151936
    byte_level = QWEN_RULES

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build the module on the meta device; it puts nothing in front of a text.

        Published configs name <|endoftext|> as BOS, but it ended the documents of the training;
        their tokenizers put nothing in front (add_bos_token false).

        Raises:
            ModelFolderError: config.json has values that cannot be used.
        """
        module: Any = super().build(config)
        module.config.bos_token_id = None
        built: nn.Module = module
        return built


class Qwen3Family(QwenFamily):
    """Qwen3 without experts, with tied or own head."""

    name = "qwen3"
    title = "a Qwen3 model"
    counts = (*RotaryFamily.counts, "head_dim")
    optional_counts = ("num_key_value_heads", "sliding_window")

    def classes(self) -> tuple[Any, Any]:
        """Those of Qwen3."""
        from transformers import Qwen3Config, Qwen3ForCausalLM

        return Qwen3Config, Qwen3ForCausalLM
