"""What a model family must know: its config.json, its module, its blocks, its tokenizer's rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from models.blocks import BlockwiseModel
from models.text.byte_level import ByteLevelRules


class Family(Protocol):
    """One architecture and the rules of its checkpoints."""

    @property
    def name(self) -> str:
        """Short name for reports."""
        ...

    @property
    def byte_level(self) -> ByteLevelRules | None:
        """How to read vocab.json and merges.txt; None where folders have a tokenizer.json."""
        ...

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a config.json is one of this family, whatever else is wrong with it."""
        ...

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build the module with its parameters on the meta device and no gradients.

        The module has a ``config`` with ``hidden_size``, ``vocab_size``,
        ``max_position_embeddings`` and ``bos_token_id`` (see `TextLimits`), and is called as
        transformers' models are: ``module(input_ids=ids, use_cache=False).logits``.

        Raises:
            ModelFolderError: the configuration cannot be used.
        """
        ...

    def blockwise(self, module: nn.Module) -> BlockwiseModel:
        """Wrap a module of this family for the quantizer."""
        ...

    def expected_names(self, module: nn.Module) -> set[str]:
        """Name the tensors that a checkpoint must hold."""
        ...

    def may_ignore(self, name: str) -> bool:
        """Tell whether a tensor of a checkpoint is without meaning for the module."""
        ...

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Compute what the checkpoint left out and tie what is tied, after loading."""
        ...


@dataclass(frozen=True, slots=True)
class TextLimits:
    """What a model's parsed config.json says about text.

    vocab_size:   ids are 0 to vocab_size - 1.
    context:      most tokens of a sequence.
    bos_token_id: starts a text; None where the model was trained without such a token.
    """

    vocab_size: int
    context: int
    bos_token_id: int | None


def text_limits(module: nn.Module) -> TextLimits:
    """Read the limits of a module of any family."""
    config: Any = module.config
    return TextLimits(config.vocab_size, config.max_position_embeddings, config.bos_token_id)
