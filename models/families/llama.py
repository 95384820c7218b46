"""LLaMA as transformers implements it."""

from typing import Any

from models.families.decoder import RotaryFamily
from models.families.rotary import ROTARY_GROUPS, RotaryBlocks
from models.families.terms import LlamaTerms, Terms

LLAMA_GROUPS = ROTARY_GROUPS
LlamaBlocks = RotaryBlocks


class LlamaFamily(RotaryFamily):
    """LLaMA 1 to 3 and what names itself ``llama``."""

    name = "llama"
    title = "a LLaMA model"
    optional_counts = ("num_key_value_heads", "head_dim")
    vocabulary = 32000
    terms: Terms = LlamaTerms()

    def classes(self) -> tuple[Any, Any]:
        """Those of LLaMA."""
        from transformers import LlamaConfig, LlamaForCausalLM

        return LlamaConfig, LlamaForCausalLM
