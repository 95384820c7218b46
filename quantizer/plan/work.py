"""Work of a run by kind, and that of one layer's solver.

Counted from the code of ``quantizer.solvers.solver``.
"""

from dataclasses import dataclass, field

from quantizer.plan.machine import Speed
from quantizer.plan.workload import LinearShape, stages
from quantizer.solvers.gptq import SPAN_COLUMNS
from quantizer.solvers.methods import Settings
from quantizer.solvers.rpiq import column_blocks

CARRYING = 1e9
"""Bytes a second from rank to rank, as Gloo carried them over loopback on a processor of 2024."""

_BLOCK, _SLAB, _STRIP = 128, 512, 1024  # columns that are worked on together
_SCALES = 16  # that the Hessian-weighted grid tries
_RESCALINGS = 4  # that the first round of rpiq tries
# Elementwise steps on every weight.
_FEEDING_BACK, _COORDINATE, _ACCEPTING, _MEASURING, _GRID = 12.0, 16.0, 30.0, 50.0, 8.0
# Kernels that a card starts, counted on the pretend one: for a candidate that is packed and
# measured, a search of grids or factorization, GPTQ's blocks, and rpiq's blocks, once and in every
# round, and its groups.
_TRYING, _PROPOSING, _WALKED = 150.0, 420.0, 8.0
_REFINING, _ROUND, _GROUP = 25.0, 26.0, 60.0


@dataclass(slots=True)
class Work:
    """Operations in large products and in walks over columns, and elementwise steps.

    products:        multiplications and additions, of matrices.
    walks:           those of one column after the other, within spans of columns. A processor also
        multiplies by the noughts of the columns of a span whose turn has not come.
    spans:           those from one span to those behind it: products on a processor, and a part of
        the walk in a card's kernel.
    elements:        values that elementwise steps make anew.
    launches:        kernels that a card starts, with the fused ones of ``solvers.fused``.
    copied:          bytes between the host and a card, while nothing is computed.
    carried:         bytes from one rank to another.
    brought:         bytes that come to a card while so many operations in products are computed,
        which are counted above; by both, how often.
    """

    products: float = 0.0
    walks: float = 0.0
    spans: float = 0.0
    elements: float = 0.0
    launches: float = 0.0
    copied: float = 0.0
    carried: float = 0.0
    brought: dict[tuple[float, float], float] = field(default_factory=dict)

    @property
    def moved(self) -> float:
        """All bytes between the host and a card."""
        return self.copied + sum(size * times for (size, _), times in self.brought.items())

    def bring(self, size: float, products: float, times: float) -> None:
        """Add bytes that come while something is computed, so many times."""
        if size:
            self.brought[size, products] = self.brought.get((size, products), 0.0) + times

    def add(self, other: "Work", times: float = 1.0) -> None:
        """Add other work, so many times."""
        self.products += times * other.products
        self.walks += times * other.walks
        self.spans += times * other.spans
        self.elements += times * other.elements
        self.launches += times * other.launches
        self.copied += times * other.copied
        self.carried += times * other.carried
        for (size, products), count in other.brought.items():
            self.bring(size, products, times * count)

    def times(self, speed: Speed) -> dict[str, float]:
        """Seconds by kind of work; they follow one another, so that their sum errs upwards.

        Only what is brought comes beside products, the next state beside those of the present one.
        """
        return {
            "matrix products": self.products / speed.matmul,
            "walks over columns": self._walking(speed),
            "elementwise steps": self.elements / speed.elementwise,
            "starting kernels": self.launches * speed.launch,
            "copies to and from the card": self.copied / speed.link + self._waiting(speed),
            "exchange between ranks": self.carried / CARRYING,
        }

    def _walking(self, speed: Speed) -> float:
        """Seconds of the walks; only a card's kernels take time to start."""
        if speed.launch:
            return (self.walks + self.spans) / speed.vector
        return 2.0 * self.walks / speed.vector + self.spans / speed.matmul

    def _waiting(self, speed: Speed) -> float:
        """Seconds that products wait for what comes meanwhile."""
        return sum(
            times * max(0.0, size / speed.link - products / speed.matmul)
            for (size, products), times in self.brought.items()
        )


def solver_work(layer: LinearShape, settings: Settings) -> Work:
    """Work of one layer's solver."""
    count, square = float(layer.count), float(layer.count) * layer.in_features
    group = min(settings.group_size, layer.in_features)
    kept = stages(settings)
    # Every stage is measured on the fitting and on the held-out tokens; H is read by half.
    reading = 1.0 + min(1.0, _STRIP / layer.in_features)
    work = Work(products=2.0 * reading * kept * square, elements=_MEASURING * kept * count)
    work.launches += _TRYING * kept
    work.add(proposal_work(layer, settings))
    if settings.method in ("rtn", "gptq"):
        return work
    if settings.method == "rpiq-paper":
        # R, then products with the factor and the Gram matrix; a round is measured off and on
        # the grid.
        work.products += 2.0 * square
        groups = layer.in_features / group
        work.launches += (_REFINING + _ROUND * settings.rounds) * groups + _TRYING * settings.rounds
        work.add(
            Work(products=6.0 * group * count + 4.0 * square, elements=40 * count), settings.rounds
        )
        work.products += 6.0 * 2.0 * square  # three weights, each on two or three sets of tokens
        return work
    work.products += reading * square  # J before the first round
    blocks = len(column_blocks(layer.in_features, group))
    work.launches += (_REFINING + _ROUND * settings.rounds) * blocks
    work.launches += _GROUP * layer.in_features / group
    work.elements += settings.rounds * _ACCEPTING * count
    block = min(_BLOCK, layer.in_features)
    feeding_back = _walk(block, count)
    # A card's kernel takes the columns behind along, too.
    coordinate = _walk(block, count, elements=_COORDINATE)
    coordinate.add(Work(products=2.0 * block * count, spans=block * count))
    within = 2.0 * min(_SLAB, layer.in_features) + 12.0 * block
    work.products += settings.rounds * (2.0 * square + within * count)
    work.add(feeding_back, settings.rounds)
    work.add(coordinate, settings.rounds - 1)  # the first round tries new scales in its place
    work.products += 2.0 * (_RESCALINGS + 3) * group * count
    work.add(_walk(group, count, elements=2 * _FEEDING_BACK), _RESCALINGS)
    return work


def proposal_work(layer: LinearShape, settings: Settings) -> Work:
    """The grid, and GPTQ on it where the method has it."""
    count = float(layer.count)
    work = Work(launches=_PROPOSING)
    if settings.grid == "hessian":
        group = min(settings.group_size, layer.in_features)
        work.add(Work(products=2.0 * group * count, elements=_GRID * count), _SCALES)
    if settings.method != "rtn":
        # Each column gathers the errors of the up to 128 before it.
        work.launches += _WALKED * -(-layer.in_features // _BLOCK)
        work.products += count * layer.in_features
        work.add(_walk(min(_BLOCK, layer.in_features), count))
    return work


def _walk(block: int, count: float, elements: float = _FEEDING_BACK) -> Work:
    """One walk over all columns, in blocks of so many.

    count: weights; elements: elementwise steps on each.
    """
    span = min(SPAN_COLUMNS, block)
    return Work(walks=span * count, spans=(block - span) * count, elements=elements * count)
