"""Qwen2 and Qwen2.5 as transformers implements it: LLaMA's blocks with biases on q, k and v."""

from typing import Any

from models.families.qwen3 import QwenFamily


class Qwen2Family(QwenFamily):
    """Qwen2 and Qwen2.5 without experts, with tied or own head."""

    name = "qwen2"
    title = "a Qwen2 model"
    optional_counts = ("num_key_value_heads", "head_dim", "sliding_window")

    def classes(self) -> tuple[Any, Any]:
        """Those of Qwen2."""
        from transformers import Qwen2Config, Qwen2ForCausalLM

        return Qwen2Config, Qwen2ForCausalLM
