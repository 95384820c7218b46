"""llama.cpp itself loads exported files and computes what we compute.

scripts/build_llama_server builds it; without it all is skipped. scripts/bench_llama_cpp.py does
the same with a real model and writes figures.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, pre_tokenizers

from models.loading import load_model
from quantizer.cli import main
from quantizer.importing.folder import import_gguf
from scripts.bench_llama_cpp import (
    PYTHON,
    TEXTS,
    asked_of_llama_cpp,
    compared,
    our_logits,
    rounded_inputs,
)
from tests.models.gguf_made import TEMPLATE, tiny, write_gguf
from tests.quantizer.exporting.test_tokens import (
    LLAMA_3,
    QWEN_2,
    byte_level,
    sentencepiece,
    split,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON.is_file(),
        reason="there is no llama.cpp; scripts/build_llama_server builds it",
    ),
]

WINDOW = torch.randint(3, 290, (300,), generator=torch.Generator().manual_seed(1)).tolist()
LLAMA_3_1 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}


def folder_of(out: Path, architecture: str, **values: Any) -> Path:
    """A random model as a folder, its config.json changed."""
    import_gguf(write_gguf(out.with_suffix(".made.gguf"), tiny(architecture)), out)
    config = json.loads((out / "config.json").read_text()) | values
    (out / "config.json").write_text(json.dumps(config))
    return out


def both(folder: Path, room: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Our logits and llama.cpp's for one window."""
    assert main(["export", str(folder), str(room / "out.gguf")]) == 0
    found = asked_of_llama_cpp(room / "out.gguf", {"windows": [WINDOW]}, room)
    (ours,) = our_logits(load_model(folder, dtype=torch.float32).model, [WINDOW])
    return ours, torch.from_numpy(found["logits_0"])


@pytest.mark.parametrize(
    ("architecture", "scaling"),
    [
        ("llama", None),
        ("llama", LLAMA_3_1),
        ("llama", {"rope_type": "linear", "factor": 4.0}),
        ("qwen2", None),
        ("qwen3", None),
        ("qwen3", YARN),
    ],
)
def test_the_architecture_is_the_same(
    architecture: str, scaling: dict[str, Any] | None, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "model", architecture, rope_scaling=scaling)
    ours, theirs = both(folder, tmp_path)
    # Weights and activations are float16 there; another rotation would be another distribution.
    found = compared([ours], [theirs], [WINDOW])
    assert found["kl_mean"] < 1e-3 and found["top1_equal"] > 0.97, found
    other = folder_of(tmp_path / "other", architecture, rope_theta=20000.0)
    wrong = our_logits(load_model(other, dtype=torch.float32).model, [WINDOW])
    assert compared(wrong, [theirs], [WINDOW])["kl_mean"] > 20 * found["kl_mean"]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("options", [("4",), ("4", "--sym"), ("8", "--sym")])
def test_quantized_layers_are_the_same(
    architecture: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "model", architecture)
    out = tmp_path / "small"
    run = ["run", str(folder), "--out", str(out), "--method", "rtn", "--group-size", "64"]
    assert main([*run, "--bits", *options]) == 0
    ours, theirs = both(out, tmp_path)
    found = compared([ours], [theirs], [WINDOW])
    # llama.cpp rounds the inputs of such layers to 8 bits; what that alone does to us is the bar.
    model = load_model(out, dtype=torch.float32).model
    with rounded_inputs(model):
        bar = compared([ours], our_logits(model, [WINDOW]), [WINDOW])
    assert found["kl_mean"] < 2 * bar["kl_mean"] and found["top1_equal"] > 0.8, (found, bar)


@pytest.mark.parametrize(("architecture", "bits"), [("llama", 8), ("qwen3", 4), ("llama", 4)])
def test_an_embedding_in_fewer_bits_is_read(architecture: str, bits: int, tmp_path: Path) -> None:
    model = tiny(architecture, tied=architecture == "llama")
    import_gguf(write_gguf(tmp_path / "made.gguf", model), tmp_path / "model")
    path = tmp_path / "out.gguf"
    asked = ["export", str(tmp_path / "model"), str(path), "--embedding-bits", str(bits)]
    assert main(asked) == 0
    theirs = asked_of_llama_cpp(path, {"windows": [WINDOW]}, tmp_path)["logits_0"]
    import_gguf(path, tmp_path / "back", dtype=torch.float32)
    back = load_model(tmp_path / "back", dtype=torch.float32).model
    ours = our_logits(back, [WINDOW])
    with rounded_inputs(back, torch.nn.Linear):
        bar = compared(ours, our_logits(back, [WINDOW]), [WINDOW])
    found = compared(ours, [torch.from_numpy(theirs)], [WINDOW])
    assert found["kl_mean"] < bar["kl_mean"] and found["top1_equal"] > 0.9, (found, bar)


@pytest.mark.parametrize(
    "make",
    [
        byte_level,
        lambda: byte_level(pre_tokenizers.Digits(individual_digits=True)),
        lambda: byte_level(split(LLAMA_3), own_split=False, whole=True),
        lambda: byte_level(split(QWEN_2), own_split=False),
        sentencepiece,
    ],
)
def test_texts_become_the_same_ids(make: Callable[[], Tokenizer], tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "llama", bos_token_id=1, eos_token_id=2)
    tokenizer = make()
    assert tokenizer.get_vocab_size() <= 300
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").unlink()
    assert main(["export", str(folder), str(tmp_path / "out.gguf")]) == 0
    texts = [*TEXTS, "the then in  it", "12345 1984", "", "<s>the</s> in<|im_end|> the"]
    found = asked_of_llama_cpp(tmp_path / "out.gguf", {"texts": texts}, tmp_path)
    for number, text in enumerate(texts):
        assert found[f"texts_{number}"].tolist() == tokenizer.encode(text).ids, text
    assert str(found["template"]) == TEMPLATE
