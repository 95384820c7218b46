"""The likeliest of allowed answers, held against every answer computed by itself."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from models import copying
from models.copying import HeldText, can_follow_several, likeliest, read_on
from models.errors import CheckpointError
from tests.models.gguf_made import tiny

END, STOP = 7, 8
PROMPT = [(5 * n) % 250 + 20 for n in range(11)]


@dataclass(frozen=True)
class Listed:
    """Some sequences of tokens, any of which is an answer."""

    sequences: tuple[tuple[int, ...], ...]

    def begin(self) -> tuple[int, ...]:
        return ()

    def following(self, written: tuple[int, ...]) -> Mapping[int, tuple[int, ...]]:
        size = len(written)
        longer = (each for each in self.sequences if each[:size] == written and len(each) > size)
        return {each[size]: each[: size + 1] for each in longer}

    def is_whole(self, written: tuple[int, ...]) -> bool:
        return written in self.sequences


ANSWERS = Listed(
    ((30,), (30, 31), (30, 31, 32), (30, 40), (50, 51, 52, 53), (60, 61), (60, 62), (70,))
)


def by_itself(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> float:
    """The logarithm of an answer's probability: one pass over all of it, nothing held."""
    ids = torch.tensor([[*prompt, *answer]])
    with torch.inference_mode():
        sure = model(input_ids=ids).logits[0].float().log_softmax(-1)
    first = len(prompt) - 1
    written = sum(float(sure[first + n, token]) for n, token in enumerate(answer))
    last = sure[first + len(answer)]
    return written + math.log(math.exp(float(last[END])) + math.exp(float(last[STOP])))


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3"])
def model(request: pytest.FixtureRequest) -> Any:
    return tiny(request.param).float().eval()


def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "BEAMS", 100)
    monkeypatch.setattr(copying, "HOPELESS", math.inf)


def test_each_answer_is_as_likely_as_when_it_is_computed_alone(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(monkeypatch)
    held = HeldText()
    found = likeliest(model, held, PROMPT, ANSWERS, {END, STOP}, most_tokens=9)
    assert {each.written for each in found} == set(ANSWERS.sequences)
    for each in found:
        assert each.logarithm == pytest.approx(by_itself(model, PROMPT, each.written), abs=1e-3)
    logarithms = [each.logarithm for each in found]
    assert logarithms == sorted(logarithms, reverse=True)


def test_a_few_beginnings_lead_to_the_likeliest(model: Any) -> None:
    found = likeliest(model, HeldText(), PROMPT, ANSWERS, {END, STOP}, most_tokens=9)
    best = max(ANSWERS.sequences, key=lambda each: by_itself(model, PROMPT, each))
    # The model is random: what is found first is the best, or as good as that.
    assert found[0].logarithm >= by_itself(model, PROMPT, best) - copying.HOPELESS
    assert set(each.written for each in found) <= set(ANSWERS.sequences)


def test_the_next_question_finds_the_text_as_it_was(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(monkeypatch)
    held, other = HeldText(), [*PROMPT[:6], 99, 98]
    computed: list[int] = []
    hook = model.register_forward_pre_hook(
        lambda module, args, kwargs: computed.append(kwargs["input_ids"].shape[1]),
        with_kwargs=True,
    )
    likeliest(model, held, PROMPT, ANSWERS, {END, STOP}, most_tokens=9)
    assert held.ids == PROMPT and held.cache.get_seq_length() == len(PROMPT)
    computed.clear()
    found = likeliest(model, held, other, ANSWERS, {END, STOP}, most_tokens=9)
    hook.remove()
    assert computed[0] == 2  # of eight, six were held
    for each in found:
        assert each.logarithm == pytest.approx(by_itself(model, other, each.written), abs=1e-3)


def test_reading_stops_between_two_pieces_and_goes_on_there(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PIECE_TOKENS", 4)
    held, asked = HeldText(), itertools.count()
    assert read_on(model, held, PROMPT, lambda: next(asked) >= 2) is None
    assert held.ids == PROMPT[:8] and held.cache.get_seq_length() == 8
    logits = read_on(model, held, PROMPT)
    assert logits is not None and held.ids == PROMPT
    with torch.inference_mode():
        whole = model(input_ids=torch.tensor([PROMPT])).logits[0, -1]
    assert torch.allclose(logits, whole, atol=1e-4)


def test_giving_up_stops_before_the_next_token(model: Any) -> None:
    passes: list[int] = []
    hook = model.register_forward_pre_hook(lambda module, args: passes.append(1))
    held = HeldText()
    found = likeliest(
        model, held, PROMPT, ANSWERS, {END}, most_tokens=9, cancelled=lambda: len(passes) >= 2
    )
    hook.remove()
    assert found == [] and len(passes) == 2
    assert held.ids == PROMPT and held.cache.get_seq_length() == len(PROMPT)


def test_no_answer_is_longer_than_allowed(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    everything(monkeypatch)
    found = likeliest(model, HeldText(), PROMPT, ANSWERS, {END}, most_tokens=2)
    assert max(len(each.written) for each in found) == 2
    assert likeliest(model, HeldText(), PROMPT, Listed(()), {END}, most_tokens=2) == []


def test_a_model_without_numbers_is_an_error() -> None:
    broken = tiny().float().eval()
    with torch.no_grad():
        broken.model.norm.weight.fill_(math.nan)
    with pytest.raises(CheckpointError):
        likeliest(broken, HeldText(), PROMPT, ANSWERS, {END}, most_tokens=9)


def test_layers_that_forget_cannot_follow_several() -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, use_sliding_window=True, sliding_window=4,
        max_window_layers=1,
    )  # fmt: skip
    assert not can_follow_several(Qwen2ForCausalLM(config))
    assert can_follow_several(tiny())
