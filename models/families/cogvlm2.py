"""CogVLM2, the published model and the small one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models.blocks import BlockwiseModel
from models.families.relatives import refuse_relative
from models.text.byte_level import ByteLevelRules

COGVLM2_ARCHITECTURE = "CogVLMForCausalLM"


@dataclass(frozen=True, slots=True)
class CogVLM2Family:
    """CogVLM2 as `models.cogvlm2` implements it."""

    name: str = "cogvlm2"
    byte_level: ByteLevelRules | None = None  # folders have a tokenizer.json

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell by the architecture: published folders have no model_type."""
        architectures = config.get("architectures")
        return isinstance(architectures, list) and COGVLM2_ARCHITECTURE in architectures

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build `CogVLM2ForCausalLM` on the meta device.

        Raises:
            ModelFolderError: config.json is not one of CogVLM2.
        """
        from models.cogvlm2.config import CogVLM2Config
        from models.cogvlm2.model import CogVLM2ForCausalLM

        refuse_relative(config)
        parsed = CogVLM2Config.from_dict(config)
        with torch.device("meta"):
            model = CogVLM2ForCausalLM(parsed)
        self.complete(model, torch.device("cpu"))
        return model.eval().requires_grad_(False)

    def blockwise(self, module: nn.Module) -> BlockwiseModel:
        """Wrap a CogVLM2 module for the quantizer."""
        from models.cogvlm2.blockwise import CogVLM2Blocks
        from models.cogvlm2.model import CogVLM2ForCausalLM

        if not isinstance(module, CogVLM2ForCausalLM):
            raise TypeError(f"CogVLM2Family cannot walk a {type(module).__name__}")
        return CogVLM2Blocks(module)

    def expected_names(self, module: nn.Module) -> set[str]:
        """Name the tensors that a checkpoint must hold: all but the rotary frequencies."""
        return {name for name in module.state_dict() if not name.endswith("rotary_emb.inv_freq")}

    def may_ignore(self, name: str) -> bool:
        """Every published tensor has a meaning."""
        return False

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Compute rotary frequencies that the checkpoint left out."""
        from models.cogvlm2.decoder import RotaryEmbedding, inverse_frequencies
        from models.cogvlm2.model import CogVLM2ForCausalLM

        if not isinstance(module, CogVLM2ForCausalLM):
            raise TypeError(f"CogVLM2Family cannot complete a {type(module).__name__}")
        config = module.config
        head_dim = config.hidden_size // config.num_attention_heads
        for part in module.modules():
            if isinstance(part, RotaryEmbedding) and part.inv_freq.is_meta:
                part.inv_freq = inverse_frequencies(head_dim, config.rope_theta).to(device)
