"""OPT, Qwen2 and Qwen3 from the published files to a perplexity, through the command line alone."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import pre_tokenizers
from torch import nn
from torch.nn import functional

from models.files.checkpoint import CheckpointReader
from models.int4.packing import TENSOR_NAMES, unpack
from models.loading import load_model
from quantizer.cli import main

SHARED = {
    "vocab_size": 272,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 48,
}
OPT = SHARED | {"model_type": "opt", "ffn_dim": 48, "bos_token_id": 2, "eos_token_id": 2}
QWEN3 = SHARED | {
    "model_type": "qwen3",
    "intermediate_size": 48,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "bos_token_id": 262,
    "eos_token_id": 262,
}
QWEN2 = {name: value for name, value in QWEN3.items() if name != "head_dim"} | {
    "model_type": "qwen2"
}
VARIANTS: dict[str, dict[str, Any]] = {
    "opt": OPT,
    "opt-350m": OPT | {"do_layer_norm_before": False, "word_embed_proj_dim": 16},
    "qwen3": QWEN3 | {"tie_word_embeddings": False},
    "qwen2-tied": QWEN2 | {"tie_word_embeddings": True},
    "qwen3-tied": QWEN3 | {"tie_word_embeddings": True},
}
MERGES = (("s", "u"), ("su", "n"), ("Ġ", "sun"), ("c", "a"), ("ca", "t"), ("Ġ", "cat"))
SPECIALS = {"opt": ["<s>", "<pad>", "</s>", "<unk>"], "qwen2": [], "qwen3": []}
TOKENIZER_CONFIG = {
    "opt": {
        "tokenizer_class": "GPT2Tokenizer",
        "bos_token": "</s>",
        "eos_token": "</s>",
        "unk_token": "</s>",
        "pad_token": "<pad>",
    },
    "qwen2": {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "add_bos_token": False},
    "qwen3": {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "add_bos_token": False},
}


def make_folder(folder: Path, variant: str) -> Path:
    """Write a random model and its tokenizer with the files that the publishers give."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(5)
    config = VARIANTS[variant]
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    model.save_pretrained(folder)
    kind = config["model_type"]
    pieces = [*SPECIALS[kind], *sorted(pre_tokenizers.ByteLevel.alphabet())]
    pieces += ["".join(pair) for pair in MERGES]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in MERGES)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG[kind]))
    return folder


def expected_ids(folder: Path, text_file: Path, kind: str) -> torch.Tensor:
    """Tokenize with transformers and mark the documents as each model's training did."""
    from transformers import GPT2Tokenizer, Qwen2Tokenizer

    documents = text_file.read_text().split("<|endoftext|>")
    opt = kind == "opt"
    tokenizer: Any = (GPT2Tokenizer if opt else Qwen2Tokenizer).from_pretrained(folder)
    ids: list[int] = []
    for document in documents:
        own = tokenizer(document, add_special_tokens=False)["input_ids"]
        ids += [2, *own] if opt else [*own, tokenizer.convert_tokens_to_ids("<|endoftext|>")]
    return torch.tensor(ids)


def oracle_of(source: Path, out: Path) -> nn.Module:
    """Transformers' own model with the weights that the written codes stand for."""
    from transformers import AutoModelForCausalLM

    model: nn.Module = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    reader = CheckpointReader(out)
    for name in [n.removesuffix(".qweight") for n in reader.names() if n.endswith(".qweight")]:
        parts = {part: reader.read(f"{name}.{part}") for part in TENSOR_NAMES}
        weight = unpack(parts, bits=4, group_size=16).dequantize()
        model.get_submodule(name).weight.data = weight
    return model


@torch.no_grad()
def perplexity_of(model: Callable[..., Any], ids: torch.Tensor, length: int) -> float:
    windows = ids[: len(ids) // length * length].view(-1, length)
    losses = [
        functional.cross_entropy(model(window[None]).logits[0, :-1], window[1:])
        for window in windows
    ]
    return math.exp(float(torch.stack(losses).mean()))


@pytest.mark.parametrize("variant", VARIANTS)
def test_from_the_published_files_to_a_perplexity(
    tmp_path: Path, text_file: Path, variant: str
) -> None:
    source = make_folder(tmp_path / "source", variant)
    out, result = tmp_path / "out", tmp_path / "result.json"
    argv = ["run", source, "--out", out, "--group-size", 16, "--calibration", text_file]
    assert main([str(part) for part in [*argv, "--samples", 12]]) == 0
    kind = VARIANTS[variant]["model_type"]
    report = json.loads((out / "report.json").read_text())
    assert report["totals"]["modules"] == 2 * (6 if kind == "opt" else 7)
    assert report["totals"]["mean_j_ratio"] < 0.9
    assert {module["tokens"] for module in report["modules"]} == {11 * 48}
    assert {"vocab.json", "merges.txt", "tokenizer_config.json"} <= {p.name for p in out.iterdir()}

    oracle = oracle_of(source, out)
    loaded = load_model(out, dtype=torch.float32)
    assert loaded.family == kind
    window = torch.arange(4, 44)[None]
    with torch.no_grad():
        torch.testing.assert_close(
            loaded.model(window).logits, oracle(window).logits, rtol=0, atol=2e-3
        )
    evaluate = ["eval", out, "--task", "perplexity", "--data", text_file, "--json", result]
    assert main([str(part) for part in [*evaluate, "--limit", 12]]) == 0
    ids = expected_ids(source, text_file, kind)[: 12 * 48]
    found = json.loads(result.read_text())
    assert found["items"] == 12
    assert found["value"] == pytest.approx(perplexity_of(oracle, ids, 48), rel=1e-3)


def test_a_model_with_pickles_alone_is_refused_with_the_way_out(
    tmp_path: Path, text_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_folder(tmp_path / "source", "opt")
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    capsys.readouterr()  # what transformers says while it writes
    argv = ["run", source, "--out", tmp_path / "out", "--calibration", text_file]
    assert main([str(part) for part in argv]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "only as pickles (pytorch_model.bin)" in line and "save_pretrained" in line


def test_calibration_text_in_an_unknown_language_is_refused(
    tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("лес шумит, река течёт\n\n" * 40)
    for command in (
        ["run", tiny_llama, "--out", tmp_path / "out", "--calibration", text],
        ["eval", tiny_llama, "--task", "perplexity", "--data", text],
    ):
        assert main([str(part) for part in command]) == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert f"{text}: the text is unknown to the model's tokenizer (81% of" in line
    assert not (tmp_path / "out").exists()
