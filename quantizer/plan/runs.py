"""How often the steps of a block are computed while its groups are solved one after the other.

Follows ``quantizer.run.gathering`` and ``quantizer.run.resuming`` for one sequence: a pass to every
group whose inputs it calibrates, and one to the end of the block, each leaving out what is known.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from quantizer.plan.buffers import FLOAT
from quantizer.plan.workload import BlockShape, SequenceShape, Step


@dataclass(slots=True)
class Runs:
    """What one sequence takes.

    each: of every pass, how often the layers of each step are computed, in the order of
        ``BlockShape.steps``; and how many such passes there are.
    """

    each: list[tuple[tuple[float, ...], float]] = field(default_factory=list)

    @property
    def passes(self) -> float:
        """How often the sequence's state enters the block."""
        return sum(times for _, times in self.each)

    @property
    def computed(self) -> float:
        """How many steps are computed."""
        return sum(times * sum(steps) for steps, times in self.each)

    def add(self, other: "Runs", times: float) -> None:
        """Add another sequence's, so many times."""
        self.each += [(steps, times * count) for steps, count in other.each]


def once(block: BlockShape) -> Runs:
    """One pass through the whole block."""
    return Runs([((1.0,) * len(block.steps), 1.0)])


def runs_of(
    block: BlockShape,
    fed: Collection[int],
    kept: Collection[str],
    *,
    exact: bool = False,
    trials: Mapping[int, int] | None = None,
) -> Runs:
    """Count for a sequence from the block's beginning to its end.

    fed:    the steps whose layers are solved from its inputs there.
    kept:   branches of which there is room to keep what it computes.
    exact:  whether the layers are not changed: the pass to the last group runs on to the end.
    trials: how often the block's output is tried behind the pass to a step.
    """
    course = _Course(block, kept)
    solved = [index for index, step in enumerate(block.steps) if step.quantized]
    for index in solved:
        if index in fed and not (exact and index == solved[-1]):
            course.reach(index)
        for _ in range((trials or {}).get(index, 0)):
            course.finish()
    course.finish()
    return course.runs


@dataclass(slots=True)
class _Course:
    """One sequence on its way; ``known`` says of a branch whether its result is known, or else
    what enters its last layers."""

    block: BlockShape
    kept: Collection[str]
    known: dict[str, bool] = field(default_factory=dict)
    runs: Runs = field(default_factory=Runs)

    def reach(self, index: int) -> None:
        """A pass to the inputs of a step."""
        step = self.block.steps[index]
        if step.end and step.branch in self.known:
            return
        steps = self._before(index)
        if step.end:
            keeps = step.branch in self.kept
            for other, place in self._of(step.branch):
                strand = keeps or not step.strand or other.strand == step.strand
                if not other.end and strand:
                    steps[place] = 1.0
            if keeps:
                self.known[step.branch] = False
        self.runs.each.append((tuple(steps), 1.0))

    def finish(self) -> None:
        """A pass to the end of the block."""
        self.runs.each.append((tuple(map(self._missing, self.block.steps)), 1.0))

    def _before(self, index: int) -> list[float]:
        """What runs before the branch of a step, or before a step of no branch."""
        own = self.block.steps[index].branch
        first = next(place for _, place in self._of(own)) if own else index
        earlier = self.block.steps[:first]
        steps = [self._missing(step) for step in earlier]
        for branch in {step.branch for step in earlier} & set(self.kept):
            waiting = any(other.quantized for other, at in self._of(branch) if at >= index)
            if not waiting:
                self.known[branch] = True
        return steps + [0.0] * (len(self.block.steps) - first)

    def _missing(self, step: Step) -> float:
        """Whether a pass must compute a step of a part that lies before its end."""
        if step.branch not in self.known:
            return 1.0
        return float(step.end and not self.known[step.branch])

    def _of(self, branch: str) -> Iterator[tuple[Step, int]]:
        return ((step, place) for place, step in enumerate(self.block.steps)
                if step.branch == branch)  # fmt: skip


def kept_bytes(
    block: BlockShape, sequences: Sequence[SequenceShape], piece: int = 1
) -> dict[str, tuple[float, float]]:
    """By branch, what enters its last layers and what it returns, of all sequences.

    piece: to whole multiples of which a tensor is rounded up.
    """
    sizes: dict[str, tuple[float, float]] = {}
    for step in block.steps:
        if not step.branch:
            continue
        entering, result = sizes.get(step.branch, (0.0, 0.0))
        if step.end:
            first = not entering
            for sequence in sequences:
                layer = step.layers[0]
                entering += _whole(sequence.reaching(layer.name) * layer.in_features, piece)
                if first:
                    result += _whole(sequence.passing(layer.name) * layer.out_features, piece)
        sizes[step.branch] = entering, result
    return sizes


def _whole(values: int, piece: int) -> float:
    return float(-(-values * FLOAT // piece) * piece)


def needed_room(sizes: Mapping[str, tuple[float, float]]) -> float:
    """The most bytes that are kept at once, where everything is."""
    most = before = 0.0
    for entering, result in sizes.values():
        most = max(most, before + max(entering, result))
        before += result
    return most


def kept_shares(sizes: Mapping[str, tuple[float, float]], room: float) -> dict[str, float]:
    """The share of all sequences of which a branch is kept, 0 to 1, as they come first."""
    shares = {}
    for branch, (entering, result) in sizes.items():
        most = max(entering, result)
        shares[branch] = share = min(1.0, max(room, 0.0) / most) if most else 1.0
        room -= share * result if room < inf else 0.0
    return shares


def classes(shares: Mapping[str, float]) -> Iterator[tuple[frozenset[str], float]]:
    """Sequences by the branches that are kept of them, with the share of each kind."""
    below = 0.0
    for share in sorted({*shares.values(), 1.0}):
        if share > below:
            yield frozenset(branch for branch, own in shares.items() if own >= share), share - below
            below = share
