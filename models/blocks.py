"""The view of a model that the quantizer walks: blocks in execution order, one at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

State = dict[str, Tensor]
"""What flows from block to block for one calibration sequence, by name.

The family decides the names (hidden states, masks, positions); the quantizer only stores
the state and hands it back.
"""

Sample = dict[str, Any]
"""One calibration sequence before the first block: token ids, and pixels where there are any."""


Finish = Callable[[Any, Mapping[str, Tensor], tuple[Any, ...]], Any]
"""Makes what a branch returns, of its module, what enters its last layers, and its arguments."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of a block that can be left out of a pass once its result is known.

    Its linear layers are of two kinds: the ends, whose outputs are all that its result is made of,
    and before them others, which read what enters the branch and no other layer's output.

    module: its name, relative to the block's module.
    ends:   names of its last layers, relative to the branch. Of experts a sequence may reach some.
    finish: makes its result from the inputs of the ends that were reached, by their names.
    apart:  whether each end depends on layers of its own submodule alone, as in experts.
    """

    module: str
    ends: tuple[str, ...]
    finish: Finish
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """One unit of work of the quantizer.

    name:   prefix of the block's tensors in the checkpoint, such as ``model.layers.3``.
    module: the block; its parameters lie on the meta device until they are loaded.
    groups: names of linear layers, relative to the module, in execution order. The layers of
            one tuple read the same input and therefore share one Hessian. The inputs of a group
            depend on no group behind it.
    branches: parts that can be left out, in execution order; none where the family names none.
    joins:  layers whose output is added to what enters a module, and that module, each by its name:
            a projection behind attention, and the norm before it. None where the family names none.
    """

    name: str
    module: nn.Module
    groups: tuple[tuple[str, ...], ...]
    branches: tuple[Branch, ...] = ()
    joins: tuple[tuple[str, str], ...] = ()


def last_layer(name: str, *, beside: tuple[Any, ...] | None = None) -> Finish:
    """Make a branch's result by its only last layer.

    beside: what the branch returns behind it in a tuple; None where it returns a tensor alone.
    """

    def finish(branch: Any, inputs: Mapping[str, Tensor], arguments: tuple[Any, ...]) -> Any:
        result = branch.get_submodule(name)(inputs[name])
        return result if beside is None else (result, *beside)

    return finish


class BlockwiseModel(Protocol):
    """A model that can be run one block at a time."""

    def blocks(self) -> Iterator[Block]:
        """Yield every block in execution order."""
        ...

    def outer_names(self) -> tuple[str, ...]:
        """Name the tensors outside all blocks (embeddings, norms, convolution, head)."""
        ...

    def start(self, sample: Sample) -> State:
        """Compute the state that enters the first block; outer tensors are loaded."""
        ...

    def step(self, block: Block, state: State) -> State:
        """Run one block, and the glue that precedes it, on one sequence."""
        ...


@runtime_checkable
class HasHead(Protocol):
    """A blockwise model whose head ``lm_head`` can be quantized like any other linear layer."""

    def head_source(self) -> str:
        """Name the stored tensor that holds the head: the embedding's where both are one."""
        ...

    def head_inputs(self, state: State) -> Tensor:
        """What the head multiplies, (1, T, width), of the state behind the last block."""
        ...
