"""CogVLM2, the published model and the small one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models.blocks import BlockwiseModel
from models.cogvlm2.blockwise import CogVLM2Blocks
from models.cogvlm2.config import CogVLM2Config
from models.cogvlm2.decoder import RotaryEmbedding, inverse_frequencies
from models.cogvlm2.model import CogVLM2ForCausalLM
from models.cogvlm2.sequences import CogVLM2Layout
from models.families.relatives import refuse_relative
from models.families.terms import LICENCE_TEXTS, LLAMA_3, Licence, Terms, is_llama_3
from models.text.byte_level import ByteLevelRules

COGVLM2_ARCHITECTURE = "CogVLMForCausalLM"

_LICENCE = Licence("The CogVLM License", LICENCE_TEXTS / "COGVLM2_MODEL_LICENSE.txt")


class CogVLM2Terms:
    """CogVLM2 is built on Meta Llama 3, and both licences ask for their texts in every copy.

    Llama 3's asks for a notice and a sentence besides. Source: sections 2 and 7 of the CogVLM
    License, and see `models.families.terms`.
    """

    def licences(self, config: Mapping[str, Any]) -> tuple[Licence, ...]:
        """Both for the published model; a small one of another vocabulary is its maker's own."""
        return (_LICENCE, LLAMA_3) if is_llama_3(config) else ()

    def remarks(self, form: str) -> tuple[str, ...]:
        """Nobody else reads it."""
        return (
            f"This is CogVLM2 in {form} form. At the time of writing no other program loads "
            "CogVLM2 so; `assistant` and `quantizer eval` do.",
        )


@dataclass(frozen=True, slots=True)
class CogVLM2Family:
    """CogVLM2 as `models.cogvlm2` implements it."""

    name: str = "cogvlm2"
    byte_level: ByteLevelRules | None = None  # folders have a tokenizer.json
    terms: Terms = CogVLM2Terms()

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell by the architecture: published folders have no model_type."""
        architectures = config.get("architectures")
        return isinstance(architectures, list) and COGVLM2_ARCHITECTURE in architectures

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build `CogVLM2ForCausalLM` on the meta device.

        Raises:
            ModelFolderError: config.json is not one of CogVLM2.
        """
        refuse_relative(config)
        parsed = CogVLM2Config.from_dict(config)
        with torch.device("meta"):
            model = CogVLM2ForCausalLM(parsed)
        self.complete(model, torch.device("cpu"))
        return model.eval().requires_grad_(False)

    def blockwise(self, module: nn.Module) -> BlockwiseModel:
        """Wrap a CogVLM2 module for the quantizer."""
        return CogVLM2Blocks(_own(module))

    def layout(self, module: nn.Module) -> CogVLM2Layout:
        """How a CogVLM2 module reads pictures and text."""
        return CogVLM2Layout(_own(module).config)

    def expected_names(self, module: nn.Module) -> set[str]:
        """Name the tensors that a checkpoint must hold: all but the rotary frequencies."""
        return {name for name in module.state_dict() if not name.endswith("rotary_emb.inv_freq")}

    def may_ignore(self, name: str) -> bool:
        """Every published tensor has a meaning."""
        return False

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Compute rotary frequencies that the checkpoint left out."""
        config = _own(module).config
        head_dim = config.hidden_size // config.num_attention_heads
        for part in module.modules():
            if isinstance(part, RotaryEmbedding) and part.inv_freq.is_meta:
                part.inv_freq = inverse_frequencies(head_dim, config.rope_theta).to(device)


def _own(module: nn.Module) -> CogVLM2ForCausalLM:
    """The module as what this family builds.

    Raises:
        TypeError: it is another one, which only a mistake in the program can bring about.
    """
    if not isinstance(module, CogVLM2ForCausalLM):
        raise TypeError(f"{type(module).__name__} is no CogVLM2ForCausalLM")
    return module
