"""Passes of blocks over the states of all calibration sequences, which lie at home between.

A pass runs a block to its end, or only as far as the layer whose inputs are asked for.
"""

import zlib
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from models.blocks import Block, BlockwiseModel, Sample, State
from quantizer.errors import SettingsError
from quantizer.recipes.recipe import Stream
from quantizer.run.carrying import Carrier
from quantizer.run.ranks import Ranks
from quantizer.run.resuming import Page, Reached, branch_of, left_out, recorded
from quantizer.run.shares import Share

_NEXT = 0x9E3779B97F4A7C15 % 2**31 | 1  # odd, and its bits well mixed
_WORDS = 2**20  # that are weighed together

FITTING, HELD_OUT, EXACT = "fitting", "held out", "exact"
"""The paths of sequences through a block of which pages are kept, see `Paths`."""


def linear_of(block: Block, name: str) -> nn.Linear:
    """Find a linear layer of a block by its name.

    Raises:
        SettingsError: it is something else.
    """
    linear = block.module.get_submodule(name)
    if not isinstance(linear, nn.Linear):
        raise SettingsError(
            f"{block.name}.{name} is a {type(linear).__name__}, not a linear layer: "
            "this model family cannot be quantized"
        )
    return linear


@dataclass(slots=True)
class Paths:
    """States of the sequences that this rank holds where they enter a block.

    fitting, held_out: as the already quantized part of the network computes them.
    exact_fitting, exact_held_out: the first of both as the full-precision network computes
        them; empty unless the asymmetric target needs them.
    fitting_streams, held_out_streams: which layers each sequence calibrates.
    fitting_share, held_out_share: where each stands among the sequences of all ranks.
    """

    fitting: list[State] = field(default_factory=list)
    held_out: list[State] = field(default_factory=list)
    exact_fitting: list[State] = field(default_factory=list)
    exact_held_out: list[State] = field(default_factory=list)
    fitting_streams: tuple[Stream, ...] = ()
    held_out_streams: tuple[Stream, ...] = ()
    fitting_share: Share = Share((), (), 0)
    held_out_share: Share = Share((), (), 0)

    def checksum(self, ranks: Ranks) -> str:
        """A checksum of all ranks' states, to notice that they were computed otherwise before.

        It is the same whichever rank holds which sequence.
        """
        own = []
        for kind, states, share in (
            (0, self.fitting, self.fitting_share),
            (1, self.held_out, self.held_out_share),
            (2, self.exact_fitting, self.fitting_share),
            (3, self.exact_held_out, self.held_out_share),
        ):
            # Of the full-precision states there are the first ones only.
            for number, state in zip(share.numbers, states, strict=False):
                own.append((kind, number, _checksum(state)))
        every = sorted(one for rank in ranks.gather(own) for one in rank)
        return f"{zlib.crc32(repr(every).encode()):08x}"


def _checksum(state: State) -> int:
    value = 0
    for name in sorted(state):
        value = (value * _NEXT + int(_weighed(state[name].contiguous().reshape(-1)))) % 2**64
    return value


def _weighed(flat: Tensor) -> Tensor:
    """The sum of a tensor's words, each times an odd weight of its place, modulo 2^64.

    A word that changes changes it, and it is summed where the tensor lies: a card's states need
    not be copied for it. Sums of integers have no order.
    """
    kinds = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    words = flat.view(kinds[flat.dtype.itemsize])
    total = torch.zeros((), dtype=torch.int64, device=flat.device)
    for first in range(0, len(words), _WORDS):
        some = words[first : first + _WORDS].to(torch.int64)
        weights = torch.arange(first, first + len(some), dtype=torch.int64, device=flat.device)
        total += (some * weights.mul_(2 * _NEXT).add_(1)).sum()
    return total


class Passes:
    """Runs blocks of one model, whose tensors the caller has loaded.

    state_dtype: of floating states at home; blocks compute in float32 whatever it is.
    home:        where states lie between blocks: the host, or the device if it has room.
    """

    def __init__(
        self,
        model: BlockwiseModel,
        device: torch.device,
        state_dtype: torch.dtype,
        home: torch.device | None = None,
    ) -> None:
        self.model, self.device, self.state_dtype = model, device, state_dtype
        self.home = torch.device("cpu") if home is None else home
        between = device.type == "cuda" and self.home.type == "cpu"
        self._carrier = Carrier(device, state_dtype) if between else None

    def start_all(self, samples: list[Sample]) -> list[State]:
        """Turn samples into states; each sample leaves the list, so that its memory is freed."""
        samples.reverse()
        states = []
        while samples:
            states.append(self.start(samples.pop()))
        return states

    def start(self, sample: Sample) -> State:
        """The state of one sample before the first block."""
        return self._stored(self.model.start(_on(self.device, sample)))

    def step(self, block: Block, state: State, page: Page | None = None) -> State:
        """The state of one sequence behind a block.

        page: what is known of the sequence inside the block, which is left out.
        """
        return self._stored(self.outputs(block, self.loaded(state), page))

    def outputs(self, block: Block, entering: State, page: Page | None = None) -> State:
        """A block's result on one sequence that is `loaded`, as it is computed."""
        with nullcontext() if page is None else left_out(block, page):
            return self.model.step(block, entering)

    def loaded(self, state: State) -> State:
        """A state as a block computes with it."""
        if self._carrier is not None:
            state = self._carrier.fetch(state)
        return _on(self.device, state, torch.float32)

    def stored_bytes(self, size: int) -> float:
        """Bytes at home of a state that takes so many in float32."""
        return size * self.state_dtype.itemsize / torch.float32.itemsize

    def expect(self, state: State) -> None:
        """Begin to bring a state that will be ``loaded`` soon, while something else is computed."""
        if self._carrier is not None:
            self._carrier.expect(state)

    def settle(self) -> None:
        """Wait until states lie at home, for whoever reads them without ``loaded``."""
        if self._carrier is not None:
            self._carrier.settle()

    def advance(self, block: Block, states: list[State], pages: Sequence[Page] = ()) -> None:
        """Run a block over sequences in place, so that one is held before and after the block.

        pages: of each sequence, what is left out; it is forgotten. Nothing where there are none.
        """
        for index in range(len(states)):
            page = pages[index] if pages else None
            if index + 1 < len(states):
                self.expect(states[index + 1])
            states[index] = self.step(block, states[index], page)
            if page is not None:
                page.clear()

    def inputs(
        self, block: Block, name: str, state: State, page: Page | None = None
    ) -> Tensor | None:
        """Run a block as far as one of its layers; return that layer's inputs (tokens, in).

        page: of the sequence; what it knows is left out, and what is computed is kept there.

        None where the sequence never reaches it, as text never reaches a vision expert.
        """
        branch = None if page is None else branch_of(block, name)
        if page is None or branch is None:
            return self._up_to(block, name, state, page)
        layer = name.removeprefix(f"{branch.module}.")
        found = page.entering.get(branch.module)
        if found is None:
            entering = self.loaded(state)
            # Where experts cannot be kept, one is not computed for the other's sake.
            alone = branch.apart and page.shelf.refuses(branch.module)
            with (
                left_out(block, page, until=name),
                recorded(block, branch, name, alone=alone) as found,
                suppress(Reached),
            ):
                self.model.step(block, entering)
            if layer in branch.ends and not alone:
                page.keep_entering(branch.module, found)
        return _rows(found[layer]) if layer in found else None

    def knows(self, block: Block, name: str, page: Page) -> bool:
        """Whether the inputs of a layer are on the page, so that no pass is needed."""
        branch = branch_of(block, name)
        return branch is not None and branch.module in page.entering

    def exact_inputs(
        self, exact: Block, name: str, states: list[State], index: int, page: Page | None = None
    ) -> Tensor | None:
        """The inputs of a layer of the full-precision block on one sequence.

        At the block's last group the sequence runs on to the end and its state moves there, which
        saves a pass of its own.
        """
        if name not in exact.groups[-1]:
            return self.inputs(exact, name, states[index], page)
        found: list[Tensor] = []

        def keep(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            found.append(_rows(inputs[0].detach()))

        handle = linear_of(exact, name).register_forward_pre_hook(keep)
        try:
            states[index] = self.step(exact, states[index], page)
        finally:
            handle.remove()
        if page is not None:
            page.clear()
        return found[0] if found else None

    def _up_to(self, block: Block, name: str, state: State, page: Page | None) -> Tensor | None:
        """The inputs of a layer, before which the pass ends; all layers before it run."""
        found: list[Tensor] = []

        def stop(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            found.append(inputs[0].detach())
            raise Reached

        handle = linear_of(block, name).register_forward_pre_hook(stop)
        try:
            with nullcontext() if page is None else left_out(block, page, until=name):
                self.model.step(block, self.loaded(state))
        except Reached:
            return _rows(found[0])
        finally:
            handle.remove()
        return None

    def _stored(self, state: State) -> State:
        """A state as it lies at home between blocks."""
        if self._carrier is not None:
            return self._carrier.store(state)
        return _on(self.home, state, self.state_dtype)


def _rows(inputs: Tensor) -> Tensor:
    """Inputs (..., in) as (tokens, in)."""
    return inputs.reshape(-1, inputs.shape[-1])


def _on(
    device: torch.device, values: dict[str, Any], dtype: torch.dtype | None = None
) -> dict[str, Any]:
    """Move tensors to a device; floating ones take on the dtype, if one is given."""
    return {
        name: _moved(value, device, dtype if value.is_floating_point() else None)
        if isinstance(value, Tensor)
        else value
        for name, value in values.items()
    }


def _moved(value: Tensor, device: torch.device, dtype: torch.dtype | None) -> Tensor:
    """A tensor on a device in a dtype, whichever of its forms is the smaller one on the way."""
    if dtype is None or value.device == device:
        return value.to(device, dtype)
    if dtype.itemsize < value.dtype.itemsize:
        return value.to(dtype).to(device)
    return value.to(device).to(dtype)
