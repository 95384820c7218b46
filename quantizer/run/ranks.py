"""The processes that share one run: what they tell each other, and a stand-in for one alone.

Every rank runs the same walk and calls the same methods in the same order; each holds some of the
calibration sequences and solves some of the layers. Rank 0 alone writes. One process is a group of
one, so that the walk has a single path; see ``quantizer.run.torchrun`` for several.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from models.errors import ModelsError
from models.int4.weight import QuantizedWeight
from quantizer.errors import QuantizerError, RankError, SettingsError
from quantizer.run.walked import EarlierRun

T = TypeVar("T")

WRITER = 0
"""The rank that holds the output and what is unfinished of it."""

MOST_RANKS = 8
"""More would hold no sequence, see ``quantizer.run.shares``."""


class Ranks(Protocol):
    """One process and those beside it.

    Each method raises ``RankError`` where another rank has ended.
    """

    @property
    def rank(self) -> int:
        """Its number, from 0."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def gather(self, value: T) -> list[T]:
        """Give every rank what each of them says, in the order of ranks."""
        ...

    def share(self, value: T | None, source: int) -> T:
        """Give every rank what ``source`` says; what the others give is not read."""
        ...

    def carry(
        self,
        tensor: Tensor | None,
        shape: tuple[int, int],
        source: int,
        to: Collection[int],
        device: torch.device | None,
    ) -> Tensor | None:
        """Bring a float32 tensor of a shape from one rank to some; the others get None.

        tensor: on ``source``, to which it is given back; None elsewhere.
        device: where it is to lie.
        """
        ...


class Alone:
    """A group of one process."""

    @property
    def rank(self) -> int:
        """See ``Ranks``, as for all of this class."""
        return 0

    @property
    def size(self) -> int:
        """One."""
        return 1

    def gather(self, value: T) -> list[T]:
        """What it says itself."""
        return [value]

    def share(self, value: T | None, source: int) -> T:
        """What it says itself.

        Raises:
            ValueError: it says nothing.
        """
        if value is None:
            raise ValueError("nothing to share")
        return value

    def carry(
        self,
        tensor: Tensor | None,
        shape: tuple[int, int],
        source: int,
        to: Collection[int],
        device: torch.device | None,
    ) -> Tensor | None:
        """The tensor itself."""
        return tensor


ALONE = Alone()


class Relayed:
    """What rank 0 found of an earlier run, for the walks of all; see ``walked.EarlierRun``."""

    def __init__(self, ranks: Ranks, own: EarlierRun | None = None) -> None:
        """own: on rank 0, what reads it."""
        self._ranks, self._own = ranks, own

    def layers(self, block: str) -> dict[str, QuantizedWeight] | None:
        """Read a finished block's layers on rank 0 and give them to all."""
        found = None if self._own is None else self._own.layers(block)
        return self._ranks.share((found,), WRITER)[0]

    def gammas(self, block: str) -> Mapping[str, float | None]:
        """See ``EarlierRun``."""
        found = None if self._own is None else dict(self._own.gammas(block))
        return self._ranks.share(found, WRITER)

    def replayed(self, block: str, states: str) -> None:
        """Compare the states on rank 0."""
        if self._own is not None:
            self._own.replayed(block, states)


def require_same(ranks: Ranks, decisive: Mapping[str, Any]) -> None:
    """Refuse ranks that see different models, data or settings.

    decisive: everything that decides the bytes of the result, by name.

    Raises:
        SettingsError: they differ; on rank 0. RankError: on the others.
    """
    every = ranks.gather(dict(decisive))
    for other, seen in enumerate(every):
        names = [name for name in every[0] if seen.get(name) != every[0][name]]
        if not names:
            continue
        text = (
            f"rank {other} does not see what rank 0 sees ({', '.join(names)} differs); give all "
            "ranks the same files and surroundings"
        )
        if ranks.rank == WRITER:
            raise SettingsError(text)
        raise RankError(text, said=True)


def in_step(ranks: Ranks, action: Callable[[], T]) -> T:
    """Do something on every rank; if it fails on one, it fails on all.

    The lowest rank on which it failed raises its own error, so that one line is said.

    Raises:
        RankError: it failed on another rank.
    """
    failure: Exception | None = None
    done: list[T] = []
    try:
        done.append(action())
    except (QuantizerError, ModelsError, OSError) as error:
        failure = error
    failed = [rank for rank, fine in enumerate(ranks.gather(failure is None)) if not fine]
    if not failed:
        return done[0]
    if failure is not None and failed[0] == ranks.rank:
        raise failure
    raise RankError(f"rank {failed[0]} could not begin", said=True)
