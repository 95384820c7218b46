"""What lies outside all blocks of a model and turns samples into states.

The table of words stays on the host and in its stored form: for a vocabulary of 128,256 words and
4,096 channels it would take 2.1 GB of a GPU in float32, for the few rows that a sequence looks up.
"""

from typing import Any

import torch
from torch import Tensor, nn

from models.families import OpenedModel, text_limits
from models.files.quantized_source import TensorSource
from models.loading import load_tensors


def load_outer(opened: OpenedModel, reader: TensorSource, device: torch.device) -> None:
    """Read a model's outer tensors in float32, the table of words as it is stored.

    Raises:
        CheckpointError: one of them cannot be read.
    """
    # The head is the largest of them and computes nothing that a block needs.
    names = [
        name
        for name in opened.blockwise.outer_names()
        if name in reader and not name.startswith("lm_head.")
    ]
    tables = word_tables(opened.module)
    rest = [name for name in names if name not in tables]
    load_tensors(opened.module, reader, rest, device=device, dtype=torch.float32)
    for name in set(names).intersection(tables):
        load_word_table(opened.module, reader, name, device=device)
    opened.family.complete(opened.module, device)


def word_tables(module: nn.Module) -> dict[str, nn.Embedding]:
    """The embeddings of a model that have one row for every word, by the name of their weight."""
    words = text_limits(module).vocab_size
    return {
        f"{name}.weight": part
        for name, part in module.named_modules()
        if isinstance(part, nn.Embedding) and part.num_embeddings == words
    }


def load_word_table(
    module: nn.Module,
    reader: TensorSource,
    name: str,
    *,
    device: torch.device,
) -> None:
    """Read a table as it is stored; looked-up rows come to the device in float32.

    Raises:
        CheckpointError: it cannot be read.
    """
    load_tensors(module, reader, [name])
    table = word_tables(module)[name]

    def fetch(part: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(value.cpu() for value in inputs)

    def bring(part: nn.Module, inputs: tuple[Any, ...], rows: Tensor) -> Tensor:
        return rows.to(device, torch.float32)

    table.register_forward_pre_hook(fetch)
    table.register_forward_hook(bring)
