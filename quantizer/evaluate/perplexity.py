"""Perplexity by the standard protocol: concatenate, cut into windows, token mean."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from models.cogvlm2.model import CogVLM2ForCausalLM
from models.errors import CheckpointError
from models.families import text_limits
from models.loading import LoadedModel
from quantizer.data import tokenize_file
from quantizer.errors import DataError
from quantizer.evaluate.intervals import bootstrap_ratio
from quantizer.sequences import sequence_length

_LARGEST_LOSS = 700.0  # nats; the exponential of more overflows


def perplexity(
    loaded: LoadedModel,
    data: Path,
    *,
    limit: int | None = None,
    seq_len: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Measure perplexity on a text file.

    Documents, each with BOS in front, are concatenated and cut into windows of ``seq_len``
    tokens, by default the smaller of 2048 and the model's context. The result is
    ``exp`` of the mean cross-entropy over all predicted tokens of all windows; a shorter rest
    at the end is left out. ``limit`` takes the first windows.

    Returns the JSON object with ``task, protocol, items, value, interval_95, model, seconds``
    and, for paired comparisons, ``losses``: the mean loss of every window.

    Raises:
        DataError: the text cannot be used or is too short.
        SettingsError: ``seq_len`` exceeds the model's context.
        CheckpointError: the model gives no finite loss.
    """
    started = time.monotonic()
    length = sequence_length(loaded.model, seq_len)
    ids = tokenize_file(data, loaded.tokenizer, text_limits(loaded.model).bos_token_id)
    windows = cut_windows(ids, length)[:limit]
    if len(windows) == 0 or windows.shape[1] < 2:
        raise DataError(f"{data}: has {len(ids)} tokens, too few to predict one; give more text")
    sums = []
    for done, window in enumerate(windows, start=1):
        sums.append(window_loss(loaded, window))
        on_progress(done, len(windows))
    losses = torch.tensor(sums, dtype=torch.float64)
    tokens = torch.full_like(losses, windows.shape[1] - 1)
    if not float((losses / tokens).max()) < _LARGEST_LOSS:  # also true of NaN
        raise CheckpointError(
            f"{loaded.folder}: the loss is not finite; the weights are damaged, make or copy "
            "them again"
        )
    low, high = bootstrap_ratio(losses, tokens)
    return {
        "task": "perplexity",
        "protocol": "standard",
        "items": len(windows),
        "value": math.exp(float(losses.sum() / tokens.sum())),
        "interval_95": [math.exp(low), math.exp(high)],
        "model": str(loaded.folder),
        "seconds": round(time.monotonic() - started, 3),
        "seq_len": windows.shape[1],
        "tokens": int(tokens.sum()),
        "data": str(data),
        "losses": [round(loss, 6) for loss in (losses / tokens).tolist()],
    }


def cut_windows(ids: Tensor, length: int) -> Tensor:
    """Cut token ids (n,) into (windows, length); one shorter window where n < length."""
    count = len(ids) // length
    return ids[: count * length].view(count, length) if count else ids[None]


@torch.inference_mode()
def window_loss(loaded: LoadedModel, window: Tensor) -> float:
    """Summed cross-entropy of tokens 1 .. n-1 of a window (n,), each given those before it."""
    device = next(loaded.model.parameters()).device
    ids = window[None].to(device)
    if isinstance(loaded.model, CogVLM2ForCausalLM):
        logits = loaded.model(ids)
    else:
        logits = loaded.model(input_ids=ids, use_cache=False).logits
    loss = functional.cross_entropy(logits[0, :-1].float(), ids[0, 1:], reduction="sum")
    return float(loss)
