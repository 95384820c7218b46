"""Folders of models that are taken for CogVLM2 are named for what they are."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from models.errors import CheckpointError, ModelFolderError
from models.families import family_of, open_blockwise
from models.loading import load_model

PICTURE_SIDE = {"hidden_size": 1792, "num_heads": 16, "num_hidden_layers": 63, "patch_size": 14}
COGVLM = {"architectures": ["CogVLMForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32}
FIRST = COGVLM | {
    "vocab_size": 32000,
    "intermediate_size": 11008,
    "eos_token_id": 2,
    "vision_config": PICTURE_SIDE | {"image_size": 490, "num_positions": 1226},
}
VIDEO_SIDE = PICTURE_SIDE | {"image_size": 224, "num_positions": 257}
GLM4V = {
    "architectures": ["ChatGLMModel"],
    "model_type": "chatglm",
    "padded_vocab_size": 151552,
    "vision_config": PICTURE_SIDE | {"image_size": 1120, "num_positions": 6401},
}
RELATIVES: dict[str, tuple[dict[str, Any], str]] = {
    "cogvlm-chat-hf": (FIRST, "CogVLM, the first version"),
    "cogvlm-base-224": (FIRST | {"vision_config": VIDEO_SIDE}, "CogVLM, the first version"),
    "cogagent": ({"architectures": ["CogAgentForCausalLM"], "vocab_size": 32000}, "CogAgent"),
    "cogvlm2-video": (
        {"architectures": ["CogVLMVideoForCausalLM"], "vocab_size": 128256},
        "CogVLM2-Video",
    ),
    "cogvlm2-caption": (
        COGVLM | {"vocab_size": 128256, "num_multi_query_heads": 8, "vision_config": VIDEO_SIDE},
        "CogVLM2-Video",
    ),
    "glm-4v-9b": (GLM4V, "GLM-4V"),
    "glm-4-9b": ({"architectures": ["ChatGLMModel"], "model_type": "chatglm"}, "ChatGLM or GLM-4"),
    "glm-4.1v": (
        {"architectures": ["Glm4vForConditionalGeneration"], "model_type": "glm4v"},
        "GLM-4.1V or later",
    ),
}


@pytest.mark.parametrize("name", RELATIVES)
def test_a_config_of_a_relative_is_named(tmp_path: Path, name: str) -> None:
    config, title = RELATIVES[name]
    (tmp_path / "config.json").write_text(json.dumps(config))
    for open_folder in (load_model, open_blockwise):
        with pytest.raises(ModelFolderError, match=f"that of {title},.*cogvlm2-llama3") as caught:
            open_folder(tmp_path)
        assert "\n" not in str(caught.value)


@pytest.mark.weights
def test_the_published_config_is_none_of_them(data_dir: Path) -> None:
    raw = json.loads((data_dir / "cogvlm2" / "config.json").read_text())
    family_of(raw).build(raw)


SMALL = {
    "architectures": ["CogVLMForCausalLM"],
    "vocab_size": 20,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "vision_config": {
        "image_size": 8,
        "patch_size": 2,
        "hidden_size": 8,
        "num_heads": 2,
        "num_hidden_layers": 1,
        "intermediate_size": 8,
    },
}
ATTENTION = "model.layers.0.self_attn"


@pytest.mark.parametrize(
    ("names", "title"),
    [
        ([f"{ATTENTION}.vision_expert_dense.weight", "model.vision.boi"], "CogVLM, the first"),
        (
            ["model.layers.0.mlp.gate_proj.weight", "model.vision.boi", "model.vision.conv.bias"],
            "CogVLM2-Video",
        ),
        (["transformer.vision.boi", "transformer.output_layer.weight"], "GLM-4V"),
    ],
)
def test_weights_of_a_relative_are_named(tmp_path: Path, names: list[str], title: str) -> None:
    """The config.json of CogVLM2 beside weights of something else."""
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    (tmp_path / "tokenizer.json").write_text(
        json.dumps({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}})
    )
    save_file({name: torch.zeros(2) for name in names}, tmp_path / "model.safetensors")
    for open_folder in (load_model, open_blockwise):
        with pytest.raises(CheckpointError, match=f"holds weights of {title}") as caught:
            open_folder(tmp_path)
        assert "\n" not in str(caught.value)
