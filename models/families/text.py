"""How a module of any family reads text: its limits, its logits, texts continued step by step.

Modules are called as those of transformers are; one that cannot be says itself how (`ReadsText`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

Step = Callable[[Tensor], Tensor]
"""Takes the next ids (B, T) of B rows; returns the logits (B, vocabulary) after them."""


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


@runtime_checkable
class ReadsText(Protocol):
    """A module that is not called as those of transformers are."""

    def text_logits(self, ids: Tensor) -> Tensor:
        """Compute logits (B, T, vocabulary) of ids (B, T), each token seeing those before it."""
        ...

    def text_steps(self) -> Step:
        """Begin texts that are continued step by step, with what was computed kept between."""
        ...

    def text_ends(self) -> frozenset[int]:
        """The ids that end a text."""
        ...


def text_logits(module: nn.Module, ids: Tensor) -> Tensor:
    """Compute logits (B, T, vocabulary) of ids (B, T) of text alone."""
    if isinstance(module, ReadsText):
        return module.text_logits(ids)
    logits: Tensor = module(input_ids=ids, use_cache=False).logits
    return logits


def text_steps(module: nn.Module) -> Step:
    """Begin rows of text of one length, to be continued step by step."""
    return module.text_steps() if isinstance(module, ReadsText) else _steps(module)


def text_ends(module: nn.Module) -> frozenset[int]:
    """The ids that end a text; empty where config.json names none."""
    if isinstance(module, ReadsText):
        return module.text_ends()
    config: Any = module.config
    ends = config.eos_token_id
    if ends is None:
        return frozenset()
    return frozenset({ends} if isinstance(ends, int) else ends)


def _steps(module: nn.Module) -> Step:
    """Steps of a module of transformers, which hands out its keys and values."""
    past: Any = None

    def step(ids: Tensor) -> Tensor:
        nonlocal past
        out = module(input_ids=ids, past_key_values=past, use_cache=True, logits_to_keep=1)
        past = out.past_key_values
        logits: Tensor = out.logits[:, -1]
        return logits

    return step
