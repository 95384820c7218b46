"""CogVLM2 against the published tensor list and the outputs of the upstream code."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.cogvlm2 import CogVLM2Config, CogVLM2ForCausalLM
from models.cogvlm2.decoder import KVCache, Routing, position_ids
from models.cogvlm2.processing import build_prompt, preprocess_picture
from models.errors import ModelFolderError, PromptError

TOLERANCE = 1e-4  # float32 against float64 differs by 2.3e-5 on these weights

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def golden(data_dir: Path) -> dict[str, Tensor]:
    tensors = load_file(data_dir / "cogvlm2" / "golden_t1.safetensors")
    return tensors


@pytest.fixture(scope="module")
def description(data_dir: Path) -> dict:
    return json.loads((data_dir / "cogvlm2" / "golden_t1.json").read_text())


@pytest.fixture(scope="module")
def model(golden: dict[str, Tensor], description: dict) -> CogVLM2ForCausalLM:
    model = CogVLM2ForCausalLM(CogVLM2Config.from_dict(description["config"]))
    weights = {k: v for k, v in golden.items() if not k.startswith("golden.")}
    model.load_state_dict(weights, strict=True)
    return model.eval().requires_grad_(False)


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=TOLERANCE, rtol=0)


def test_full_size_has_the_published_names_and_shapes(data_dir: Path) -> None:
    raw = json.loads((data_dir / "cogvlm2" / "config.json").read_text())
    with torch.device("meta"):
        model = CogVLM2ForCausalLM(CogVLM2Config.from_dict(raw))
    ours = {name: list(t.shape) for name, t in model.state_dict().items()}
    published = {}
    for line in (data_dir / "cogvlm2" / "tensor_list.tsv").read_text().splitlines()[1:]:
        name, shape = line.split("\t")[:2]
        published[name] = json.loads(shape.replace("x", ","))
    assert len(published) == 1221
    assert ours == published


def test_config_supplies_what_the_published_file_leaves_out(data_dir: Path) -> None:
    raw = json.loads((data_dir / "cogvlm2" / "config.json").read_text())
    assert "num_multi_query_heads" not in raw
    config = CogVLM2Config.from_dict(raw)
    assert (config.num_multi_query_heads, config.rope_theta) == (8, 500000.0)
    assert config.num_picture_tokens == 2306
    assert config.eos_token_ids == (128001, 128009)
    assert CogVLM2Config.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"vision_config": None}, "vision_config"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"num_multi_query_heads": 3}, "num_multi_query_heads"),
    ],
)
def test_config_of_another_model_is_refused(data_dir: Path, change: dict, named: str) -> None:
    raw = json.loads((data_dir / "cogvlm2" / "config.json").read_text())
    with pytest.raises(ModelFolderError, match=named):
        CogVLM2Config.from_dict(raw | change)


@pytest.mark.parametrize("picture", [0, 1])
def test_picture_preprocessing(
    golden: dict[str, Tensor], model: CogVLM2ForCausalLM, picture: int
) -> None:
    raw = golden[f"golden.image.{picture}.raw_u8"].numpy().astype(np.uint8)
    close(preprocess_picture(raw, model.config)[None], golden[f"golden.image.{picture}.pixels"])


@pytest.mark.parametrize("picture", [0, 1])
def test_vision_stages(golden: dict[str, Tensor], model: CogVLM2ForCausalLM, picture: int) -> None:
    def want(name: str) -> Tensor:
        return golden[f"golden.image.{picture}.vision.{name}"]

    vision = model.model.vision
    x = vision.patch_embedding(golden[f"golden.image.{picture}.pixels"])
    close(x, want("patch_embedding"))
    tower = vision.transformer(x)
    close(tower, want("tower_out"))
    merged = vision.merge(tower)
    close(merged, want("conv_out").flatten(2).transpose(1, 2))
    close(vision.linear_proj.linear_proj(merged), want("adapter_linear_proj"))
    close(vision(golden[f"golden.image.{picture}.pixels"]), want("features"))


@pytest.mark.parametrize("case", ["a", "c", "d", "e", "r"])
def test_positions_and_routing(golden: dict[str, Tensor], case: str) -> None:
    types = golden[f"golden.{case}.token_type_ids"]
    mask = golden[f"golden.{case}.attention_mask"]
    assert torch.equal(position_ids(types, mask), golden[f"golden.{case}.position_ids"])
    vision = torch.zeros(types.numel(), dtype=torch.bool)
    routing = Routing.from_token_types(types)
    if routing is not None:
        vision[routing.vision] = True
    assert torch.equal(vision.view_as(types), golden[f"golden.{case}.vision_token_mask"])


def pixels_of(case: str, golden: dict[str, Tensor]) -> Tensor | None:
    pictures = {"a": [0], "c": [], "d": [0, 1], "e": [0], "r": [0, 1]}[case]
    return torch.cat([golden[f"golden.image.{i}.pixels"] for i in pictures]) if pictures else None


@pytest.mark.parametrize("case", ["a", "c", "d", "e"])
def test_logits_of_whole_prompts(
    golden: dict[str, Tensor], model: CogVLM2ForCausalLM, case: str
) -> None:
    """Picture and text, text only, a left-padded batch, and a batch with one picture."""
    mask = golden[f"golden.{case}.attention_mask"]
    logits = model(
        golden[f"golden.{case}.input_ids"],
        golden[f"golden.{case}.token_type_ids"],
        pixels=pixels_of(case, golden),
        attention_mask=mask,
    )
    real = mask.bool()
    close(logits[real], golden[f"golden.{case}.logits"][real])


def test_unpadded_prompt_needs_no_mask(
    golden: dict[str, Tensor], model: CogVLM2ForCausalLM
) -> None:
    logits = model(
        golden["golden.a.input_ids"],
        golden["golden.a.token_type_ids"],
        pixels=golden["golden.image.0.pixels"],
    )
    close(logits, golden["golden.a.logits"])


@pytest.mark.parametrize(
    ("case", "stored"), [("a", "b"), ("c", "c.cached"), ("d", "d.cached"), ("e", "e.cached")]
)
def test_cached_decoding(
    golden: dict[str, Tensor], model: CogVLM2ForCausalLM, case: str, stored: str
) -> None:
    cache = KVCache(model.config.num_hidden_layers)
    mask = golden[f"golden.{case}.attention_mask"]
    prefill = model(
        golden[f"golden.{case}.input_ids"],
        golden[f"golden.{case}.token_type_ids"],
        pixels=pixels_of(case, golden),
        attention_mask=mask,
        cache=cache,
    )
    close(prefill[:, -1], golden[f"golden.{stored}.prefill_logits_last"])
    for step in range(golden[f"golden.{stored}.fed_token_ids"].shape[1]):
        mask = torch.cat((mask, torch.ones_like(mask[:, :1])), dim=1)
        logits = model(
            golden[f"golden.{stored}.fed_token_ids"][:, step : step + 1],
            positions=golden[f"golden.{stored}.step_position_ids"][:, step : step + 1],
            attention_mask=mask,
            cache=cache,
        )
        close(logits[:, -1], golden[f"golden.{stored}.step_logits"][:, step])


def test_cache_holds_rotated_unrepeated_keys(
    golden: dict[str, Tensor], model: CogVLM2ForCausalLM
) -> None:
    cache = KVCache(model.config.num_hidden_layers)
    model(
        golden["golden.a.input_ids"],
        golden["golden.a.token_type_ids"],
        pixels=golden["golden.image.0.pixels"],
        cache=cache,
    )
    for layer in range(model.config.num_hidden_layers):
        nothing = golden["golden.b.prefill_cache.0.key"][:, :, :0]
        key, value = cache.append(layer, nothing, nothing)
        close(key, golden[f"golden.b.prefill_cache.{layer}.key"])
        close(value, golden[f"golden.b.prefill_cache.{layer}.value"])


def test_fork_leaves_the_original_cache_alone(model: CogVLM2ForCausalLM) -> None:
    cache = KVCache(model.config.num_hidden_layers)
    model(torch.tensor([[1, 2, 3]]), cache=cache)
    first = model(torch.tensor([[5]]), positions=torch.tensor([[3]]), cache=cache.fork())
    model(torch.tensor([[9, 9]]), positions=torch.tensor([[3, 4]]), cache=cache.fork())
    again = model(torch.tensor([[5]]), positions=torch.tensor([[3]]), cache=cache.fork())
    assert cache.length == 3
    assert torch.equal(first, again)


def test_rotary_table_in_float32(golden: dict[str, Tensor], model: CogVLM2ForCausalLM) -> None:
    rotary = model.model.layers[0].self_attn.rotary_emb
    cos, sin = rotary(torch.arange(64)[None])
    half = cos.shape[-1] // 2
    close(cos[0, 0, :, :half], golden["golden.rope.cos"])
    close(sin[0, 0, :, half:], golden["golden.rope.sin"])


def test_prompt_texts(description: dict) -> None:
    for case in ("a", "c"):
        prompt = description["prompts"][case]
        assert build_prompt(prompt["query"]) == description["prompt_texts"][case]
    assert build_prompt("Why?", [("What?", "A cup.")], "vqa") == (
        "Question: What? Short answer: A cup.\nQuestion: Why? Short answer:"
    )
    assert build_prompt("Why?", [("What?", "A cup.")], "base") == "Why?"
    with pytest.raises(PromptError, match="template"):
        build_prompt("Why?", template="poem")
