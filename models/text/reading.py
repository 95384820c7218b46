"""How a text model reads on behind what it has read: its own way where it has one.

A model of transformers is called as it is, with a cache that grows (`growing_cache`). A model whose
family says so itself (`models.families.family.ReadsStepByStep`) is loaded
with a `RotaryStep`, which computes the same numbers with far less around them.
"""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

STEP = "reading_step"
"""The attribute of a loaded module that holds its own way of reading."""


@runtime_checkable
class TextReader(Protocol):
    """Reads tokens behind others, and holds keys and values of all."""

    def begin(self) -> Any:
        """Hold nothing yet."""
        ...

    def read(
        self,
        ids: Tensor,
        held: Any,
        *,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        last_only: bool = True,
    ) -> Tensor:
        """Read ids (1, T), at least one, behind what is held, and hold them too.

        positions: (1, T); None where each token stands behind the one before it.
        mask:      (1, 1, T, S) in the model's dtype, added to the scores of all S tokens; None
                   where each token sees those before it.
        Returns the logits behind the last (1, vocabulary), or behind each (T, vocabulary).
        """
        ...

    def length(self, held: Any) -> int:
        """Tokens that are held."""
        ...

    def cut_back(self, held: Any, length: int) -> None:
        """Forget all but the first tokens."""
        ...

    def can_follow_several(self) -> bool:
        """True if all that was read is held, so that any of it can be seen or forgotten."""
        ...


def reader_of(model: nn.Module) -> TextReader:
    """A model's own way of reading, or that of transformers."""
    own = getattr(model, STEP, None)
    return own if isinstance(own, TextReader) else TransformersReader(model)


class TransformersReader:
    """Calls a causal language model of transformers."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def begin(self) -> Any:
        """A cache without tokens."""
        # Transformers takes seconds to import; whoever has such a model has done so.
        from models.text.growing_cache import growing_cache

        return growing_cache(self._model.config)

    @torch.inference_mode()
    def read(
        self,
        ids: Tensor,
        held: Any,
        *,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        last_only: bool = True,
    ) -> Tensor:
        """As `TextReader` says."""
        more: dict[str, Any] = {"logits_to_keep": 1} if last_only else {}
        if positions is not None:
            more["position_ids"] = positions
        if mask is not None:
            more["attention_mask"] = mask
        out = self._model(input_ids=ids, past_key_values=held, use_cache=True, **more)
        logits: Tensor = out.logits[0]
        return logits[-1:] if last_only else logits

    def length(self, held: Any) -> int:
        """Tokens that are held."""
        return int(held.get_seq_length())

    def cut_back(self, held: Any, length: int) -> None:
        """Forget all but the first tokens."""
        surplus = self.length(held) - length
        if surplus > 0:
            held.crop(-surplus)

    def can_follow_several(self) -> bool:
        """True if no layer forgets."""
        from models.text.growing_cache import GrowingLayer

        return all(type(layer) is GrowingLayer for layer in self.begin().layers)
