"""Models that are taken for CogVLM2: what they are called, by config.json or by their tensors.

Their published files look alike: the first CogVLM has the same architecture name, CogVLM2-Video
the same vocabulary, GLM-4V a picture side built of the same parts.
"""

from collections.abc import Collection, Mapping
from typing import Any

from models.errors import CheckpointError, ModelFolderError

_FIRST = "CogVLM, the first version"
_VIDEO = "CogVLM2-Video"
_GLM4V = "GLM-4V"
_USE = "use cogvlm2-llama3-chat-19B or a text model"

_BY_ARCHITECTURE = (
    ("CogVLMVideo", _VIDEO),
    ("CogAgent", "CogAgent"),
    ("Glm4v", "GLM-4.1V or later"),
    ("GLM4V", _GLM4V),
)
_COGVLM = "CogVLMForCausalLM"
_LLAMA2_VOCABULARY, _LLAMA3_VOCABULARY = 32000, 128256
_FRAME_SIDE = 224  # pixels; CogVLM2-Video looks at small frames


def relative_of(config: Mapping[str, Any]) -> str | None:
    """Name the model that a config.json describes if it is one that is taken for CogVLM2."""
    named = config.get("architectures")
    names = " ".join(str(name) for name in named) if isinstance(named, list) else ""
    for part, title in _BY_ARCHITECTURE:
        if part in names:
            return title
    model_type = str(config.get("model_type", ""))
    if model_type.startswith("glm4v"):
        return "GLM-4.1V or later"
    if model_type == "chatglm":
        return _GLM4V if config.get("vision_config") else "ChatGLM or GLM-4"
    return _cogvlm_relative(config) if _COGVLM in names else None


def _cogvlm_relative(config: Mapping[str, Any]) -> str | None:
    """Tell apart what shares CogVLM2's architecture name."""
    vocabulary = config.get("vocab_size")
    if vocabulary == _LLAMA2_VOCABULARY and "num_multi_query_heads" not in config:
        return _FIRST
    vision = config.get("vision_config")
    side = vision.get("image_size") if isinstance(vision, Mapping) else None
    return _VIDEO if vocabulary == _LLAMA3_VOCABULARY and side == _FRAME_SIDE else None


def refuse_relative(config: Mapping[str, Any]) -> None:
    """Refuse a config.json of such a model.

    Raises:
        ModelFolderError: it is one.
    """
    title = relative_of(config)
    if title is not None:
        raise ModelFolderError(f"config.json is that of {title}, which is not supported: {_USE}")


def refuse_relative_tensors(folder: object, names: Collection[str]) -> None:
    """Refuse the weights of such a model under CogVLM2's config.json.

    Raises:
        CheckpointError: the names of the tensors are those of one.
    """
    present = set(names)
    title = None
    if any(name.startswith("transformer.vision.") for name in present):
        title = _GLM4V
    elif "model.vision.boi" in present and "model.layers.0.mlp.gate_proj.weight" in present:
        title = _VIDEO  # its decoder has no vision experts
    elif "model.vision.boi" in present and not any("vision.conv." in name for name in present):
        title = _FIRST  # it does not merge patches
    if title is not None:
        raise CheckpointError(f"{folder} holds weights of {title}, which is not supported: {_USE}")
