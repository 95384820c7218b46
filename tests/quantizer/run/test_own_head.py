"""A head that is stored with values of its own, though config.json says that it is tied.

Oracle: what transformers computes from the same folder.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig, OPTConfig, Qwen3Config

from models.loading import load_model
from quantizer.cli import main

IDS = torch.tensor([[1, 5, 9, 33]])


def of_transformers(folder: Path) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        return torch.as_tensor(model(input_ids=IDS).logits)


def of_ours(folder: Path) -> torch.Tensor:
    loaded = load_model(folder, dtype=torch.float32)
    return torch.as_tensor(loaded.model(input_ids=IDS, use_cache=False).logits)


SIZES = {
    "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
    "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
CONFIGS = {
    "llama": LlamaConfig(**SIZES, intermediate_size=48),
    "qwen3": Qwen3Config(**SIZES, intermediate_size=48, num_key_value_heads=2, head_dim=8),
    "opt": OPTConfig(**SIZES, ffn_dim=48, word_embed_proj_dim=32),
}


@pytest.fixture(params=CONFIGS)
def said_to_be_tied(
    request: pytest.FixtureRequest, tmp_path: Path, letter_tokenizer: Tokenizer
) -> Path:
    """A folder with a head of its own whose config.json says otherwise."""
    folder = tmp_path / "model"
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[request.param], dtype=torch.bfloat16)
    model.save_pretrained(folder)
    letter_tokenizer.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    tensors = load_file(folder / "model.safetensors")
    embedding = next(value for name, value in tensors.items() if "embed_tokens" in name)
    own = torch.randn(embedding.shape, generator=torch.Generator().manual_seed(5)) / 4
    tensors["lm_head.weight"] = own.to(torch.bfloat16)
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_the_stored_head_is_used(said_to_be_tied: Path) -> None:
    torch.testing.assert_close(of_ours(said_to_be_tied), of_transformers(said_to_be_tied))


def test_it_is_named_and_what_is_written_says_what_it_holds(
    said_to_be_tied: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "out"
    words = ["run", said_to_be_tied, "--out", out, "--method", "rtn", "--group-size", "16"]
    assert main([str(word) for word in words]) == 0
    assert "lm_head.weight is stored with other values" in caplog.text
    main(["inspect", str(said_to_be_tied)])
    assert "lm_head.weight is stored with other values" in capsys.readouterr().out
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is False
    (before,) = [load_file(said_to_be_tied / "model.safetensors")["lm_head.weight"]]
    assert torch.equal(load_file(out / "model.safetensors")["lm_head.weight"], before)


@pytest.mark.parametrize("more", [(), ("--bits", "4,3", "--walk-per-width")])
def test_a_comparison_names_it_once(
    more: tuple[str, ...],
    said_to_be_tied: Path,
    text_file: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = ["compare", said_to_be_tied, "--out", tmp_path / "out", "--methods", "rtn", *more]
    words += ["--calibration", text_file, "--data", text_file, "--samples", 2, "--seq-len", 16]
    words += ["--group-size", 16, "--eval-seq-len", 16, "--limit", 2]
    assert main([str(word) for word in words]) == 0
    assert caplog.text.count("lm_head.weight is stored with other values") == 1
    assert "is measured on and was calibrated on" in caplog.text
    report = (tmp_path / "out" / "report.md").read_text()
    assert report.count("lm_head.weight is stored with other values") == 1


def test_a_copy_of_the_embedding_stays_tied(said_to_be_tied: Path, tmp_path: Path) -> None:
    tensors = load_file(said_to_be_tied / "model.safetensors")
    embedding = next(value for name, value in tensors.items() if "embed_tokens" in name)
    tensors["lm_head.weight"] = embedding.clone()
    save_file(tensors, said_to_be_tied / "model.safetensors")
    torch.testing.assert_close(of_ours(said_to_be_tied), of_transformers(said_to_be_tied))
    module = load_model(said_to_be_tied).model
    assert module.lm_head.weight is module.get_input_embeddings().weight
