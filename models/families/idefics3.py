"""Idefics3 as transformers implements it, and SmolVLM, which is built the same way."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from models.blocks import Sample, State
from models.families.causal import not_described, tie_head
from models.families.decoder import HeldByTransformers
from models.families.image_text import (
    ImageTextLayout,
    ImageTextPictures,
    build_image_text,
    put_features,
    restore_decoder_rotary,
)
from models.families.rotary import RotaryBlocks
from models.families.terms import NoTerms, Terms
from models.image_text.idefics3 import DECODER, Idefics3Calibration, Tiles, tower_features
from models.text.byte_level import ByteLevelRules

_TITLE = "an Idefics3 model"
_VISION_COUNTS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "image_size",
    "patch_size",
)
_VOCABULARY = 32000
_FLOAT_BYTES = 4


class Idefics3Blocks(RotaryBlocks):
    """The decoder of an Idefics3 one layer at a time; a picture passes the tower before."""

    def __init__(self, model: Any) -> None:
        super().__init__(model, DECODER)

    def start(self, sample: Sample) -> State:
        """Embed ``input_ids`` (1, T), features of ``pixels`` (tiles, 3, S, S) in their places."""
        state = super().start(sample)
        if sample.get("pixels") is None:
            return state
        seen = tower_features(self.model, sample["pixels"])
        token = self.model.config.image_token_id
        return {"hidden": put_features(state["hidden"], sample["input_ids"], token, seen)}


class Idefics3Family(HeldByTransformers):
    """Idefics3 and SmolVLM with a LLaMA decoder, with tied or own head."""

    name: str = "idefics3"
    byte_level: ByteLevelRules | None = None  # published folders have a tokenizer.json
    terms: Terms = NoTerms()

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell by model_type."""
        return config.get("model_type") in ("idefics3", "smolvlm")

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build `transformers.Idefics3ForConditionalGeneration` on the meta device.

        Raises:
            ModelFolderError: config.json has values that cannot be used.
        """
        scale = config.get("scale_factor", 2)
        if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
            raise not_described(_TITLE, f"scale_factor={scale!r} (a positive whole number)")
        module: Any = build_image_text(
            _TITLE,
            config,
            *_classes(config),
            decoder=DECODER,
            vision_counts=_VISION_COUNTS,
            default_vocabulary=_VOCABULARY,
        )
        if module.config.text_config.model_type != "llama":
            raise not_described(
                _TITLE, f"its decoder is {module.config.text_config.model_type}, not LLaMA"
            )
        side, patch = (
            getattr(module.config.vision_config, name) for name in ("image_size", "patch_size")
        )
        if side % (patch * scale):
            raise not_described(
                _TITLE, f"image_size {side} is no multiple of patch_size {patch} x {scale}"
            )
        self.complete(module, torch.device("cpu"))
        built: nn.Module = module
        return built

    def blockwise(self, module: nn.Module) -> Idefics3Blocks:
        """Wrap such a module for the quantizer."""
        return Idefics3Blocks(module)

    def layout(self, module: nn.Module) -> ImageTextLayout:
        """How such a module reads pictures and text."""
        config: Any = module.config
        vision = config.vision_config
        patches = (vision.image_size // vision.patch_size) ** 2
        # Queries, keys, values and what they give beside the input; or a wide and a narrow step.
        wide = 5 * vision.hidden_size + 2 * vision.intermediate_size
        made = Idefics3Calibration(Tiles.of(config))
        return ImageTextLayout(
            ImageTextPictures(made, config.max_position_embeddings),
            start_bytes=patches * wide * _FLOAT_BYTES,
            state_width=config.hidden_size,
            picture_id=config.image_token_id,
        )

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Compute the rotary frequencies on the device and tie the head if asked to."""
        restore_decoder_rotary(module, DECODER, device)
        tie_head(module)


def _classes(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """The classes of config.json and of the module that it describes."""
    if config.get("model_type") == "smolvlm":
        from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

        return SmolVLMConfig, SmolVLMForConditionalGeneration
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration

    return Idefics3Config, Idefics3ForConditionalGeneration
