"""Which shares γ of the correction are tried for a group of layers, and what was taken before."""

from dataclasses import dataclass, field

from quantizer.solvers.methods import Settings
from quantizer.solvers.target import tries_shares

Kind = tuple[str, ...]
"""The part of the model and the names of the layers, which the same group of all blocks shares."""


@dataclass(slots=True)
class Trials:
    """What the same groups of earlier blocks took, so that not every block tries all shares."""

    _taken: dict[tuple[Kind, Settings], list[float]] = field(default_factory=dict)

    def worth_trying(
        self, kind: Kind, settings: Settings, gammas: tuple[float, ...]
    ) -> tuple[float, ...]:
        """Of the shares that could be tried, all, or the one that the block before took.

        A share is only taken over if it could be tried: statistics may leave no choice.
        """
        before = self._taken.get((kind, settings), [])
        if len(gammas) == 1 or tries_shares(len(before)) or before[-1] not in gammas:
            return gammas
        return (before[-1],)

    def took(self, kind: Kind, settings: Settings, gamma: float) -> None:
        """Hear what a group took, in the order of the blocks."""
        self._taken.setdefault((kind, settings), []).append(gamma)
