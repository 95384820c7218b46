"""What a GGUF file is in a Transformers folder: its config.json, and its tensors by name.

Keys and names: https://github.com/ggml-org/llama.cpp (gguf-py/gguf/constants.py).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.errors import CheckpointError
from models.files.gguf import Gguf, GgufTensor, read_pieces
from models.files.llama2c import split_halves

ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {
        "llama": "LlamaForCausalLM",
        "qwen2": "Qwen2ForCausalLM",
        "qwen3": "Qwen3ForCausalLM",
    }
)
"""What a file calls an architecture that is known here, and what Transformers calls its class."""

OUTSIDE: Mapping[str, str] = MappingProxyType(
    {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
        "output.weight": "lm_head.weight",
    }
)
"""What Transformers calls the tensors outside all layers, by llama.cpp's names."""

LAYER: Mapping[str, str] = MappingProxyType(
    {
        "attn_norm": "input_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
)
"""The same for the parts of a layer, without ``blk.N.`` and ``model.layers.N.``."""

BIASED: Mapping[str, tuple[str, ...]] = MappingProxyType({"qwen2": ("attn_q", "attn_k", "attn_v")})
"""The parts of a layer that have a bias, by architecture."""

FACTORS = "rope_freqs.weight"
"""By how much each rotary frequency is slowed, where that differs by frequency."""

_LLAMA_3_1: Mapping[str, float] = MappingProxyType(
    {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
)
"""How all Llama 3.1 and 3.2 models stretch their positions, but for the factor."""

_YARN_USUAL: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "yarn_beta_fast": (32.0,),
        "yarn_beta_slow": (1.0,),
        "yarn_ext_factor": (1.0, -1.0),  # -1 stands for the default
        "attn_factor": (1.0,),
        "yarn_attn_factor": (1.0,),
        "yarn_log_multiplier": (0.0,),
    }
)
"""What else a file may say of YaRN, and what llama.cpp takes where it says nothing."""

_WAY_OUT = "get the model as a folder of safetensors"


@dataclass(frozen=True, slots=True)
class Described:
    """A file as a Transformers folder has it.

    config: config.json, without what the tokenizer says.
    names:  of each tensor that is taken, llama.cpp's name by Transformers'.
    """

    config: Mapping[str, Any]
    names: Mapping[str, str]


def describe(file: Gguf) -> Described:
    """Say what model a file holds.

    Raises:
        CheckpointError: it is of an architecture that is not known here, lacks a field, or has
            something that its architecture has no place for.
    """
    name = file.fields.get("general.architecture")
    if name not in ARCHITECTURES:
        raise CheckpointError(
            f"{file.path} holds a model of the architecture {name!r}, and "
            f"{' and '.join(ARCHITECTURES)} are known here: {_WAY_OUT}"
        )
    config = _config(file, str(name))
    return Described(config, _names(file, str(name)))


def tensor_of(file: Gguf, name: str, tensor: GgufTensor, config: Mapping[str, Any]) -> Tensor:
    """Read one tensor as its folder has it.

    name: Transformers'. Plain values keep their type; blocks of weights become float32.

    Raises:
        CheckpointError: it cannot be read.
    """
    return torch.cat(list(converted_pieces(file, name, tensor, config))).reshape(tensor.shape)


def converted_pieces(
    file: Gguf, name: str, tensor: GgufTensor, config: Mapping[str, Any]
) -> Iterator[Tensor]:
    """The same as pieces of whole rows, (rows, columns), which joined are the tensor.

    llama.cpp turns neighbouring channels of a LLaMA's queries and keys, Transformers turns halves,
    so their rows are sorted otherwise; they are small enough to be held whole.
    """
    pieces = read_pieces(file.path, tensor)
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    part = name.split(".")[-2]
    if config["model_type"] == "llama" and part in heads:
        yield split_halves(torch.cat(list(pieces)), config[heads[part]])
        return
    yield from pieces


def _names(file: Gguf, architecture: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in file.tensors:
        if name == FACTORS:
            continue
        found[_new_name(file, architecture, name)] = name
    return found


def _new_name(file: Gguf, architecture: str, name: str) -> str:
    if name in OUTSIDE:
        return OUTSIDE[name]
    layer = re.fullmatch(r"blk\.(\d{1,5})\.(\w+)\.(weight|bias)", name)
    places = BIASED.get(architecture, ()) if name.endswith(".bias") else LAYER
    if layer is None or layer[2] not in places:
        raise CheckpointError(
            f"{file.path} holds the tensor {name}, for which its architecture has no place here: "
            f"{_WAY_OUT}"
        )
    return f"model.layers.{int(layer[1])}.{LAYER[layer[2]]}.{layer[3]}"


def _config(file: Gguf, architecture: str) -> dict[str, Any]:
    hidden = _count(file, f"{architecture}.embedding_length")
    heads = _count(file, f"{architecture}.attention.head_count")
    head = _count(file, f"{architecture}.attention.key_length", hidden // heads)
    _refuse_strange(file, architecture, head)
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None:
        raise CheckpointError(f"{file.path} lacks token_embd.weight: copy the file again")
    config: dict[str, Any] = {
        "architectures": [ARCHITECTURES[architecture]],
        "model_type": architecture,
        "imported_from": "gguf",
        "vocab_size": embedding.shape[0],
        "hidden_size": hidden,
        "intermediate_size": _count(file, f"{architecture}.feed_forward_length"),
        "num_hidden_layers": _count(file, f"{architecture}.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": _count(file, f"{architecture}.attention.head_count_kv", heads),
        "head_dim": head,
        "max_position_embeddings": _count(file, f"{architecture}.context_length"),
        "hidden_act": "silu",
        "rms_norm_eps": _fraction(file, f"{architecture}.attention.layer_norm_rms_epsilon"),
        "rope_theta": _fraction(file, f"{architecture}.rope.freq_base", 10000.0),
        "tie_word_embeddings": "output.weight" not in file.tensors,
    }
    if architecture != "qwen2":  # which has them always
        config["attention_bias"] = False
    if architecture == "llama":
        config["mlp_bias"] = False
    scaling = _scaling(file, architecture, config)
    return config if scaling is None else config | {"rope_scaling": scaling}


def _refuse_strange(file: Gguf, architecture: str, head: int) -> None:
    """Refuse what would be computed otherwise than the file means."""
    fields, strange = file.fields, ""
    if fields.get(f"{architecture}.expert_count", 0):
        strange = "a mixture of experts"
    elif fields.get(f"{architecture}.rope.dimension_count", head) != head:
        strange = "positions on a part of each head"
    elif fields.get(f"{architecture}.attention.value_length", head) != head:
        strange = "values of another width than keys"
    elif fields.get(f"{architecture}.attention.sliding_window", 0):
        strange = "a window that slides"
    if strange:
        raise CheckpointError(f"{file.path} has {strange}, which is not imported: {_WAY_OUT}")


def _scaling(file: Gguf, architecture: str, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """How positions beyond the training's are reached; None where they are as they are."""
    kind = file.fields.get(f"{architecture}.rope.scaling.type", "linear")  # as llama.cpp has it
    scaled = f"{architecture}.rope.scaling.factor"
    evenly = kind == "linear" and bool(file.fields.get(scaled, 0.0))
    if FACTORS in file.tensors and (evenly or kind == "yarn"):
        raise CheckpointError(
            f"{file.path} scales positions twice, by {kind!r} and by {FACTORS}, which is not "
            f"imported: {_WAY_OUT}"
        )
    if kind == "yarn":
        return _yarn(file, f"{architecture}.rope.scaling.", config)
    if evenly:
        return {"rope_type": "linear", "factor": _fraction(file, scaled)}
    if kind not in ("none", "linear"):
        raise CheckpointError(
            f"{file.path} scales positions by {kind!r}, which is not imported: {_WAY_OUT}"
        )
    factors = file.tensors.get(FACTORS)
    if factors is None:
        return None
    stored = torch.cat(list(read_pieces(file.path, factors))).flatten().double()
    slowest = round(float(stored.max()), 3)  # the file's 32 bits have 8.000001
    scaling = {"rope_type": "llama3", "factor": slowest, **_LLAMA_3_1}
    expected = llama_3_1_factors(config["head_dim"], config["rope_theta"], slowest)
    if stored.shape != expected.shape or not torch.allclose(stored, expected, rtol=1e-4):
        raise CheckpointError(
            f"{file.path} scales positions otherwise than Llama 3.1 does, which is not imported: "
            f"{_WAY_OUT}"
        )
    return scaling


def _yarn(file: Gguf, prefix: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """YaRN by llama.cpp's fields, whose names all begin with ``prefix``.

    Both programs scale attention by 1 + 0.1 ln(factor) and share the defaults of the rest.
    """
    trained = config["max_position_embeddings"]
    scaling = {
        "rope_type": "yarn",
        "factor": _fraction(file, f"{prefix}factor"),
        "original_max_position_embeddings": _count(
            file, f"{prefix}original_context_length", trained
        ),
    }
    for name, usual in _YARN_USUAL.items():
        if name in ("yarn_beta_fast", "yarn_beta_slow"):
            found = _fraction(file, f"{prefix}{name}", usual[0])
            if found not in usual:
                scaling[name.removeprefix("yarn_")] = found
        elif file.fields.get(f"{prefix}{name}", usual[0]) not in usual:
            raise CheckpointError(
                f"{file.path} scales positions by YaRN with a {name} of its own, which is not "
                f"imported: {_WAY_OUT}"
            )
    return scaling


def llama_3_1_factors(
    head: int, theta: float, factor: float, others: Mapping[str, float] = _LLAMA_3_1
) -> Tensor:
    """By how much Llama 3.1 slows each of its rotary frequencies, (head / 2,).

    others: ``low_freq_factor``, ``high_freq_factor`` and ``original_max_position_embeddings``.

    Source: llama/model.py of https://github.com/meta-llama/llama-models, ``apply_scaling``.
    """
    low, high, original = (float(others[name]) for name in _LLAMA_3_1)
    lengths = 2 * math.pi * theta ** (torch.arange(0, head, 2, dtype=torch.float64) / head)
    smooth = ((original / lengths - low) / (high - low)).clamp(0, 1)
    return 1 / ((1 - smooth) / factor + smooth)


def _said(value: object) -> str:
    return "says nothing" if value is None else f"says {value!r}"


def _count(file: Gguf, key: str, default: int | None = None) -> int:
    value = file.fields.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CheckpointError(
            f"{file.path} {_said(value)} for {key}, and a whole number is needed: {_WAY_OUT}"
        )
    return value


def _fraction(file: Gguf, key: str, default: float | None = None) -> float:
    value = file.fields.get(key, default)
    if not isinstance(value, float) or value <= 0:
        raise CheckpointError(f"{file.path} {_said(value)} for {key}: {_WAY_OUT}")
    # The file has 32 bits, of which 1e-05 comes back as 9.999999747378752e-06.
    return float(str(np.float32(value)))
