"""What llama.cpp must be told of a LLaMA, Qwen2 or Qwen3: fields, names of tensors, order of rows.

Keys and names: https://github.com/ggml-org/llama.cpp (gguf-py/gguf/constants.py, src/models).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from models.files.gguf_model import (
    ARCHITECTURES,
    BIASED,
    FACTORS,
    LAYER,
    OUTSIDE,
    llama_3_1_factors,
)
from quantizer.errors import ExportError
from quantizer.exporting.writing import Value

EMBEDDING, HEAD = "token_embd.weight", "output.weight"

_NEW_OUTSIDE: Mapping[str, str] = MappingProxyType({name: new for new, name in OUTSIDE.items()})
_NEW_LAYER: Mapping[str, str] = MappingProxyType({name: new for new, name in LAYER.items()})
_YARN = frozenset(("rope_type", "type", "factor", "original_max_position_embeddings", "rope_theta"))
_HEADS: Mapping[str, str] = MappingProxyType(
    {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
)
_WAY_OUT = "keep the folder, which Transformers and this program read"


def check_model(family: str, config: Any) -> None:
    """Refuse what llama.cpp would compute otherwise than the model does.

    config: of the module, as Transformers reads it.

    Raises:
        ExportError: with what stands against it, and the way out.
    """
    if family not in ARCHITECTURES:
        raise ExportError(
            f"GGUF is written for {', '.join(ARCHITECTURES)}, and this is a model of the "
            f"family {family}: {_WAY_OUT}"
        )
    strange = ""
    if config.hidden_act != "silu":
        strange = f"the activation {config.hidden_act}"
    elif any(getattr(config, name, False) for name in ("attention_bias", "mlp_bias")):
        strange = "biases"
    elif set(getattr(config, "layer_types", None) or ()) - {"full_attention"}:
        strange = "a window that slides"
    if strange:
        raise ExportError(f"the model has {strange}, which is not written as GGUF: {_WAY_OUT}")
    _scaling(family, config)


def model_fields(family: str, config: Any, *, vocab_size: int) -> dict[str, Value]:
    """The fields that say how to compute.

    Raises:
        ExportError: see `check_model`.
    """
    check_model(family, config)
    width = head_width(config)
    fields: dict[str, Value] = {
        "vocab_size": vocab_size,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": width,
        "attention.value_length": width,
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "rope.dimension_count": width,
        "rope.freq_base": float(config.rope_parameters["rope_theta"]),
    }
    return {f"{family}.{key}": value for key, value in (fields | _scaling(family, config)).items()}


def head_width(config: Any) -> int:
    """Channels of one attention head; not every config names them."""
    named = getattr(config, "head_dim", None)
    return int(named or config.hidden_size // config.num_attention_heads)


def frequency_factors(config: Any) -> Tensor | None:
    """By how much each rotary frequency is slowed, (head_dim / 2,) float32, as Llama 3.1 does."""
    rope = config.rope_parameters
    if rope["rope_type"] != "llama3":
        return None
    return llama_3_1_factors(head_width(config), rope["rope_theta"], rope["factor"], rope).float()


FREQUENCY_FACTORS = FACTORS


def new_name(family: str, name: str) -> str:
    """What llama.cpp calls a tensor.

    Raises:
        ExportError: it knows none like it.
    """
    if name in _NEW_OUTSIDE:
        return _NEW_OUTSIDE[name]
    layer, _, part = name.removeprefix("model.layers.").partition(".")
    part, _, last = part.rpartition(".")
    new = _NEW_LAYER.get(part)
    places = BIASED.get(family, ()) if last == "bias" else LAYER
    if new is None or new not in places:
        raise ExportError(f"the tensor {name} has no place in GGUF: {_WAY_OUT}")
    return f"blk.{layer}.{new}.{last}"


def row_order(family: str, config: Any, name: str) -> Tensor | None:
    """The rows of a tensor as llama.cpp wants them, (out,) int64; None for as they are.

    llama.cpp turns neighbouring channels (2i, 2i + 1) of a LLaMA's heads, Transformers
    (i, i + head_dim / 2). Of Qwen2 and Qwen3 both turn halves.
    """
    part = name.removesuffix(".weight").rpartition(".")[2]
    if family != "llama" or part not in _HEADS:
        return None
    heads = getattr(config, _HEADS[part])
    width = head_width(config)
    halves = torch.arange(heads * width).reshape(heads, 2, width // 2)
    return halves.transpose(1, 2).flatten()


def _scaling(family: str, config: Any) -> dict[str, Value]:
    """How positions beyond the training's are reached."""
    rope = config.rope_parameters
    kind = rope["rope_type"]
    if kind == "default" or (kind == "llama3" and family == "llama"):
        return {}
    if kind == "linear":
        return {"rope.scaling.type": "linear", "rope.scaling.factor": float(rope["factor"])}
    usual = {name for name, value in rope.items() if value is not None} <= _YARN
    if kind == "yarn" and usual and "original_max_position_embeddings" in rope:
        return {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": float(rope["factor"]),
            "rope.scaling.original_context_length": rope["original_max_position_embeddings"],
        }
    raise ExportError(
        f"the model scales positions by {kind!r} in a way that is not written as GGUF: {_WAY_OUT}"
    )
