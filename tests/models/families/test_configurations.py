"""Configurations that other tools have read wrongly, each against transformers: no difference.

What a program computes with is the whole config.json: a field that it passes over, or reads by its
older name alone, gives a model that talks and is another one. Both sides take PyTorch's same
operators in the same order, so that the logits are equal and not only near.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from models.loading import load_model

IDS = torch.randint(3, 64, (1, 40), generator=torch.Generator().manual_seed(5))

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
QWEN2 = LLAMA | {"model_type": "qwen2"}
QWEN3 = LLAMA | {"model_type": "qwen3", "head_dim": 48}
OPT = {
    name: value
    for name, value in LLAMA.items()
    if name not in ("num_key_value_heads", "intermediate_size", "tie_word_embeddings")
} | {"model_type": "opt", "ffn_dim": 96, "word_embed_proj_dim": 64, "pad_token_id": 1}
WINDOW = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
FACTORS = {"long_factor": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "short_factor": [1.5] * 8}


def older(kind: str, **numbers: Any) -> dict[str, Any]:
    """Positions stretched, as config.json said it before rope_parameters."""
    return {"rope_theta": 500.0, "rope_scaling": {"rope_type": kind, **numbers}}


def newer(kind: str, **numbers: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 500.0, **numbers}}


LLAMA3 = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"factor": 4.0, "original_max_position_embeddings": 16}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "tied": LLAMA | {"tie_word_embeddings": True},
    "one key for all heads": LLAMA | {"num_key_value_heads": 1},
    "a key for each head": LLAMA | {"num_key_value_heads": 4},
    "heads wider than the states": LLAMA | {"head_dim": 32},
    "older theta": LLAMA | {"rope_theta": 500.0},
    "newer theta": LLAMA | newer("default"),
    "older linear": LLAMA | older("linear", factor=4.0),
    "oldest linear": LLAMA | {"rope_scaling": {"type": "linear", "factor": 4.0}},
    "newer linear": LLAMA | newer("linear", factor=4.0),
    "older dynamic": LLAMA | {"max_position_embeddings": 24} | older("dynamic", factor=2.0),
    "newer yarn": LLAMA | newer("yarn", **YARN),
    "older yarn with its own mscale": LLAMA | older("yarn", attention_factor=1.3, **YARN),
    "older llama3": LLAMA | older("llama3", **LLAMA3),
    "newer llama3": LLAMA | newer("llama3", **LLAMA3),
    "longrope": LLAMA
    | older("longrope", factor=4.0, original_max_position_embeddings=16, **FACTORS),
    "biases": LLAMA | {"attention_bias": True, "mlp_bias": True},
    "another activation": LLAMA | {"hidden_act": "gelu_pytorch_tanh"},
    "another epsilon": LLAMA | {"rms_norm_eps": 0.01},
    "qwen2 with a window": QWEN2 | WINDOW,
    "qwen2 with a window that is off": QWEN2 | WINDOW | {"use_sliding_window": False},
    "qwen2 with yarn": QWEN2 | older("yarn", **YARN),
    "qwen3 with a window": QWEN3 | WINDOW,
    "qwen3 with biases, tied": QWEN3 | {"attention_bias": True, "tie_word_embeddings": True},
    "opt": OPT,
    "opt with its norms behind": OPT | {"do_layer_norm_before": False, "word_embed_proj_dim": 48},
    "opt without biases": OPT | {"enable_bias": False, "layer_norm_elementwise_affine": False},
}


def test_there_are_as_many_as_were_found() -> None:
    assert len(CONFIGURATIONS) == 27


@pytest.mark.parametrize("name", CONFIGURATIONS)
@torch.no_grad()
def test_logits_are_those_of_transformers_to_the_last_bit(name: str, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    given = CONFIGURATIONS[name]
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**given))
    for parameter in model.parameters():  # so that norms and biases count
        parameter.add_(torch.randn_like(parameter), alpha=0.15)
    model.save_pretrained(tmp_path)
    Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(tmp_path / "tokenizer.json"))
    # As its maker published it: transformers writes the newer names whatever it has read.
    (tmp_path / "config.json").write_text(json.dumps(given))

    loaded = load_model(tmp_path, dtype=torch.float32)
    peer = AutoModelForCausalLM.from_pretrained(
        tmp_path, dtype=torch.float32, attn_implementation="sdpa"
    ).eval()
    assert torch.equal(loaded.model(IDS).logits, peer(IDS).logits)
