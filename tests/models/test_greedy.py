"""One token after the other: what is picked, and what is kept, against the plain ways."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.cogvlm2.decoder import KVCache
from models.cogvlm2.model import causal_mask
from models.errors import CheckpointError
from models.generate import PIECE_TOKENS, greedy_tokens
from models.greedy import pick
from models.image_text.decoder import KeptStates
from models.text.growing_cache import growing_cache


def test_the_likeliest_token_and_its_probability() -> None:
    logits = torch.randn(128_256, generator=torch.Generator().manual_seed(1)) * 3
    logits[128_255] = 40.0  # the largest number of all, which must come back exactly
    picked = pick(logits)
    share = 1 / sum(2.718281828459045 ** (value - 40.0) for value in logits.tolist())
    assert (picked.id, picked.fed.tolist()) == (128_255, [[128_255]])
    assert picked.probability == pytest.approx(share, rel=1e-5)
    assert pick(logits.bfloat16()).id == 128_255


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_logit_that_is_no_number_is_refused_wherever_it_is(bad: float) -> None:
    logits = torch.zeros(50)
    logits[7] = bad
    with pytest.raises(CheckpointError, match="computes NaN or infinity"):
        pick(logits)


def rows(seed: int, tokens: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, tokens, 4, generator=generator) for _ in range(2))  # type: ignore[return-value]


def test_kept_states_are_all_that_came_in_order_and_forks_go_their_own_ways() -> None:
    kept, parts = KeptStates(), [rows(1, 5), rows(2, 300), rows(3, 1)]
    for part in parts:
        key, value = kept.extend(0, *part)
    assert torch.equal(key, torch.cat([part[0] for part in parts], 1))
    assert torch.equal(value, torch.cat([part[1] for part in parts], 1))
    before = (key.clone(), value.clone())
    one, other = kept.fork(), kept.fork()
    ends = [rows(4, 2), rows(5, 2)]
    for fork, end in zip((one, other, kept), (*ends, ends[0]), strict=True):
        whole = fork.extend(0, *end)
        for all_of_it, first, last in zip(whole, before, end, strict=True):
            assert torch.equal(all_of_it, torch.cat((first, last), 1))
    assert one.length == other.length == 308


def test_a_new_token_copies_nothing_that_is_kept() -> None:
    kept = KeptStates()
    kept.extend(0, *rows(1, 5))
    kept.extend(0, *rows(2, 1))
    place = kept.extend(0, *rows(3, 1))[0].data_ptr()
    assert all(kept.extend(0, *rows(seed, 1))[0].data_ptr() == place for seed in range(100))


def test_one_new_token_needs_no_mask_and_several_do() -> None:
    x = torch.zeros(1, 1, 4)
    assert causal_mask(x, 7, None) is None and causal_mask(x.expand(1, 3, 4), 0, None) is None
    several = causal_mask(x.expand(1, 3, 4), 2, None)
    assert several is not None and several.shape == (1, 1, 3, 5)
    padded = causal_mask(x, 3, torch.tensor([[0, 1, 1, 1]]))
    assert padded is not None and padded.tolist() == [[[[False, True, True, True]]]]


@pytest.fixture(scope="module")
def llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=90, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model


@pytest.mark.parametrize("length", [3, PIECE_TOKENS + 40])
def test_a_text_goes_on_as_with_the_cache_of_transformers(llama: Any, length: int) -> None:
    """Bit for bit, in the same portions; transformers joins all that is kept anew each time."""
    ids = torch.randint(0, 90, (1, length), generator=torch.Generator().manual_seed(2))
    from transformers.cache_utils import DynamicCache

    past, expected, logits = DynamicCache(config=llama.config), [], []
    pieces = list(ids.split(PIECE_TOKENS, dim=1))
    for _ in range(20):
        for piece in pieces:
            out = llama(input_ids=piece, past_key_values=past, use_cache=True)
        logits.append(out.logits[0, -1])
        expected.append(int(logits[-1].argmax()))
        pieces = [torch.tensor([[expected[-1]]])]
    assert len(set(expected)) > 5
    assert list(greedy_tokens(llama, ids, 20)) == expected
    cache = growing_cache(llama.config)
    fed = [*ids.split(PIECE_TOKENS, dim=1), *(torch.tensor([[token]]) for token in expected[:-1])]
    places = []
    for piece in fed:
        out = llama(input_ids=piece, past_key_values=cache, use_cache=True)
        places.append(cache.layers[0].keys.data_ptr())
    assert torch.equal(out.logits[0, -1], logits[-1])
    assert len(set(places[2:])) == 1, "what is kept was copied"


def test_keys_and_values_of_a_picture_stay_in_their_place() -> None:
    cache = KVCache(1)
    part = torch.zeros(1, 2, 9, 4)
    cache.append(0, part, part)
    place = cache.append(0, part[:, :, :1], part[:, :, :1])[0].data_ptr()
    again = cache.append(0, part[:, :, :1], part[:, :, :1])[0]
    assert again.data_ptr() == place and again.shape[2] == 11
