"""A stored head that is not the embedding it is said to be.

A config.json may say ``tie_word_embeddings`` while the weights hold a head of their own with
other values: fine-tuning that untied the two, or a merge that forgot the flag. Transformers
compares both tensors and then does not tie them; a program that trusts the flag computes with
another model than its users run.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from models.families.causal import HEAD
from models.families.family import Family
from models.files.tensor_files import Entry, read_pieces

OWN_HEAD = (
    "config.json says that the head is the embedding (tie_word_embeddings), but lm_head.weight is "
    "stored with other values; the stored head is used, as Transformers does"
)


def build_as_stored(
    family: Family, config: Mapping[str, Any], entries: Mapping[str, Entry]
) -> tuple[nn.Module, dict[str, Any], tuple[str, ...]]:
    """Build the module of a config.json, with a head of its own where the weights hold one.

    entries: where every stored tensor lies.

    Returns the module, the configuration that it was built by, and what people must be told.

    Raises:
        ModelFolderError: the configuration cannot be used.
        CheckpointError: a weight file cannot be read.
    """
    module = family.build(config)
    if not _stores_own_head(module, entries):
        return module, dict(config), ()
    untied = {**config, "tie_word_embeddings": False}
    return family.build(untied), untied, (OWN_HEAD,)


def _stores_own_head(module: nn.Module, entries: Mapping[str, Entry]) -> bool:
    """Whether a module ties its head, and both tensors are stored with different values."""
    tied = getattr(getattr(module, "config", None), "tie_word_embeddings", False)
    embeddings = getattr(module, "get_input_embeddings", None)
    if not tied or embeddings is None or HEAD not in entries:
        return False
    shared = embeddings().weight
    names = [name for name, value in module.named_parameters(remove_duplicate=False)
             if value is shared and name != HEAD and name in entries]  # fmt: skip
    return bool(names) and not _equal(entries, names[0], HEAD)


def _equal(entries: Mapping[str, Entry], one: str, other: str) -> bool:
    """Whether two tensors hold the same values, read piece by piece."""
    first, second = entries[one], entries[other]
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    pieces = zip(read_pieces(one, first), read_pieces(other, second), strict=True)
    return all(torch.equal(a, b) for a, b in pieces)
