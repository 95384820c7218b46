"""What a model family must know: its config.json, its module, its blocks, its data, its terms."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from models.blocks import BlockwiseModel
from models.families.terms import Terms
from models.sequences import SequenceLayout
from models.text.byte_level import ByteLevelRules
from models.text.reading import TextReader


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

    @property
    def layout(self) -> Callable[[nn.Module], SequenceLayout]:
        """How a module of this family reads calibration data; `TextLayout` for text alone."""
        ...

    @property
    def terms(self) -> Terms:
        """What goes with every quantized copy; `NoTerms` where nothing is known."""
        ...

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a config.json is one of this family, whatever else is wrong with it."""
        ...

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build the module with its parameters on the meta device and no gradients.

        The module has a ``config`` with ``hidden_size``, ``vocab_size``,
        ``max_position_embeddings`` and ``bos_token_id`` (see `TextLimits`), and is called as
        transformers' models are, ``module(input_ids=ids, use_cache=False).logits``, or says
        itself how it reads text (see `ReadsText`).

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


@runtime_checkable
class ReadsStepByStep(Protocol):
    """A family that says itself how its text models read on, token by token.

    Others are called as transformers' models are.
    """

    def reading_step(self, module: nn.Module) -> TextReader | None:
        """The way of a loaded module; None where its configuration asks for transformers'."""
        ...
