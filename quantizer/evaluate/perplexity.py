"""Perplexity of a text by one of two protocols.

``standard`` is the usual figure: all text in one stream, cut into windows, token mean. A plain text
is one document as it stands, as WikiText-2's raw test file is usually measured; it is not split at
blank lines. BOS stands where the tokenizer itself puts it, and is never predicted.

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
from torch import Tensor

from models.families import text_limits
from models.loading import LoadedModel
from quantizer.calibration.marking import DOCUMENT_CHOICES, Marks, Rows, joined, windows_of
from quantizer.calibration.texts import ReadText, read_for, sequence_length
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
    bos: str = "auto",
    documents: str = "auto",
    on_progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Measure perplexity on a text file, or on records of texts.

    ``standard``: documents are concatenated and cut into windows of ``seq_len`` tokens, by
    default the smaller of 2048 and the model's context; a shorter rest at the end is left out.
    ``limit`` takes the first windows, ``items`` counts windows.

    ``autogptq``: see above. ``seq_len`` is where a document is cut off, by default the smaller
    of 1024 and the model's context. ``limit`` takes the first documents, ``items`` counts blocks.

    ``bos`` says where BOS stands, see `quantizer.calibration.marking`; what is put in between
    texts is not predicted. ``documents``: ``whole`` or ``blank-lines``, what a document of a plain
    text without marks is; ``auto`` is the one for ``standard``, the other for ``autogptq``.

    Returns the JSON object with ``task, protocol, items, value, interval_95, model, seconds``,
    and for paired comparisons ``losses``, the mean loss of every item, whose mean is
    ``log(value)``, and what the items are: ``data_sha256, items_sha256, seq_len, limit``, and
    ``bos`` in words and ``documents``, how many. Windows have equally many tokens, but for marks
    between documents, which are not predicted.

    Raises:
        DataError: the text cannot be used or is too short.
        SettingsError: ``seq_len`` exceeds the model's context, or a setting is no such value.
        CheckpointError: the model gives no finite loss.
    """
    started = time.monotonic()
    if protocol not in PROTOCOLS:
        raise SettingsError(
            lambda name: f"{name('protocol')} {protocol} is unknown; give {' or '.join(PROTOCOLS)}"
        )
    if documents not in DOCUMENT_CHOICES:
        raise SettingsError(
            lambda name: (
                f"{name('documents')} {documents} is unknown; give one of "
                f"{', '.join(DOCUMENT_CHOICES)}"
            )
        )
    usual = "whole" if protocol == "standard" else "blank-lines"
    length = sequence_length(loaded.model, seq_len)
    read = read_for(
        data,
        loaded.folder,
        loaded.tokenizer,
        text_limits(loaded.model).bos_token_id,
        bos=bos,
        documents=usual if documents == "auto" else documents,
    )
    if protocol == "standard":
        rows = _windows(read, data, length).first(limit)
        items = [[index] for index in range(len(rows.ids))]
    else:
        length = min(length, seq_len or _ROW_TOKENS)
        rows = _documents(read, data, length, limit)
        items = pack_blocks([len(row) for row in rows.ids])
    sums = row_losses(
        loaded, rows.ids, put_in=rows.put_in, batch_size=batch_size, on_progress=on_progress
    )
    counts = torch.tensor([_predicted(own) for own in rows.put_in], dtype=torch.float64)
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
        "seq_len": length if protocol == "autogptq" else len(rows.ids[0]),
        "limit": limit,
        "bos": read.marks.in_words(loaded.tokenizer),
        "documents": len(read.documents),
        "rows": len(rows.ids),
        "tokens": int(counts.sum()),
        "data": str(data),
        "data_sha256": file_digest(data),
        "items_sha256": _digest(rows, items),
        "losses": [round(loss, 6) for loss in losses.tolist()],
    }


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


def _digest(rows: Rows, items: list[list[int]]) -> str:
    """Of the ids, and of where one that is not the first of its row is not predicted."""
    ids: list[Any] = [[rows.ids[index].tolist() for index in item] for item in items]
    skipped = [
        [index, place]
        for index, own in enumerate(rows.put_in)
        for place in (own[1:].nonzero().flatten() + 1).tolist()
    ]
    return digest_of([ids, skipped] if skipped else ids)


def _predicted(put_in: Tensor) -> int:
    """How many tokens of a row are predicted: all but the first and those that were put in."""
    return int((~put_in[1:]).sum())


def _windows(read: ReadText, data: Path, length: int) -> Rows:
    rows = read.windows(length)
    if not _predicted(rows.put_in[0]):
        raise DataError(
            f"{data}: has {len(rows.ids[0])} tokens, too few to predict one; give more text"
        )
    kept = [index for index, own in enumerate(rows.put_in) if _predicted(own)]
    return Rows(tuple(rows.ids[i] for i in kept), tuple(rows.put_in[i] for i in kept))


def _documents(read: ReadText, data: Path, length: int, limit: int | None) -> Rows:
    # A document is a row of its own, so that what stands before each is what stands before a row.
    marks = Marks("sequence", before=read.marks.before) if read.marks.before else Marks()
    found = [
        windows_of(*joined([document[:length]], Marks()), length, marks)
        for document in read.documents[:limit]
    ]
    rows = [(one.ids[0][:length], one.put_in[0][:length]) for one in found]
    usable = [row for row in rows if _predicted(row[1])]
    if not usable:
        raise DataError(f"{data}: no document has a token to predict; give more text")
    return Rows(tuple(ids for ids, _ in usable), tuple(own for _, own in usable))
