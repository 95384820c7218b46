"""CogVLM2 against the published tensor list and the outputs of the upstream code."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.cogvlm2 import CogVLM2Config, CogVLM2ForCausalLM
from models.cogvlm2.decoder import KVCache
from models.cogvlm2.processing import build_prompt
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


def test_unpadded_prompt_needs_no_mask(
    golden: dict[str, Tensor], model: CogVLM2ForCausalLM
) -> None:
    logits = model(
        golden["golden.a.input_ids"],
        golden["golden.a.token_type_ids"],
        pixels=golden["golden.image.0.pixels"],
    )
    close(logits, golden["golden.a.logits"])


def test_fork_leaves_the_original_cache_alone(model: CogVLM2ForCausalLM) -> None:
    cache = KVCache(model.config.num_hidden_layers)
    model(torch.tensor([[1, 2, 3]]), cache=cache)
    first = model(torch.tensor([[5]]), positions=torch.tensor([[3]]), cache=cache.fork())
    model(torch.tensor([[9, 9]]), positions=torch.tensor([[3, 4]]), cache=cache.fork())
    again = model(torch.tensor([[5]]), positions=torch.tensor([[3]]), cache=cache.fork())
    assert cache.length == 3
    assert torch.equal(first, again)


def test_forks_that_go_on_in_turns_do_not_write_into_each_other(
    model: CogVLM2ForCausalLM,
) -> None:
    def go_on(cache: KVCache, token: int, position: int) -> Tensor:
        positions = torch.tensor([[position]])
        logits: Tensor = model(torch.tensor([[token]]), positions=positions, cache=cache)
        return logits

    cache = KVCache(model.config.num_hidden_layers)
    model(torch.tensor([[1, 2, 3]]), cache=cache)
    alone = cache.fork()
    expected = [go_on(alone, token, 3 + step) for step, token in enumerate((5, 7, 4))]
    one, other = cache.fork(), cache.fork()
    for step, (token, foreign) in enumerate(((5, 9), (7, 8), (4, 6))):
        assert torch.equal(go_on(one, token, 3 + step), expected[step])
        go_on(other, foreign, 3 + step)
    # Without a cache nothing can be shared.
    whole = model(torch.tensor([[1, 2, 3, 5, 7, 4]]))[:, -1:]
    torch.testing.assert_close(expected[-1], whole, rtol=1e-4, atol=1e-5)


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
