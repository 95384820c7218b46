"""The tensors that are held at one moment of a run, by name and size.

A plan lists, for every moment that may be the peak, each tensor that the code may hold then. The
most that a run takes is the largest of those sums, so a plan errs upwards: a tensor that is named
but freed already costs accuracy, and none is left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

Parts = dict[str, float]
"""Bytes by what they are for."""

FLOAT = 4
"""Bytes of a float32."""

# Parts, as people see them.
PROCESS = "Python and libraries"
STATES = "calibration states"
KEPT = "kept inside the block"
TABLE = "embedding table"
OUTER = "outer tensors"
WEIGHTS = "weights of one block"
TWIN = "full-precision block"
FINISHED = "finished layers of the block"
STATISTICS = "statistics"
ACTIVATIONS = "activations"
SOLVER = "solver"
READING = "reading"
ALLOCATOR = "allocator"


@dataclass(frozen=True, slots=True)
class Buffer:
    """One tensor, or a few of one kind.

    part: what it is for, under which people see it summed up.
    size: bytes.
    """

    part: str
    name: str
    size: float


@dataclass(frozen=True, slots=True)
class Moment:
    """What is held at once while something is done; ``name`` says what."""

    name: str
    buffers: tuple[Buffer, ...]

    @property
    def size(self) -> float:
        """Bytes of all buffers."""
        return sum(buffer.size for buffer in self.buffers)

    @property
    def parts(self) -> Parts:
        """Bytes by part, in the order in which the parts first appear."""
        sums: Parts = {}
        for buffer in self.buffers:
            sums[buffer.part] = sums.get(buffer.part, 0.0) + buffer.size
        return sums

    def beside(self, others: Iterable[Buffer], name: str | None = None) -> "Moment":
        """The same moment while ``others`` are held too."""
        return Moment(self.name if name is None else name, (*others, *self.buffers))

    def largest(self, count: int) -> tuple[Buffer, ...]:
        """So many of its buffers, the largest first."""
        ordered = sorted(self.buffers, key=lambda buffer: -buffer.size)
        return tuple(buffer for buffer in ordered[:count] if buffer.size)


def peak(moments: Iterable[Moment]) -> Moment:
    """The moment at which most is held.

    Raises:
        ValueError: there is no moment.
    """
    return max(moments, key=lambda moment: moment.size)
