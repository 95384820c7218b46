"""How strongly the model's loss hangs on each token behind each block.

One backward pass a sequence, block by block, so that the model is never whole in memory: the
blocks run forward once, and the states between them are kept; then, from the last block to the
first, each is read again, runs again on the state that entered it, and hands the gradient down.
The states of all blocks take many times what a run keeps of a sequence; so sequences are taken in
rounds, each of as many as fit into `ROUND_BYTES`.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from models.blocks import Block, Sample, State
from models.families import OpenedModel
from models.files.quantized_source import TensorSource
from quantizer.errors import CalibrationError
from quantizer.importance.loss import (
    finishing,
    head_in_float32,
    last_gradient,
    targets_of,
)
from quantizer.run.passes import Passes

ROUND_BYTES = 2.0e9
"""Bytes of the states of a round, unless one sequence alone takes more."""

Norms = dict[str, Tensor]
"""‖∂L/∂y_t‖² (tokens,) float32 of one sequence by the block's name, where it gets there."""


class Gradients:
    """The backward pass of one model.

    passes: runs its blocks. loaded: a copy of a block with its tensors, read in float32.

    What lies outside the blocks is loaded; see ``quantizer.run.outer``.
    """

    def __init__(
        self,
        opened: OpenedModel,
        reader: TensorSource,
        passes: Passes,
        loaded: Callable[[Block], Block],
    ) -> None:
        self.opened, self.reader, self.passes, self.loaded = opened, reader, passes, loaded
        self.finishing = finishing(opened)

    def of(self, samples: Sequence[Sample]) -> list[Norms]:
        """The squared gradients of every sequence.

        Raises:
            CalibrationError: a sequence has no token to predict, or a gradient is not finite.
        """
        found: list[Norms] = []
        for part in self._rounds(samples):
            found += self._round(part)
        return found

    def _rounds(self, samples: Sequence[Sample]) -> Iterator[list[Sample]]:
        layout, blocks = self.opened.layout, sum(1 for _ in self.opened.blockwise.blocks())
        sizes = [self.passes.stored_bytes(layout.state_bytes(sample)) for sample in samples]
        for part, _ in round_sizes(blocks, sizes):
            yield [samples[place] for place in part]

    def _round(self, samples: Sequence[Sample]) -> list[Norms]:
        blocks = list(self.opened.blockwise.blocks())
        states = [[self.passes.start(sample)] for sample in samples]
        for block in blocks:
            loaded = self.loaded(block)
            for kept in states:
                kept.append(self.passes.step(loaded, kept[-1]))
            del loaded  # before the next one is read
        with head_in_float32(self.opened, self.reader, self.passes.device):
            flowing = [
                self._last(kept.pop(), sample) for kept, sample in zip(states, samples, strict=True)
            ]
        norms: list[Norms] = [{} for _ in samples]
        for block in reversed(blocks):
            loaded = self.loaded(block)
            for own, kept, behind in zip(norms, states, flowing, strict=True):
                own |= self._back(loaded, kept.pop(), behind)
            del loaded
        return norms

    def _last(self, state: State, sample: Sample) -> State:
        targets = targets_of(self.opened.layout, sample)
        if not len(targets):
            raise CalibrationError(
                lambda name: (
                    "a calibration sequence has no token to predict: give longer ones, or leave "
                    f"out {name('token_importance')}"
                )
            )
        loaded = self.passes.loaded(state)
        return {"hidden": last_gradient(self.finishing, loaded, sample["input_ids"], targets)}

    def _back(self, block: Block, state: State, flowing: State) -> Norms:
        """Take the gradients behind a block, and replace them by those before it.

        flowing: by the names of the state's tensors; those without one are not in it.
        """
        entering = {
            name: value.detach().requires_grad_(value.is_floating_point())
            for name, value in self.passes.loaded(state).items()
        }
        with torch.enable_grad():
            leaving = self.opened.blockwise.step(block, entering)
        norms: Norms = {}
        for name, value in leaving.items():
            if name in flowing and value is not entering.get(name):
                squares = flowing[name].square().sum(dim=-1).reshape(-1).cpu()
                if not bool(torch.isfinite(squares).all()):
                    raise CalibrationError(
                        lambda name: (
                            f"behind {block.name} the gradient of the model's loss is NaN or "
                            f"infinite: leave out {name('token_importance')}"
                        )
                    )
                norms[block.name] = squares
        before = self._before(entering, leaving, flowing)
        flowing.clear()
        flowing |= before
        return norms

    def _before(self, entering: State, leaving: State, behind: State) -> State:
        """The gradients with respect to what enters a block, from those with respect to what
        leaves it; none for what no gradient reaches, as words alone are before they are looked up.
        """
        wanted = {name: value for name, value in entering.items() if value.requires_grad}
        through = [name for name in behind if name in leaving and leaving[name].requires_grad]
        if not wanted or not through:
            return {}
        found = torch.autograd.grad(
            [leaving[name] for name in through],
            list(wanted.values()),
            [behind[name] for name in through],
            allow_unused=True,
        )
        return {n: g for n, g in zip(wanted, found, strict=True) if g is not None}


def round_sizes(blocks: int, states: Sequence[float]) -> list[tuple[range, float]]:
    """Neighbouring sequences that are passed back together, and the bytes that they keep.

    states: bytes of one state of each sequence, of which there is one more than ``blocks``.
    """
    parts: list[tuple[range, float]] = []
    first, held = 0, 0.0
    for place, state in enumerate(states):
        size = (blocks + 1) * state
        if place > first and held + size > ROUND_BYTES:
            parts.append((range(first, place), held))
            first, held = place, 0.0
        held += size
    return [*parts, (range(first, len(states)), held)] if states else []
