"""Greedy continuations of several prompts of one length at a time."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from models.cogvlm2.decoder import KVCache
from models.cogvlm2.model import CogVLM2ForCausalLM


def greedy_rows(model: nn.Module, ids: Tensor, max_new_tokens: int) -> list[list[int]]:
    """Continue each row of ids (B, T) by its likeliest tokens, up to a token that ends texts.

    Prompts of one length need no filling, so each row's continuation is what it would be alone.
    The end itself is left out.

    Raises:
        ValueError: a logit that decides is not finite.
    """
    ends = _end_ids(model)
    rows: list[list[int]] = [[] for _ in ids]
    open_rows = set(range(len(ids)))
    for best in _steps(model, ids, max_new_tokens):
        for index in sorted(open_rows):
            if int(best[index]) in ends:
                open_rows.remove(index)
            else:
                rows[index].append(int(best[index]))
        if not open_rows:
            break
    return rows


def _steps(model: nn.Module, ids: Tensor, count: int) -> Iterator[Tensor]:
    """Yield the likeliest next tokens (B,) again and again, each step fed with the last."""
    step = _CogVLM2Step(model) if isinstance(model, CogVLM2ForCausalLM) else _Step(model)
    fed = ids
    for _ in range(count):
        with torch.inference_mode():
            largest, best = step(fed).max(-1)
        if not bool(largest.isfinite().all()):
            raise ValueError("the model computes no numbers")
        yield best
        fed = best[:, None]


class _Step:
    """One step of a text model of transformers, which keeps keys and values itself."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._past: Any = None

    def __call__(self, ids: Tensor) -> Tensor:
        """Feed ids (B, T); return the logits (B, vocabulary) after them."""
        out = self._model(
            input_ids=ids, past_key_values=self._past, use_cache=True, logits_to_keep=1
        )
        self._past = out.past_key_values
        logits: Tensor = out.logits[:, -1]
        return logits


class _CogVLM2Step:
    """The same of CogVLM2 without a picture."""

    def __init__(self, model: CogVLM2ForCausalLM) -> None:
        self._model = model
        self._cache = KVCache(model.config.num_hidden_layers)

    def __call__(self, ids: Tensor) -> Tensor:
        """Feed ids (B, T); return the logits (B, vocabulary) after them."""
        start = self._cache.length
        positions = torch.arange(start, start + ids.shape[1], device=ids.device).expand_as(ids)
        hidden = self._model.hidden_states(ids, positions=positions, cache=self._cache)
        logits: Tensor = self._model.lm_head(hidden[:, -1])
        return logits


def _end_ids(model: Any) -> set[int]:
    if isinstance(model, CogVLM2ForCausalLM):
        return set(model.config.eos_token_ids)
    ends = model.config.eos_token_id
    if ends is None:
        return set()
    return {ends} if isinstance(ends, int) else set(ends)
