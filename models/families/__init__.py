"""The model families: how to build one on the meta device, and how to walk its blocks.

A family knows which config.json is its own, the module that config describes, which of the
module's tensors a checkpoint may leave out because they are computed, how its blocks are walked,
how it reads calibration data, and what must go with a copy. One file a family; `register` adds
one from outside. The quantizer names no family.
"""

from models.families.cogvlm2 import COGVLM2_ARCHITECTURE, CogVLM2Family
from models.families.family import Family
from models.families.head import build_as_stored
from models.families.llama import LLAMA_GROUPS, LlamaBlocks, LlamaFamily
from models.families.opening import (
    OpenedModel,
    open_blockwise,
    open_weights,
    refuse_foreign_names,
)
from models.families.opt import OPT_GROUPS, OptBlocks, OptFamily
from models.families.qwen2 import Qwen2Family
from models.families.qwen3 import Qwen3Family
from models.families.registry import family_of, known_families, register
from models.families.rotary import ROTARY_GROUPS, RotaryBlocks
from models.families.terms import Licence, LlamaTerms, NoTerms, Terms
from models.families.text import (
    ReadsText,
    TextLimits,
    text_ends,
    text_limits,
    text_logits,
    text_steps,
)

__all__ = [
    "COGVLM2_ARCHITECTURE",
    "LLAMA_GROUPS",
    "OPT_GROUPS",
    "ROTARY_GROUPS",
    "CogVLM2Family",
    "Family",
    "Licence",
    "LlamaBlocks",
    "LlamaFamily",
    "LlamaTerms",
    "NoTerms",
    "OpenedModel",
    "OptBlocks",
    "OptFamily",
    "Qwen2Family",
    "Qwen3Family",
    "ReadsText",
    "RotaryBlocks",
    "Terms",
    "TextLimits",
    "build_as_stored",
    "family_of",
    "known_families",
    "open_blockwise",
    "open_weights",
    "refuse_foreign_names",
    "register",
    "text_ends",
    "text_limits",
    "text_logits",
    "text_steps",
]
