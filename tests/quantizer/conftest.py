"""Layer problems, tiny model folders and tiny data that the tests share."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, processors
from torch import Tensor

from models.cogvlm2.model import CogVLM2ForCausalLM
from models.files.checkpoint import ShardWriter, write_json
from quantizer.solvers.gptq import LayerProblem
from scripts.letters import letter_tokenizer as made_of_letters
from tests.small_cogvlm2 import small_config

MakeProblem = Callable[..., LayerProblem]


def _make(
    out_features: int,
    in_features: int,
    *,
    tokens: int = 400,
    dead: tuple[int, ...] = (),
    seed: int = 0,
) -> LayerProblem:
    generator = torch.Generator().manual_seed(seed)
    spread = torch.rand(in_features, generator=generator).mul(3).exp()
    mixing = torch.eye(in_features) + 0.4 * torch.randn(
        in_features, in_features, generator=generator
    )
    inputs: Tensor = torch.randn(tokens, in_features, generator=generator) @ mixing * spread
    inputs[:, list(dead)] = 0
    weight = torch.randn(out_features, in_features, generator=generator) * 0.1
    return LayerProblem(weight, inputs.T @ inputs / tokens, tokens)


@pytest.fixture
def make_problem() -> MakeProblem:
    """Build a seeded layer with correlated inputs of very different size per column."""
    return _make


@pytest.fixture(scope="session")
def letter_tokenizer() -> Tokenizer:
    """One token per printable character; ids 0 to 2 are <unk>, <s> and </s>; <s> starts a text."""
    tokenizer = made_of_letters()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory, letter_tokenizer: Tokenizer) -> Path:
    """A LLaMA folder of two layers with random bf16 weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny-llama")
    config = LlamaConfig(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    tensors = {name: value.to(torch.bfloat16) for name, value in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    raw = config.to_dict() | {"architectures": ["LlamaForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(raw))
    letter_tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "generation_config.json").write_text("{}")
    (folder / "LICENSE").write_text("free")
    (folder / "README.md").write_text("how to use it")
    for measured in ("skills.json", "CARD.md"):
        (folder / measured).write_text('{"accuracy": 1}')
    (folder / "notes.bin").write_bytes(b"not ours to copy")
    return folder


@pytest.fixture(scope="session")
def make_llama(letter_tokenizer: Tokenizer) -> Callable[..., Path]:
    """Write a LLaMA folder of a given size with random bf16 weights."""

    def write(
        folder: Path, hidden: int, wide: int, layers: int, *, words: int = 99, tied: bool = False
    ) -> Path:
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(
            vocab_size=words,
            hidden_size=hidden,
            intermediate_size=wide,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 64,
            max_position_embeddings=256,
            bos_token_id=1,
            eos_token_id=2,
            tie_word_embeddings=tied,
        )
        with torch.device("meta"):
            shapes = LlamaForCausalLM(config).state_dict()
        generator = torch.Generator().manual_seed(0)
        with ShardWriter(folder) as writer:
            for name, tensor in shapes.items():
                if tied and name == "lm_head.weight":
                    continue
                values = torch.ones(tensor.shape)
                if tensor.dim() == 2:
                    values = torch.randn(tensor.shape, generator=generator)
                    values *= tensor.shape[1] ** -0.5
                writer.add(name, values.to(torch.bfloat16))
        raw = config.to_dict() | {"architectures": ["LlamaForCausalLM"]}
        write_json(folder / "config.json", raw)
        letter_tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return write


@pytest.fixture(scope="session")
def tiny_cogvlm2(tmp_path_factory: pytest.TempPathFactory, letter_tokenizer: Tokenizer) -> Path:
    """A CogVLM2 folder with random weights: a picture takes 6 places in the prompt."""
    folder = tmp_path_factory.mktemp("tiny-cogvlm2")
    config = small_config()
    torch.manual_seed(0)
    model = CogVLM2ForCausalLM(config)
    tensors = {
        name: value.detach().clone()
        for name, value in model.state_dict().items()
        if not name.endswith("inv_freq")
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    letter_tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve noisy pictures with two questions each."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    lines = []
    for n in range(12):
        pixels = generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{n:02d}.png")
        for question, skill in (("What colour?", "colour"), ("How many dots?", "count")):
            lines.append(
                {
                    "picture": f"{n:02d}.png",
                    "question": question,
                    "answer": f"{n} {skill}",
                    "skill": skill,
                }
            )
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty short documents of seeded words."""
    generator = np.random.default_rng(0)
    words = ["sun", "moon", "cat", "runs", "over", "Blue", "tree", "9", "sings."]
    documents = [" ".join(generator.choice(words, 30)) for _ in range(40)]
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("<|endoftext|>".join(documents))
    return path
