"""Perplexity by both protocols on a model whose probabilities are known, and in batches."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, processors
from torch import Tensor, nn

from models.loading import LoadedModel, load_model
from quantizer.errors import DataError, SettingsError
from quantizer.evaluate.perplexity import pack_blocks, perplexity
from quantizer.evaluate.scoring import batch_size_for, row_losses

# Bits of each letter after another, and after the start of a document.
BITS = {
    ("<s>", "a"): 3,
    ("<s>", "b"): 5,
    ("a", "b"): 1,
    ("a", "a"): 1,
    ("b", "a"): 2,
    ("b", "b"): 4,
}


WITHOUT_BOS = processors.TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])


class LetterPairs(nn.Module):
    """The next letter's probability depends on the letter before alone, as `BITS` says."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.config = SimpleNamespace(
            vocab_size=99, max_position_embeddings=4096, bos_token_id=1, eos_token_id=2
        )
        table = torch.zeros(99, 99)
        for (before, after), bits in BITS.items():
            table[tokenizer.token_to_id(before), tokenizer.token_to_id(after)] = 2.0**-bits
        rest = (1 - table.sum(1, keepdim=True)) / (table == 0).sum(1, keepdim=True)
        self.table = nn.Parameter(torch.where(table == 0, rest, table).log() + 7.0)
        self.batches: list[tuple[int, ...]] = []

    def forward(self, input_ids: Tensor, use_cache: bool) -> SimpleNamespace:
        """Return logits (B, T, 99), each row of them moved by a constant."""
        self.batches.append(tuple(input_ids.shape))
        return SimpleNamespace(logits=self.table[input_ids])


@pytest.fixture
def letter_pairs(letter_tokenizer: Tokenizer) -> LoadedModel:
    model = LetterPairs(letter_tokenizer).requires_grad_(False)
    own = Tokenizer.from_str(letter_tokenizer.to_str())  # a test adds to it
    return LoadedModel(model, own, "toy", None, Path("toy"))


def write(path: Path, *documents: str) -> Path:
    path.write_text("<|endoftext|>".join(documents))
    return path


def test_standard_by_hand(letter_pairs: LoadedModel, tmp_path: Path) -> None:
    # <s>abab is 3 + 1 + 2 + 1 bits, <s>bbaa is 5 + 4 + 2 + 1; a rest of 3 tokens is left out.
    text = write(tmp_path / "text.txt", "abab", "bbaa", "bb")
    result = perplexity(letter_pairs, text, seq_len=5)
    assert result["value"] == pytest.approx(2 ** ((7 + 12) / 8))
    assert result["losses"] == pytest.approx([7 / 4 * math.log(2), 12 / 4 * math.log(2)])
    assert (result["items"], result["tokens"], result["limit"]) == (2, 8, None)


def test_autogptq_by_hand(letter_pairs: LoadedModel, tmp_path: Path) -> None:
    """Short rows share a block; of rows of 1024 tokens two fill one; blocks count alike."""
    long = "a" * 1023
    text = write(tmp_path / "text.txt", long, "abab", long * 3, "a", long, "bb")
    result = perplexity(letter_pairs, text, protocol="autogptq")
    short = (3 + (5 + 4) + (3 + 1 + 2 + 1)) / (1 + 2 + 4)
    full = (3 + 1022) / 1023
    assert result["losses"] == pytest.approx(
        [short * math.log(2), full * math.log(2), full * math.log(2)]
    )
    assert result["value"] == pytest.approx(2 ** ((short + full + full) / 3))
    assert (result["items"], result["rows"], result["seq_len"]) == (3, 6, 1024)
    assert result["tokens"] == 7 + 3 * 1023

    first = perplexity(letter_pairs, text, protocol="autogptq", limit=2, seq_len=4)
    assert first["value"] == pytest.approx(2 ** ((3 + 1 + 1 + 3 + 1 + 2) / 6))
    assert (first["items"], first["rows"], first["limit"]) == (1, 2, 2)


def literal_blocks(lengths: list[int], most: int) -> list[list[int]]:
    """The rule word for word: sort; a block's size is rows times longest row; close it when
    the next row would make it larger than ``most``."""
    remaining = sorted((length, index) for index, length in enumerate(lengths))
    blocks = []
    while remaining:
        count = max(
            n
            for n in range(1, len(remaining) + 1)
            if n == 1 or n * max(length for length, _ in remaining[:n]) <= most
        )
        blocks.append([index for _, index in remaining[:count]])
        remaining = remaining[count:]
    return blocks


@pytest.mark.parametrize("seed", range(20))
def test_blocks_follow_the_documented_rule(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, 300, (60,), generator=generator).tolist()
    assert pack_blocks(lengths, 512) == literal_blocks(lengths, 512)


def test_a_row_longer_than_a_block_stands_alone() -> None:
    assert pack_blocks([5, 2, 9, 2], 4) == [[1, 3], [0], [2]]
    assert pack_blocks([]) == []


@pytest.mark.parametrize("protocol", ["standard", "autogptq"])
@pytest.mark.parametrize("folder", ["tiny_llama", "tiny_cogvlm2"])
def test_figures_do_not_depend_on_the_batch(
    folder: str, protocol: str, text_file: Path, request: pytest.FixtureRequest
) -> None:
    loaded = load_model(request.getfixturevalue(folder), dtype=torch.float32)
    documents = text_file.read_text().split("<|endoftext|>")[:12]
    ragged = write(text_file.parent / "ragged.txt", *(d[: 9 * n] for n, d in enumerate(documents)))
    alone, together = (
        perplexity(loaded, ragged, protocol=protocol, seq_len=50, batch_size=size)
        for size in (1, 5)
    )
    assert together["losses"] == pytest.approx(alone["losses"], abs=2e-6)
    assert together["value"] == pytest.approx(alone["value"], rel=1e-6)
    assert together["items_sha256"] == alone["items_sha256"]


@pytest.mark.parametrize("name", ["OPT", "Qwen3"])
def test_rows_of_other_families_do_not_depend_on_the_batch(
    name: str, letter_tokenizer: Tokenizer
) -> None:
    """Oracle: transformers' own loss on each row alone."""
    loaded = LoadedModel(small(name), letter_tokenizer, name.lower(), None, Path(name))
    generator = torch.Generator().manual_seed(1)
    rows = [torch.randint(3, 99, (n,), generator=generator) for n in (7, 2, 30, 16)]
    expected = [
        float(loaded.model(row[None], labels=row[None]).loss) * (len(row) - 1) for row in rows
    ]
    for size in (None, 1, 3):
        assert row_losses(loaded, rows, batch_size=size).tolist() == pytest.approx(
            expected, rel=1e-5
        )


def small(name: str) -> Any:
    import transformers

    shared = {
        "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": 160, "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1,
    }  # fmt: skip
    own: dict[str, dict[str, Any]] = {
        "OPT": {"ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.2},
        "Qwen3": {
            "intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8,
            "initializer_range": 0.2,
        },
    }  # fmt: skip
    config = getattr(transformers, f"{name}Config")(**shared, **own[name])
    torch.manual_seed(0)
    return getattr(transformers, f"{name}ForCausalLM")(config).eval().requires_grad_(False)


def test_batches_are_full_and_the_longest_comes_first(letter_pairs: LoadedModel) -> None:
    rows = [torch.ones(n, dtype=torch.int64) for n in (2, 9, 4, 5, 3)]
    seen = []
    row_losses(letter_pairs, rows, batch_size=2, on_progress=lambda *done: seen.append(done))
    assert letter_pairs.model.batches == [(2, 9), (2, 4), (1, 2)]
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_default_batch_keeps_logits_small(letter_pairs: LoadedModel) -> None:
    assert batch_size_for(letter_pairs, 64, None) == 32
    letter_pairs.model.config.vocab_size = 128256
    assert batch_size_for(letter_pairs, 100, None) == 5
    assert batch_size_for(letter_pairs, 2048, None) == 1
    assert batch_size_for(letter_pairs, 2048, 7) == 7


Call = Callable[[LoadedModel, Path], object]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m, t: perplexity(m, t, protocol="guess"), SettingsError, "standard or autogptq"),
        (lambda m, t: perplexity(m, t, batch_size=0), SettingsError, "batch_size 0"),
        (lambda m, t: perplexity(m, t, protocol="autogptq", seq_len=1), SettingsError, "2 to 4096"),
        (lambda m, t: perplexity(m, t.parent / "no.txt", protocol="autogptq"), DataError, "no.txt"),
    ],
)
def test_wrong_settings(
    call: Call, error: type[Exception], message: str, letter_pairs: LoadedModel, tmp_path: Path
) -> None:
    text = write(tmp_path / "text.txt", "abab")
    with pytest.raises(error, match=message):
        call(letter_pairs, text)


def test_a_document_needs_a_token_to_predict(letter_pairs: LoadedModel, tmp_path: Path) -> None:
    """Without BOS a document of one letter predicts nothing and is left out."""
    letter_pairs.model.config.bos_token_id = None
    letter_pairs.tokenizer.post_processor = WITHOUT_BOS
    letter_pairs.tokenizer.add_special_tokens(["<|endoftext|>"])
    text = write(tmp_path / "text.txt", "a", "ab", "b")
    result = perplexity(letter_pairs, text, protocol="autogptq")
    assert (result["rows"], result["value"]) == (1, pytest.approx(2.0))
    with pytest.raises(DataError, match="no document has a token to predict"):
        perplexity(letter_pairs, write(tmp_path / "short.txt", "a", "b"), protocol="autogptq")
