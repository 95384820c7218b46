"""What the families share whose modules are plain decoders of transformers.

A family of this kind is data: its name, its numbers, and which two classes are its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from models.families.causal import (
    build_on_meta,
    check_numbers,
    is_recomputed,
    require,
    restore_rotary,
    stored_names,
    tie_head,
)
from models.families.rotary import RotaryBlocks
from models.families.terms import NoTerms, Terms
from models.sequences import SequenceLayout, TextLayout
from models.text.byte_level import ByteLevelRules
from models.text.reading import TextReader
from models.text.rotary_step import rotary_step


class HeldByTransformers:
    """Checkpoints as transformers writes them: a tied head and rotary tables are not stored."""

    def expected_names(self, module: nn.Module) -> set[str]:
        """Name the tensors that a checkpoint must hold: all but a tied head."""
        return stored_names(module)

    def may_ignore(self, name: str) -> bool:
        """Tell whether a tensor is a stored rotary table or the copy of a tied head."""
        return is_recomputed(name)


class DecoderFamily(HeldByTransformers, ABC):
    """A causal language model of transformers, described by a few fields.

    title:           what config.json should describe, such as ``a LLaMA model``.
    counts:          its fields that must be positive where they are given.
    optional_counts: fields that may also be null, which stands for a default.
    numbers:         fields that must be positive numbers where they are given.
    vocabulary:      number of ids where config.json names none.
    """

    name: str
    title: str
    counts: tuple[str, ...]
    optional_counts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    vocabulary: int
    byte_level: ByteLevelRules | None = None  # None: published folders have a tokenizer.json
    terms: Terms = NoTerms()

    @property
    def layout(self) -> Callable[[nn.Module], SequenceLayout]:
        """Calibration data are text."""
        return TextLayout

    @abstractmethod
    def classes(self) -> tuple[Any, Any]:
        """The classes of config.json and of the module.

        Transformers takes seconds to import, and picture models do without it: import here.
        """

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Tell by model_type."""
        return config.get("model_type") == self.name

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Build the module that transformers has for it on the meta device.

        Raises:
            ModelFolderError: config.json has values that cannot be used.
        """
        check_numbers(
            self.title,
            config,
            counts=self.counts,
            optional_counts=self.optional_counts,
            numbers=self.numbers,
            default_vocabulary=self.vocabulary,
        )
        module: nn.Module = build_on_meta(self.title, config, *self.classes())
        return module

    def complete(self, module: nn.Module, device: torch.device) -> None:
        """Compute rotary frequencies, where there are any, on the device; tie a tied head."""
        restore_rotary(module, device)
        tie_head(module)


class RotaryFamily(DecoderFamily):
    """A decoder with LLaMA's layers."""

    counts: tuple[str, ...] = (
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "max_position_embeddings",
    )
    numbers = ("rms_norm_eps", "rope_theta")

    def blockwise(self, module: nn.Module) -> RotaryBlocks:
        """Wrap a module of this family for the quantizer."""
        _, module_class = self.classes()
        return RotaryBlocks(require(module, module_class))

    def reading_step(self, module: nn.Module) -> TextReader | None:
        """A rotary decoder, step by step."""
        return rotary_step(module)
