"""Passes of a block that leave out what an earlier pass of the same sequence has computed.

The groups of a block are solved one after the other, and each needs its inputs from the solved
ones before it. What a pass to one group has computed is kept, as far as there is room: what enters
the last layers of a branch, and, once these are solved, what the branch returns. A later pass runs
only what lies behind. What is kept is float32 as it was computed, so that nothing of the result
depends on how much is kept.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from models.blocks import Block, Branch

PIECE_BYTES = 2 * 2**20
"""In whole pieces of so many bytes CUDA's caching allocator gives memory to large tensors."""


class Shelf:
    """Room for what is kept of one block.

    room:    bytes; piece: to whole multiples of which a tensor is rounded up.
    refused: branches of the block of which something did not fit.
    """

    def __init__(self, room: float, piece: int = 1) -> None:
        self.room, self.piece, self.used = room, piece, 0
        self.refused: set[str] = set()

    def size(self, tensors: Collection[Tensor]) -> int:
        """Bytes that tensors take."""
        return sum(-(-tensor.nbytes // self.piece) * self.piece for tensor in tensors)

    def refuses(self, branch: str) -> bool:
        """Whether there is no room for a branch, as far as is known."""
        return branch in self.refused or self.used >= self.room

    def take(self, tensors: Collection[Tensor]) -> bool:
        """Count tensors as kept, if there is room for all of them."""
        size = self.size(tensors)
        if self.used + size > self.room:
            return False
        self.used += size
        return True

    def give_back(self, tensors: Collection[Tensor]) -> None:
        """Count tensors as no longer kept."""
        self.used -= self.size(tensors)


@dataclass(slots=True)
class Page:
    """What is kept of one sequence inside one block, by the names of branches.

    entering: the inputs of a branch's last layers, by their names.
    results:  what a branch returned.
    """

    shelf: Shelf
    entering: dict[str, Mapping[str, Tensor]] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    def knows(self, branch: str) -> bool:
        """Whether a pass can leave the layers before the last ones of a branch out."""
        return branch in self.entering or branch in self.results

    def keep_entering(self, branch: str, inputs: Mapping[str, Tensor]) -> None:
        """Keep what enters the last layers of a branch, if there is room."""
        if self.shelf.take(inputs.values()):
            self.entering[branch] = inputs
        else:
            self.shelf.refused.add(branch)

    def keep_result(self, branch: str, result: Any) -> None:
        """Keep what a branch returned in place of what entered its last layers."""
        if branch in self.entering:
            self.shelf.give_back(self.entering.pop(branch).values())
        if self.shelf.take(_tensors(result)):
            self.results[branch] = result

    def clear(self) -> None:
        """Forget everything, because the block or its input is another one now."""
        for inputs in self.entering.values():
            self.shelf.give_back(inputs.values())
        for result in self.results.values():
            self.shelf.give_back(_tensors(result))
        self.entering.clear()
        self.results.clear()


class Pages:
    """The pages of all sequences in the block that is being quantized, by path and place."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._pages: dict[tuple[str, int], Page] = {}

    def of(self, path: str, place: int) -> Page:
        """The page of one sequence."""
        return self._pages.setdefault((path, place), Page(self.shelf))

    def clear(self) -> None:
        """Forget everything."""
        for page in self._pages.values():
            page.clear()
        self._pages.clear()


class Reached(Exception):
    """Ends a block's forward pass where nothing behind is needed."""


class _Recorder(nn.Module):
    """Stands in for a linear layer: keeps what enters it and computes nothing."""

    def __init__(self, linear: nn.Linear, found: Callable[[Tensor], None]) -> None:
        super().__init__()
        self._outputs, self._found = linear.out_features, found

    def forward(self, inputs: Tensor) -> Tensor:
        """Zeros in the shape of the layer's outputs, which nothing that is asked for depends on."""
        self._found(inputs.detach())
        return inputs.new_zeros(()).expand(*inputs.shape[:-1], self._outputs)


class _Known(nn.Module):
    """Stands in for a branch of which the page of a sequence knows enough.

    settled: whether its layers are what they will be, so that its result may be kept.
    """

    def __init__(self, branch: Branch, original: nn.Module, page: Page, *, settled: bool) -> None:
        super().__init__()
        self._parts = branch, original, page, settled

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """What the branch returns."""
        branch, original, page, settled = self._parts
        if branch.module in page.results:
            return page.results[branch.module]
        result = branch.finish(original, page.entering[branch.module], arguments)
        if settled:
            page.keep_result(branch.module, result)
        return result


@contextmanager
def left_out(block: Block, page: Page, *, until: str | None = None) -> Iterator[None]:
    """Let passes of one sequence leave out what its page knows, and keep what they compute.

    until: the layer whose inputs are asked for; results of branches that are solved before it are
        kept. None where the block is run to its end: nothing of it is needed afterwards.
    """
    with ExitStack() as stack:
        stands = {}
        for branch in block.branches:
            settled = until is not None and _settled(block, branch, until)
            original = block.module.get_submodule(branch.module)
            if page.knows(branch.module):
                stands[branch.module] = _Known(branch, original, page, settled=settled)
            elif settled:
                keep = partial(_keep_result, page, branch.module)
                stack.callback(original.register_forward_hook(keep).remove)
        stack.enter_context(_in_place_of(block.module, stands))
        yield


def _keep_result(page: Page, branch: str, module: nn.Module, _: Any, result: Any) -> None:
    page.keep_result(branch, result)


@contextmanager
def recorded(
    block: Block, branch: Branch, name: str, *, alone: bool
) -> Iterator[dict[str, Tensor]]:
    """Let a pass end in a branch; what enters layers there is found by their names, relative to it.

    name:  a layer of the branch. No layer computes anything that its inputs do not depend on.
    alone: whether it alone is recorded; otherwise, of the last layers, all that are reached.
    """
    found: dict[str, Tensor] = {}
    original = block.module.get_submodule(branch.module)
    asked = name.removeprefix(f"{branch.module}.")
    alone = alone or asked not in branch.ends
    needed = _before(branch, asked, alone=alone)

    def reach(layer: str, inputs: Tensor) -> None:
        if layer == asked or not alone:
            found[layer] = inputs
        if layer == asked and alone:
            raise Reached

    def leave(*_: Any) -> None:
        raise Reached

    stands = {
        f"{branch.module}.{layer}": _Recorder(linear, partial(reach, layer))
        for layer, linear in original.named_modules()
        if isinstance(linear, nn.Linear) and not needed(layer)
    }
    handle = original.register_forward_hook(leave)
    try:
        with _in_place_of(block.module, stands):
            yield found
    finally:
        handle.remove()


def _before(branch: Branch, asked: str, *, alone: bool) -> Callable[[str], bool]:
    """Tells which layers of a branch compute what enters one of them, or all its last layers."""
    if asked not in branch.ends:
        return lambda layer: False
    owner = asked.rpartition(".")[0]
    own = f"{owner}." if owner and branch.apart and alone else ""
    return lambda layer: layer.startswith(own) and layer not in branch.ends


def branch_of(block: Block, name: str) -> Branch | None:
    """The branch that a layer is a part of, None where it is of none."""
    return next((one for one in block.branches if name.startswith(f"{one.module}.")), None)


def _settled(block: Block, branch: Branch, until: str) -> bool:
    """Whether no layer of a branch is solved with, or behind, the group of a layer."""
    first = next(place for place, group in enumerate(block.groups) if until in group)
    waiting = (name for group in block.groups[first:] for name in group)
    return not any(name.startswith(f"{branch.module}.") for name in waiting)


def _tensors(result: Any) -> list[Tensor]:
    parts = result if isinstance(result, tuple) else (result,)
    return [part for part in parts if isinstance(part, Tensor)]


@contextmanager
def _in_place_of(root: nn.Module, stands: Mapping[str, nn.Module]) -> Iterator[None]:
    """Put modules into the places of others, by the names of these, until the block ends."""
    places = []
    for name, stand in stands.items():
        owner, _, child = name.rpartition(".")
        parent = root.get_submodule(owner)
        places.append((parent, child, parent.get_submodule(child), stand))
    try:
        for parent, child, _, stand in places:
            setattr(parent, child, stand)
        yield
    finally:
        for parent, child, original, _ in places:
            setattr(parent, child, original)
