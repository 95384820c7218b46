"""A small LLaMA folder whose shapes every reader's kernels accept."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scripts.letters import letter_tokenizer


@pytest.fixture(scope="session")
def small_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaMA folder of two layers, float32; in_features are multiples of 128."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("small-llama")
    config = LlamaConfig(
        vocab_size=128,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    # Rows with nothing below zero: their zero-points would be 0, which v1 files have no room for.
    model.model.layers[0].self_attn.q_proj.weight.data[:8].abs_()
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    raw = config.to_dict() | {"architectures": ["LlamaForCausalLM"], "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(raw))
    (folder / "generation_config.json").write_text("{}")
    letter_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": "<s>",
                "eos_token": "</s>",
                "unk_token": "<unk>",
                "pad_token": "</s>",
            }
        )
    )
    return folder


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred short documents of seeded words, about 20 000 tokens."""
    words = ["sun", "moon", "cat", "runs", "over", "Blue", "tree", "9", "sings."]
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(words), (200, 25), generator=generator).tolist()
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("<|endoftext|>".join(" ".join(words[i] for i in row) for row in drawn))
    return path
