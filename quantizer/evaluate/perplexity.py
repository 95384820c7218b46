"""Perplexity of a text by one of two protocols.

``standard`` is the usual figure: all documents in one stream, cut into windows, token mean.

``autogptq`` follows the language modeling task of AutoGPTQ, whose figures some papers report:
every document is a row of its own, rows are packed into blocks by length, and the figure is
``exp`` of the mean over blocks of each block's token mean. Read off
https://github.com/AutoGPTQ/AutoGPTQ/tree/main/auto_gptq/eval_tasks
(language_modeling_task.py, _base.py, _utils/data_utils.py). In detail:

- A row is one document, cut off after 1024 tokens. Rows are sorted by length, shortest first;
  of equal ones the earlier in the file stands first.
- A block takes the next row as long as its number of rows times its longest row, that is its
  size filled up to a rectangle, is at most 2048 tokens. One block is one batch there.
- The block's loss is the mean over its predicted tokens; short rows count for less in a block,
  and blocks of many short rows count as much as one of two long rows.

Where it leaves a choice or cannot be repeated, we do the following. It draws 128 rows at random
without a seed; we take all, or the first ``limit``. It puts a prompt before each text, which a
plain text has not, and encodes prompt and text each with a BOS; our rows have one BOS, which is
not predicted. It fills up on the left, we on the right, which is the same to a causal model. It
computes in half precision, we in what the model was loaded in.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.families import text_limits
from models.loading import LoadedModel
from quantizer.calibration.texts import read_documents, sequence_length, tokenize_file
from quantizer.errors import DataError, SettingsError
from quantizer.evaluate.intervals import bootstrap_ratio
from quantizer.evaluate.results import digest_of, file_digest
from quantizer.evaluate.scoring import Progress, row_losses

PROTOCOLS = ("standard", "autogptq")

_ROW_TOKENS = 1024  # AutoGPTQ's sample_max_len
_BLOCK_TOKENS = 2048  # AutoGPTQ's block_max_len


def perplexity(
    loaded: LoadedModel,
    data: Path,
    *,
    protocol: str = "standard",
    limit: int | None = None,
    seq_len: int | None = None,
    batch_size: int | None = None,
    on_progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Measure perplexity on a text file.

    ``standard``: documents, each with BOS in front, are concatenated and cut into windows of
    ``seq_len`` tokens, by default the smaller of 2048 and the model's context; a shorter rest
    at the end is left out. ``limit`` takes the first windows, ``items`` counts windows.

    ``autogptq``: see above. ``seq_len`` is where a document is cut off, by default the smaller
    of 1024 and the model's context. ``limit`` takes the first documents, ``items`` counts blocks.

    Returns the JSON object with ``task, protocol, items, value, interval_95, model, seconds``,
    and for paired comparisons ``losses``, the mean loss of every item, whose mean is
    ``log(value)``, and what the items are: ``data_sha256, items_sha256, seq_len, limit``.

    Raises:
        DataError: the text cannot be used or is too short.
        SettingsError: ``seq_len`` exceeds the model's context, or a setting is no such value.
        CheckpointError: the model gives no finite loss.
    """
    started = time.monotonic()
    if protocol == "standard":
        length = sequence_length(loaded.model, seq_len)
        rows = _windows(loaded, data, length)[:limit]
        items = [[index] for index in range(len(rows))]
    elif protocol == "autogptq":
        length = min(sequence_length(loaded.model, seq_len), seq_len or _ROW_TOKENS)
        rows = _documents(loaded, data, length, limit)
        items = pack_blocks([len(row) for row in rows])
    else:
        raise SettingsError(
            lambda name: f"{name('protocol')} {protocol} is unknown; give {' or '.join(PROTOCOLS)}"
        )
    sums = row_losses(loaded, rows, batch_size=batch_size, on_progress=on_progress)
    counts = torch.tensor([len(row) - 1 for row in rows], dtype=torch.float64)
    losses = torch.stack([sums[item].sum() / counts[item].sum() for item in items])
    low, high = bootstrap_ratio(losses, torch.ones_like(losses))
    return {
        "task": "perplexity",
        "protocol": protocol,
        "items": len(items),
        "value": math.exp(float(losses.mean())),
        "interval_95": [math.exp(low), math.exp(high)],
        "model": str(loaded.folder),
        "seconds": round(time.monotonic() - started, 3),
        "seq_len": length if protocol == "autogptq" else len(rows[0]),
        "limit": limit,
        "rows": len(rows),
        "tokens": int(counts.sum()),
        "data": str(data),
        "data_sha256": file_digest(data),
        "items_sha256": digest_of([[rows[index].tolist() for index in item] for item in items]),
        "losses": [round(loss, 6) for loss in losses.tolist()],
    }


def cut_windows(ids: Tensor, length: int) -> Tensor:
    """Cut token ids (n,) into (windows, length); one shorter window where n < length."""
    count = len(ids) // length
    return ids[: count * length].view(count, length) if count else ids[None]


def pack_blocks(lengths: Sequence[int], block_tokens: int = _BLOCK_TOKENS) -> list[list[int]]:
    """Pack rows of the given lengths into AutoGPTQ's blocks; see the head of this file.

    Returns the row numbers of each block. A row longer than a block is a block of its own.
    """
    blocks: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        # Sorted, so that this row is the longest so far.
        if not blocks or (len(blocks[-1]) + 1) * lengths[index] > block_tokens:
            blocks.append([])
        blocks[-1].append(index)
    return blocks


def _windows(loaded: LoadedModel, data: Path, length: int) -> list[Tensor]:
    ids = tokenize_file(data, loaded.tokenizer, text_limits(loaded.model).bos_token_id)
    windows = cut_windows(ids, length)
    if windows.shape[1] < 2:
        raise DataError(f"{data}: has {len(ids)} tokens, too few to predict one; give more text")
    return list(windows)


def _documents(loaded: LoadedModel, data: Path, length: int, limit: int | None) -> list[Tensor]:
    bos = text_limits(loaded.model).bos_token_id
    tokenize_file(data, loaded.tokenizer, bos)  # refuses text that the tokenizer does not know
    start = [] if bos is None else [bos]
    rows = [
        torch.tensor([*start, *_ids(document, loaded.tokenizer)][:length])
        for document in read_documents(data)[:limit]
    ]
    usable = [row for row in rows if len(row) > 1]
    if not usable:
        raise DataError(f"{data}: no document has a token to predict; give more text")
    return usable


def _ids(text: str, tokenizer: Tokenizer) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids
