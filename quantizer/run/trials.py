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

    def tries_all(self, kind: Kind, settings: Settings) -> bool:
        """Whether a group may try all shares, if its statistics leave the choice."""
        before = self._taken.get((kind, settings), [])
        return tries_shares(len(before))

    def worth_trying(
        self, kind: Kind, settings: Settings, gammas: tuple[float, ...]
    ) -> tuple[float, ...]:
        """Of the shares that could be tried, all, or the one that the block before took.

        Where statistics leave no choice, neither is anything taken over.
        """
        if len(gammas) == 1 or self.tries_all(kind, settings):
            return gammas
        return (self._taken[kind, settings][-1],)

    def took(self, kind: Kind, settings: Settings, gamma: float) -> None:
        """Hear what a group took, in the order of the blocks."""
        self._taken.setdefault((kind, settings), []).append(gamma)
