"""What a walk over a model's blocks reads, what it reports, and what it asks of an earlier run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from models.files.quantized_source import TensorSource
from models.int4.weight import QuantizedWeight
from quantizer.report.report import ModuleReport
from quantizer.solvers.gptq import LayerProblem
from quantizer.solvers.solver import Solution


class WeightSource(TensorSource, Protocol):
    """Where a walk reads weights: a checkpoint, or the tensors of a model in memory."""

    def size(self, name: str) -> int:
        """Return a tensor's bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; ``done`` of ``total`` linear layers are quantized."""

    module: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FinishedBlock:
    """What one block became.

    layers: quantized weights by the layer's full name.
    others: every other tensor of the block, as the source has it, by full name.
    states: checksum of all calibration states behind the block.
    """

    name: str
    layers: dict[str, QuantizedWeight]
    others: dict[str, Tensor]
    modules: tuple[ModuleReport, ...]
    states: str


class EarlierRun(Protocol):
    """What an interrupted run left, for a walk that continues it."""

    def layers(self, block: str) -> dict[str, QuantizedWeight] | None:
        """The quantized layers of a block by full name, None where it is not finished."""
        ...

    def gammas(self, block: str) -> Mapping[str, float | None]:
        """The share of the correction that each layer of a finished block took, by full name."""
        ...

    def replayed(self, block: str, states: str) -> None:
        """Hear the checksum of the states that were computed again behind a finished block."""
        ...


@dataclass(frozen=True, slots=True)
class Observed:
    """One layer as the solver met it, for those who compare methods on the same statistics.

    held_out:    Hessian (in, in) of the held-out sequences, None where they sent no token.
    last_inputs: (tokens, in) on the last fitting sequence, None unless the walk keeps them.
    solution:    what the walk goes on with.
    """

    name: str
    problem: LayerProblem
    held_out: Tensor | None
    last_inputs: Tensor | None
    solution: Solution
