"""Who solves which layer, where several processes share a run.

Layers of a group share one input and are solved at once; groups of a block follow one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from quantizer.plan.machine import Speed
from quantizer.plan.work import Work, proposal_work, solver_work
from quantizer.plan.workload import LinearShape, chooses_gamma
from quantizer.solvers.methods import Settings
from quantizer.solvers.target import GAMMAS

_USUAL_SPEED = Speed(matmul=50e9, vector=5e9, elementwise=0.5e9)
"""About one thread of a processor. Ranks must deal alike, so none measures its own."""


@dataclass(frozen=True, slots=True)
class Dealt:
    """The ranks that solve a group.

    proposals: of GPTQ for each share γ and layer, where γ is chosen.
    layers:    of each layer.
    """

    proposals: dict[tuple[float, str], int]
    layers: dict[str, int]

    @property
    def solvers(self) -> frozenset[int]:
        """All ranks that need the group's statistics."""
        return frozenset((*self.proposals.values(), *self.layers.values()))


def deal_group(
    layers: Sequence[LinearShape], settings: Settings, size: int, *, chooses: bool = True
) -> Dealt:
    """Deal what a group's solution consists of to so many ranks.

    chooses: False where γ is not chosen although the settings ask for it.
    """
    names = [layer.name for layer in layers]
    whole = [_seconds(layer, settings, proposal=False) for layer in layers]
    proposals: dict[tuple[float, str], int] = {}
    if chooses and chooses_gamma(settings):
        tasks = [(gamma, layer) for gamma in GAMMAS for layer in layers]
        owners = deal([_seconds(layer, settings, proposal=True) for _, layer in tasks], size)
        proposals = {
            (gamma, layer.name): owner for (gamma, layer), owner in zip(tasks, owners, strict=True)
        }
    return Dealt(proposals, dict(zip(names, deal(whole, size), strict=True)))


def deal(costs: Sequence[float], size: int) -> list[int]:
    """Deal tasks so that the busiest rank is done early; return the rank of each task.

    Greedy: the costliest first, each to the rank that has least to do, the lowest of equals.
    """
    loads = [0.0] * size
    owners = [0] * len(costs)
    for task in sorted(range(len(costs)), key=lambda task: -costs[task]):
        owners[task] = loads.index(min(loads))
        loads[owners[task]] += costs[task]
    return owners


def usual_seconds(work: Work) -> float:
    """What work takes on a usual processor, by which tasks are compared."""
    return sum(work.times(_USUAL_SPEED).values())


def _seconds(layer: LinearShape, settings: Settings, *, proposal: bool) -> float:
    return usual_seconds((proposal_work if proposal else solver_work)(layer, settings))
