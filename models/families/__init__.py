"""The model families: how to build one on the meta device, and how to walk its blocks.

A family knows which config.json is its own, the module that config describes, which of the
module's tensors a checkpoint may leave out because they are computed, and how its blocks are
walked. One file a family; `register` adds one from outside.
"""

from models.families.cogvlm2 import COGVLM2_ARCHITECTURE, CogVLM2Family
from models.families.family import Family, TextLimits, text_limits
from models.families.llama import LLAMA_GROUPS, LlamaBlocks, LlamaFamily
from models.families.opening import OpenedModel, open_blockwise, refuse_foreign_names
from models.families.opt import OPT_GROUPS, OptBlocks, OptFamily
from models.families.qwen3 import Qwen3Family
from models.families.registry import family_of, known_families, register
from models.families.rotary import ROTARY_GROUPS, RotaryBlocks

__all__ = [
    "COGVLM2_ARCHITECTURE",
    "LLAMA_GROUPS",
    "OPT_GROUPS",
    "ROTARY_GROUPS",
    "CogVLM2Family",
    "Family",
    "LlamaBlocks",
    "LlamaFamily",
    "OpenedModel",
    "OptBlocks",
    "OptFamily",
    "Qwen3Family",
    "RotaryBlocks",
    "TextLimits",
    "family_of",
    "known_families",
    "open_blockwise",
    "refuse_foreign_names",
    "register",
    "text_limits",
]
