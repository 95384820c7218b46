"""CogVLM2: a vision-language decoder with a separate expert for picture tokens."""

from models.cogvlm2.config import CogVLM2Config, VisionConfig
from models.cogvlm2.model import CogVLM2ForCausalLM

__all__ = ["CogVLM2Config", "CogVLM2ForCausalLM", "VisionConfig"]
