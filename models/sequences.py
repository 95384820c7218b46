"""How a family lays calibration data out as sequences, and which parts their tokens reach.

The quantizer reads texts and pictures without knowing what a model makes of them; a family says
so by its `SequenceLayout`. `TextLayout` is that of every model that reads text alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from models.blocks import Sample

Turns = tuple[tuple[str, str], ...]
"""Questions with their answers, oldest first."""

ALL = "all"
"""What `SequenceLayout.tokens` counts the tokens of a whole sequence by."""

_FLOAT_BYTES = 4  # the quantizer computes in float32


@dataclass(frozen=True, slots=True)
class Part:
    """Linear layers of a model that the same tokens of a sequence reach.

    name:       what `SequenceLayout.tokens` counts those tokens by.
    title:      what reports call the layers.
    layers:     patterns of full layer names, as a shell matches file names.
    own_blocks: whether its blocks hold no other part, so that only its tokens pass through them;
                through other blocks pass all tokens of a sequence.
    finer:      whether it has several positions for a token of the sequence, so that fewer
                sequences than the other parts need serve it too.
    kind:       the kind of the tokens that alone reach it, see `TellsTokens`; None for all kinds.
    """

    name: str
    title: str
    layers: tuple[str, ...]
    own_blocks: bool = False
    finer: bool = False
    kind: int | None = None


WHOLE = Part(ALL, "all layers", ("*",))
"""Layers that every token reaches."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a model; the first that names a layer has it, `WHOLE` the rest."""

    named: tuple[Part, ...] = ()
    # Plans ask for the same layers again and again, and matching patterns is slow.
    _found: dict[str, Part] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, layer: str) -> Part:
        """The part of a layer by its full name, such as ``model.layers.3.mlp.up_proj``."""
        if layer not in self._found:
            self._found[layer] = next(
                (
                    part
                    for part in self.named
                    if any(fnmatchcase(layer, pattern) for pattern in part.layers)
                ),
                WHOLE,
            )
        return self._found[layer]


class PictureLayout(Protocol):
    """How one model reads a picture with questions and answers about it."""

    def pixels(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Turn a picture (H, W, 3) into what a sample holds as ``pixels``, one row a picture.

        Raises:
            PictureError: that is no picture.
        """
        ...

    def conversation(self, turns: Turns, tokenizer: Tokenizer, picture: Path) -> Sample:
        """Lay out a conversation about a picture, without its pixels, as the model meets it in use.

        turns:   at least one.
        picture: named in errors.

        Raises:
            PromptError: a question with its answer does not fit into the context.
        """
        ...


class SequenceLayout(Protocol):
    """How one model reads calibration data.

    A sample has ``input_ids`` (1, T) int64, and ``pixels`` where it has a picture, by which the
    rules of a recipe tell the two streams apart.
    """

    @property
    def parts(self) -> Parts:
        """The parts of the model that different tokens reach."""
        ...

    @property
    def pictures(self) -> PictureLayout | None:
        """How pictures are read; None where the model reads text alone."""
        ...

    def text(self, ids: Tensor) -> Sample:
        """Make a sample of one window of text, ids (1, T) int64."""
        ...

    def tokens(self, sample: Sample) -> Mapping[str, int]:
        """Count the tokens that reach each part, by its name, and all of them as `ALL`."""
        ...

    def state_bytes(self, sample: Sample) -> int:
        """The most bytes that the sample's state takes behind any block, in float32."""
        ...


TEXT, PICTURE = 0, 1
"""Kinds of tokens."""


@runtime_checkable
class TellsTokens(Protocol):
    """A layout that tells tokens apart; without it all are text that the model learns to write."""

    def kinds(self, sample: Sample) -> Tensor:
        """The kind of each token (T,) int64: `TEXT`, or `PICTURE` where a picture stands."""
        ...

    def targets(self, sample: Sample) -> Tensor:
        """Which tokens (T,) bool the model learns to write: of a conversation the last answer."""
        ...


def answer_targets(sample: Sample) -> Tensor:
    """The tokens (T,) bool of a sample's last answer, or all where none is marked.

    sample: ``answer`` says how many tokens at its end are that answer.
    """
    count = sample["input_ids"].numel()
    wanted = torch.ones(count, dtype=torch.bool)
    wanted[: count - sample.get("answer", count)] = False
    return wanted


@runtime_checkable
class StartsWide(Protocol):
    """A layout of a model that computes much of a picture before its first block."""

    @property
    def start_bytes(self) -> int:
        """The most bytes that are held there at once for one picture, in float32."""
        ...


@dataclass(frozen=True, slots=True)
class TextLayout:
    """The layout of a model that reads text alone, each of whose layers every token reaches.

    module: has a ``config`` with ``hidden_size``.
    """

    module: nn.Module
    parts: Parts = field(default_factory=Parts, init=False)
    pictures: None = field(default=None, init=False)

    def text(self, ids: Tensor) -> Sample:
        """The ids are all there is."""
        return {"input_ids": ids}

    def tokens(self, sample: Sample) -> Mapping[str, int]:
        """Every token reaches every layer."""
        ids: Tensor = sample["input_ids"]
        return {ALL: ids.numel()}

    def state_bytes(self, sample: Sample) -> int:
        """One vector of the model's width a token."""
        config: Any = self.module.config
        ids: Tensor = sample["input_ids"]
        width: int = config.hidden_size
        return ids.numel() * width * _FLOAT_BYTES
