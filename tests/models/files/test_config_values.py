"""Damaged config.json files: every wrong value is named, none gets as far as a traceback."""

from typing import Any

import pytest

from models.cogvlm2.config import CogVLM2Config
from models.errors import ModelFolderError
from models.families import family_of

LLAMA = {
    "model_type": "llama",
    "vocab_size": 32,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
WRONG_COUNTS: tuple[Any, ...] = (0, -1, None, "many", 1.5, True, [], 1e400)
WRONG_NUMBERS: tuple[Any, ...] = (
    0,
    -1e-5,
    None,
    "small",
    [1],
    True,
    float("nan"),
    float("inf"),
    2**64,
)


def refused(config: dict[str, Any]) -> str:
    with pytest.raises(ModelFolderError) as error:
        family_of(config).build(config)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "field",
    [
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_multi_query_heads",
        "max_position_embeddings",
    ],
)
@pytest.mark.parametrize("value", WRONG_COUNTS)
def test_cogvlm2_counts_are_checked(field: str, value: object) -> None:
    assert f"{field}={value!r}" in refused(CogVLM2Config().to_dict() | {field: value})


@pytest.mark.parametrize(
    "field",
    ["image_size", "patch_size", "in_channels", "hidden_size", "num_heads", "num_hidden_layers",
     "intermediate_size"],
)  # fmt: skip
@pytest.mark.parametrize("value", WRONG_COUNTS)
def test_cogvlm2_vision_counts_are_checked(field: str, value: object) -> None:
    raw = CogVLM2Config().to_dict()
    raw["vision_config"][field] = value
    assert f"vision_config.{field}={value!r}" in refused(raw)


@pytest.mark.parametrize("value", WRONG_NUMBERS)
def test_cogvlm2_numbers_are_checked(value: object) -> None:
    for field in ("rms_norm_eps", "rope_theta"):
        assert f"{field}={value!r}" in refused(CogVLM2Config().to_dict() | {field: value})
    raw = CogVLM2Config().to_dict()
    raw["vision_config"]["layer_norm_eps"] = value
    assert f"vision_config.layer_norm_eps={value!r}" in refused(raw)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"bos_token_id": -1}, "bos_token_id=-1"),
        ({"pad_token_id": 128256}, "pad_token_id=128256 (an id of 0 to 128255)"),
        ({"bos_token_id": None}, "bos_token_id=None"),
        ({"pad_token_id": [1]}, "pad_token_id=[1]"),
        ({"eos_token_id": None}, "eos_token_id=(None,)"),
        ({"eos_token_id": [1, "two"]}, "eos_token_id=(1, 'two')"),
        ({"template_version": ["chat"]}, "template_version=['chat']"),
        ({"hidden_size": 4096 + 32}, "heads of 129 channels"),
        ({"num_multi_query_heads": 5}, "no multiple of num_multi_query_heads"),
        ({"architectures": 5}, "architecture 5"),
    ],
)
def test_other_damage_of_cogvlm2_is_named(change: dict[str, Any], named: str) -> None:
    assert named in refused(CogVLM2Config().to_dict() | change)


def test_vision_heads_must_divide_their_channels() -> None:
    raw = CogVLM2Config().to_dict()
    raw["vision_config"]["num_heads"] = 15
    assert "vision hidden_size is no multiple of num_heads" in refused(raw)


@pytest.mark.parametrize("value", WRONG_COUNTS)
@pytest.mark.parametrize("field", [name for name in LLAMA if name.startswith(("num", "max", "h"))])
def test_llama_counts_are_checked(field: str, value: object) -> None:
    if field == "num_key_value_heads" and value is None:
        assert family_of(LLAMA).build(LLAMA | {field: None}) is not None
        return
    assert f"{field}={value!r}" in refused(LLAMA | {field: value})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"vocab_size": -1}, "vocab_size=-1"),
        ({"bos_token_id": 32}, "bos_token_id=32"),
        ({"eos_token_id": [2, -1]}, "eos_token_id=[2, -1]"),
        ({"rms_norm_eps": None}, "rms_norm_eps=None"),
        ({"rope_theta": 0}, "rope_theta=0"),
        ({"num_key_value_heads": 3}, "no multiple of num_key_value_heads"),
        ({"rope_parameters": {"rope_type": "magic"}}, "LLaMA"),
        ({"rope_parameters": 7}, "LLaMA"),
        ({"hidden_act": "magic"}, "LLaMA"),
        ({"hidden_act": 7}, "LLaMA"),
        ({"pad_token_id": 32}, "LLaMA"),
        ({"architectures": {"a": 1}, "model_type": 5}, "architecture"),
    ],
)
def test_other_damage_of_llama_is_named(change: dict[str, Any], named: str) -> None:
    assert named in refused(LLAMA | change)


def test_published_oddities_are_taken() -> None:
    odd = {"pad_token_id": -1, "head_dim": None, "bos_token_id": None, "eos_token_id": [2, 3]}
    assert family_of(LLAMA).build(LLAMA | odd) is not None


OPT = {
    "model_type": "opt",
    "vocab_size": 32,
    "hidden_size": 64,
    "ffn_dim": 96,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "word_embed_proj_dim": 48,
    "bos_token_id": 2,
    "eos_token_id": 2,
}
QWEN3 = LLAMA | {"model_type": "qwen3", "head_dim": 16, "sliding_window": 8}
OPT_COUNTS = [n for n in OPT if n not in ("model_type", "bos_token_id", "eos_token_id")]
QWEN3_COUNTS = [n for n in QWEN3 if n.startswith(("num", "max", "h", "inter", "sliding", "vocab"))]
MAY_BE_NULL = ("word_embed_proj_dim", "num_key_value_heads", "sliding_window")


@pytest.mark.parametrize("value", WRONG_COUNTS)
@pytest.mark.parametrize(
    ("config", "field"),
    [(OPT, name) for name in OPT_COUNTS] + [(QWEN3, name) for name in QWEN3_COUNTS],
)
def test_opt_and_qwen3_counts_are_checked(
    config: dict[str, Any], field: str, value: object
) -> None:
    if field in MAY_BE_NULL and value is None:
        assert family_of(config).build(config | {field: None}) is not None
        return
    assert f"{field}={value!r}" in refused(config | {field: value})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"bos_token_id": 32}, "bos_token_id=32"),
        ({"eos_token_id": "</s>"}, "eos_token_id='</s>'"),
        ({"max_position_embeddings": 10**30}, "max_position_embeddings=1000"),
        ({"num_attention_heads": 3}, "embed_dim"),
        ({"activation_function": "magic"}, "an OPT model"),
        ({"activation_function": 7}, "activation_function"),
        ({"do_layer_norm_before": "yes"}, "do_layer_norm_before"),
        ({"enable_bias": 7}, "enable_bias"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings"),
        ({"_remove_final_layer_norm": []}, "_remove_final_layer_norm"),
        ({"pad_token_id": 32}, "an OPT model"),
    ],
)
def test_other_damage_of_opt_is_named(change: dict[str, Any], named: str) -> None:
    assert named in refused(OPT | change)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"bos_token_id": 32}, "bos_token_id=32"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps='small'"),
        ({"rope_theta": None}, "rope_theta=None"),
        ({"head_dim": 15}, "head_dim`=15"),
        ({"num_key_value_heads": 3}, "no multiple of num_key_value_heads"),
        ({"attention_bias": "yes"}, "attention_bias"),
        ({"use_sliding_window": "no"}, "use_sliding_window"),
        ({"max_window_layers": "all"}, "max_window_layers"),
        ({"layer_types": ["magic"]}, "a Qwen3 model"),
        ({"layer_types": []}, "a Qwen3 model"),
        ({"rope_scaling": 7}, "a Qwen3 model"),
        ({"rope_scaling": {"rope_type": "magic"}}, "a Qwen3 model"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings"),
    ],
)
def test_other_damage_of_qwen3_is_named(change: dict[str, Any], named: str) -> None:
    assert named in refused(QWEN3 | change)


def test_odd_heads_of_llama_are_named() -> None:
    assert "head_dim`=15" in refused(LLAMA | {"head_dim": 15})


def test_published_oddities_of_opt_and_qwen3_are_taken() -> None:
    # facebook/opt-350m and Qwen/Qwen3-8B as published, but small.
    opt = {
        "_remove_final_layer_norm": False,
        "activation_dropout": 0.0,
        "activation_function": "relu",
        "architectures": ["OPTForCausalLM"],
        "do_layer_norm_before": False,
        "layerdrop": 0.0,
        "prefix": "</s>",
        "torch_dtype": "float16",
        "transformers_version": "4.20.0.dev0",
        "pad_token_id": 1,
    }
    assert family_of(OPT).build(OPT | opt) is not None
    qwen3 = {
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "max_window_layers": 36,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": None,
        "use_sliding_window": False,
        "torch_dtype": "bfloat16",
    }
    assert family_of(QWEN3).build(QWEN3 | qwen3) is not None
