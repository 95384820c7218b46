"""What a text model says about rows of tokens, several rows at a time.

Rows of different length are filled up on the right. Every model here is causal: a token sees
those before it alone, so that the filling changes nothing and needs no mask.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import CheckpointError
from models.families import text_limits, text_logits
from models.loading import LoadedModel
from quantizer.errors import SettingsError

Progress = Callable[[int, int], None]

_LARGEST_LOSS = 700.0  # nats; the exponential of more overflows
_MOST_LOGITS = 1 << 26  # of one batch: 256 MiB in float32, which a CPU still finds in memory
_NOT_PREDICTED = -100
_MOST_ROWS = 32  # more rows gain no more speed


def batch_size_for(loaded: LoadedModel, longest: int, asked: int | None) -> int:
    """Choose how many rows of at most ``longest`` tokens go through the model at once.

    Without a number asked for: at most 32, and fewer where their logits would take more than
    256 MiB. Figures do not depend on it, beyond the rounding of sums in another order.

    Raises:
        SettingsError: less than 1 was asked for.
    """
    if asked is None:
        logits = longest * text_limits(loaded.model).vocab_size
        return max(1, min(_MOST_ROWS, _MOST_LOGITS // logits))
    if asked < 1:
        raise SettingsError(
            lambda name: f"{name('batch_size')} {asked} is no batch; give 1 or more"
        )
    return asked


def row_logits(
    loaded: LoadedModel,
    rows: Sequence[Tensor],
    *,
    batch_size: int | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Iterator[tuple[int, Tensor]]:
    """Yield each row's number and its logits (n, vocabulary), in float32 on the model's device.

    rows: token ids (n,) each. The longest come first, so that rows of one batch are alike in
        length and a batch that does not fit in memory fails at once.

    Raises:
        SettingsError: ``batch_size`` is less than 1.
    """
    order = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
    size = batch_size_for(loaded, len(rows[order[0]]), batch_size) if rows else 1
    device = next(loaded.model.parameters()).device
    for start in range(0, len(order), size):
        indices = order[start : start + size]
        chosen = [rows[index] for index in indices]
        ids = nn.utils.rnn.pad_sequence(chosen, batch_first=True).to(device)
        with torch.inference_mode():
            logits = text_logits(loaded.model, ids)
        for index, row, row_of_logits in zip(indices, chosen, logits, strict=True):
            yield index, row_of_logits[: len(row)].float()
        on_progress(start + len(indices), len(rows))


def row_losses(
    loaded: LoadedModel,
    rows: Sequence[Tensor],
    *,
    put_in: Sequence[Tensor] | None = None,
    batch_size: int | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Tensor:
    """Sum each row's cross-entropy, in nats, of tokens 1 .. n-1 given those before: (rows,).

    put_in: (n,) bool each, which tokens are no text and not predicted; None for none of them.

    Raises:
        CheckpointError: a loss is not finite, or too large to be of any model.
        SettingsError: ``batch_size`` is less than 1.
    """
    sums = torch.zeros(len(rows), dtype=torch.float64)
    for index, logits in row_logits(loaded, rows, batch_size=batch_size, on_progress=on_progress):
        targets = rows[index][1:]
        if put_in is not None:
            targets = targets.masked_fill(put_in[index][1:], _NOT_PREDICTED)
        targets = targets.to(logits.device)
        loss = float(
            functional.cross_entropy(
                logits[:-1], targets, reduction="sum", ignore_index=_NOT_PREDICTED
            )
        )
        if not loss / len(targets) < _LARGEST_LOSS:  # also true of NaN
            raise not_finite(loaded)
        sums[index] = loss
    return sums


def not_finite(loaded: LoadedModel) -> CheckpointError:
    """Say in one line that a model computes no numbers."""
    return CheckpointError(
        f"{loaded.folder}: the loss is not finite; the weights are damaged, make or copy them again"
    )
