"""Qwen3-VL as transformers implements it: Qwen3's decoder, to which a picture tower adds."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from models.blocks import Block, Sample, State
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
from models.image_text.qwen3_vl import (
    CALIBRATION_FEATURES,
    DECODER,
    Patches,
    Qwen3VLCalibration,
    picture_positions,
    tower_features,
)
from models.text.byte_level import ByteLevelRules

_TITLE = "a Qwen3-VL model"
_VISION_COUNTS = (
    "depth",
    "hidden_size",
    "intermediate_size",
    "num_heads",
    "patch_size",
    "spatial_merge_size",
    "temporal_patch_size",
    "num_position_embeddings",
    "out_hidden_size",
)
_VOCABULARY = 151936
_FLOAT_BYTES = 4
_ADDED = "added"  # names of the state: features for the layers behind which they are added


class Qwen3VLBlocks(RotaryBlocks):
    """The decoder of a Qwen3-VL one layer at a time; a picture passes the tower before.

    The state holds ``positions`` (3, 1, T), ``places`` (N,) of the picture's features, and for
    the first layers what is added there, (N, width), beside ``hidden``.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model, DECODER)

    def start(self, sample: Sample) -> State:
        """Embed ``input_ids`` (1, T), features of ``pixels`` (1, patches, D) in their places."""
        state, ids, config = super().start(sample), sample["input_ids"], self.model.config
        if sample.get("pixels") is None:
            return state
        merge = config.vision_config.spatial_merge_size
        side = round((sample["pixels"].shape[1] / merge**2) ** 0.5)  # calibration has squares
        seen = tower_features(self.model, sample["pixels"][0], (side, side))
        token = config.image_token_id
        positions, _ = picture_positions(ids, token, (side, side))
        return {
            "hidden": put_features(state["hidden"], ids, token, seen.features),
            "positions": positions,
            "places": (ids[0] == token).nonzero().squeeze(1),
            **{f"{_ADDED}.{index}": part for index, part in enumerate(seen.added)},
        }

    def step(self, block: Block, state: State) -> State:
        """Run one decoder layer, and add what the tower has for it."""
        if "positions" not in state:
            return super().step(block, state)
        hidden = state["hidden"]
        rotary = self.decoder.rotary_emb(hidden, position_ids=state["positions"])
        hidden = block.module(hidden, attention_mask=None, position_embeddings=rotary)
        name = f"{_ADDED}.{block.name.rpartition('.')[2]}"
        rest = {key: value for key, value in state.items() if key != name}
        if name in state:
            hidden = hidden.index_add(1, state["places"], state[name].to(hidden.dtype)[None])
        return rest | {"hidden": hidden}


class Qwen3VLFamily(HeldByTransformers):
    """Qwen3-VL without experts, with tied or own head."""

    name: str = "qwen3_vl"
    byte_level: ByteLevelRules | None = None  # published folders have a tokenizer.json
    terms: Terms = NoTerms()

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell by model_type."""
        return config.get("model_type") == "qwen3_vl"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build `transformers.Qwen3VLForConditionalGeneration` on the meta device.

        Raises:
            ModelFolderError: config.json has values that cannot be used.
        """
        from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

        module: Any = build_image_text(
            _TITLE,
            config,
            Qwen3VLConfig,
            Qwen3VLForConditionalGeneration,
            decoder=DECODER,
            vision_counts=_VISION_COUNTS,
            default_vocabulary=_VOCABULARY,
        )
        vision, width = module.config.vision_config, module.config.hidden_size
        if vision.out_hidden_size != width:
            raise not_described(
                _TITLE, f"the tower gives {vision.out_hidden_size} numbers, the decoder has {width}"
            )
        # As for Qwen3: what config.json names here ended the documents of the training.
        module.config.bos_token_id = None
        self.complete(module, torch.device("cpu"))
        built: nn.Module = module
        return built

    def blockwise(self, module: nn.Module) -> Qwen3VLBlocks:
        """Wrap such a module for the quantizer."""
        return Qwen3VLBlocks(module)

    def layout(self, module: nn.Module) -> ImageTextLayout:
        """How such a module reads pictures and text."""
        config: Any = module.config
        vision = config.vision_config
        patches = CALIBRATION_FEATURES * vision.spatial_merge_size**2
        # Queries, keys, values, turned and plain, beside the input; or a wide and a narrow step.
        wide = 8 * vision.hidden_size + 2 * vision.intermediate_size
        added = len(vision.deepstack_visual_indexes)
        return ImageTextLayout(
            ImageTextPictures(
                Qwen3VLCalibration(Patches.of(config)), config.max_position_embeddings
            ),
            start_bytes=patches * wide * _FLOAT_BYTES,
            # Every token may be the picture's; three positions and a place of eight bytes each.
            state_width=config.hidden_size * (1 + added) + 8,
            picture_id=config.image_token_id,
        )

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Compute the rotary frequencies on the device and tie the head if asked to."""
        restore_decoder_rotary(module, DECODER, device)
        tower: Any = module.get_submodule("model.visual")
        tower.rotary_pos_emb = type(tower.rotary_pos_emb)(tower.config).to(device)
        tie_head(module)
