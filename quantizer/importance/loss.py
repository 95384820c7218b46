"""The model's own loss on a calibration sequence, and its gradient where the last block ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import Parameter, functional

from models.blocks import Sample, State
from models.families import OpenedModel
from models.files.quantized_source import TensorSource
from models.loading import load_tensors
from models.sequences import SequenceLayout, TellsTokens
from quantizer.errors import SettingsError
from quantizer.run.outer import word_tables

HEAD = "lm_head."
LOGIT_ROWS = 128
"""Tokens whose logits are computed at once: vocabularies have up to 150,000 words."""


@runtime_checkable
class Finishes(Protocol):
    """Blocks of a model whose head is known; those of every shipped family."""

    def finish(self, state: State) -> Tensor:
        """Turn ``hidden`` (1, T, width) of the last block's state into logits (1, T, words)."""
        ...


def kinds_of(layout: SequenceLayout, sample: Sample) -> Tensor:
    """The kind of each token of a sequence, (T,) int64; all alike where a layout tells none."""
    if isinstance(layout, TellsTokens):
        return layout.kinds(sample)
    return torch.zeros(sample["input_ids"].numel(), dtype=torch.int64)


def targets_of(layout: SequenceLayout, sample: Sample) -> Tensor:
    """Positions (n,) int64 of the tokens whose prediction is judged; the first never is."""
    wanted = torch.ones(sample["input_ids"].numel(), dtype=torch.bool)
    if isinstance(layout, TellsTokens):
        wanted = layout.targets(sample)
    wanted[:1] = False
    return wanted.nonzero().squeeze(1)


def finishing(opened: OpenedModel) -> Finishes:
    """The blocks of a model with its head.

    Raises:
        SettingsError: they say nothing of a head.
    """
    if isinstance(opened.blockwise, Finishes):
        return opened.blockwise
    raise SettingsError(
        lambda name: (
            f"{name('token_importance')} needs the model's loss, and the family "
            f"{opened.family.name} does not say how its last block becomes words: leave it out"
        )
    )


def last_gradient(blocks: Finishes, state: State, ids: Tensor, targets: Tensor) -> Tensor:
    """The gradient of the loss with respect to ``hidden`` (1, T, width) behind the last block.

    The loss is the mean cross-entropy of the tokens at ``targets`` (n,), each predicted from
    those before it. Head and final norm work on each token alone, so that a part is done at once
    and only what predicts a target.

    ids: (1, T).
    """
    hidden = state["hidden"].detach()
    gradient = torch.zeros_like(hidden)
    for part in torch.split(targets.to(hidden.device), LOGIT_ROWS):
        rows = hidden[:, part - 1].requires_grad_(True)
        with torch.enable_grad():
            logits = blocks.finish(state | {"hidden": rows})[0]
            wanted = ids[0].to(hidden.device)[part]
            loss = functional.cross_entropy(logits.float(), wanted, reduction="sum")
        (found,) = torch.autograd.grad(loss, rows)
        gradient[:, part - 1] = found / len(targets)
    return gradient


@contextmanager
def head_in_float32(
    opened: OpenedModel, reader: TensorSource, device: torch.device
) -> Iterator[None]:
    """Have the head on the device in float32, be it one of its own or the table of words.

    What lies outside the blocks is loaded but for an own head, see ``quantizer.run.outer``.
    """
    module = opened.module
    own = [n for n in opened.blockwise.outer_names() if n.startswith(HEAD) and n in reader]
    if own:
        load_tensors(module, reader, own, device=device, dtype=torch.float32)
        try:
            yield
        finally:
            module.get_submodule(HEAD.rstrip(".")).to_empty(device="meta")
        return
    tables = word_tables(module)
    stored = {name: table.weight for name, table in tables.items()}
    for table in tables.values():
        wide = table.weight.detach().to(device, torch.float32)
        table.weight = Parameter(wide, requires_grad=False)
    try:
        yield
    finally:
        for name, table in tables.items():
            table.weight = stored[name]
