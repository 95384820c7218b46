"""Layer problems that the numerical tests share."""

from collections.abc import Callable

import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from torch import Tensor

from quantizer.gptq import LayerProblem

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
    """One token per printable character; ids 0 to 2 are <unk>, <s> and </s>."""
    characters = [chr(code) for code in range(32, 127)] + ["\n"]
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocabulary |= {character: 3 + index for index, character in enumerate(characters)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return tokenizer
