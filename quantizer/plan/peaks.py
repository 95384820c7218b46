"""The moments of a whole run at which host and device hold the most."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, log2

import torch

from models.families import OpenedModel
from models.files.checkpoint import CheckpointReader
from quantizer.plan.buffers import (
    ACTIVATIONS,
    ALLOCATOR,
    FINISHED,
    FLOAT,
    KEPT,
    OUTER,
    PROCESS,
    READING,
    STATES,
    TABLE,
    TWIN,
    Buffer,
    Moment,
    peak,
)
from quantizer.plan.importance import importance_moments, kept_states
from quantizer.plan.machine import Machine
from quantizer.plan.memory import (
    OuterBytes,
    block_bytes,
    block_moments,
    comparing_moments,
    keeping_moments,
    outer_bytes,
    state_bytes,
    state_dtype,
    twin_bytes,
)
from quantizer.plan.runs import kept_bytes, needed_room
from quantizer.plan.workload import BlockShape, CalibrationShape
from quantizer.recipes.recipe import Recipe
from quantizer.run.resuming import PIECE_BYTES

_LIBRARY_BYTES = 48 * 2**20
"""What MKL and oneDNN take for products and factors in their own memory, and the pages of code
that a process first touches when it computes."""

_PAGE_BYTES = 4096  # to which the system rounds a large tensor up

# CUDA's caching allocator gives large tensors whole pieces of 2 MiB and shares pieces of 20 MiB
# among the small; cuBLAS and cuSOLVER work in memory of up to 32 MiB each, and kernels are loaded
# when they are first started.
_SMALL_BYTES = 20 * 2**20
_CUDA_BYTES = 256 * 2**20

_KEPT_SHARE = 0.75
"""Of what a card has left, the part that passes of a block may fill with what they keep; the rest
is for others, and for holes between tensors."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What the peaks depend on.

    followed: the sequences on the full-precision path.
    outer:    what lies outside all blocks.
    ranks:    how many processes share the run; the sequences are those of one.
    whole:    the sequences of all of them.
    on_card:  whether states stay on the card between blocks.
    rooms:    bytes of the card for what passes of a block keep for later ones, by the block.
    """

    blocks: Sequence[BlockShape]
    calibration: CalibrationShape
    followed: CalibrationShape
    recipe: Recipe
    outer: OuterBytes
    ranks: int = 1
    whole: CalibrationShape | None = None
    on_card: bool = False
    rooms: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        opened: OpenedModel,
        reader: CheckpointReader,
        blocks: Sequence[BlockShape],
        calibration: CalibrationShape,
        followed: CalibrationShape,
        recipe: Recipe,
        ranks: int = 1,
        whole: CalibrationShape | None = None,
    ) -> "PlannedRun":
        """Look at the tensors outside all blocks."""
        outer = outer_bytes(opened, reader)
        if not calibration.all:  # then nothing outside the blocks is loaded
            outer = replace(outer, stays=0.0, table=0.0, loaded=0.0)
        return cls(blocks, calibration, followed, recipe, outer, ranks, whole)

    def distinct(self) -> Iterator[tuple[bool, BlockShape]]:
        """The first block, and the first of all others that are alike; whether it is the first."""
        seen: set[Hashable] = set()
        for index, block in enumerate(self.blocks):
            kind = self.kind(block, first=index == 0)
            if kind not in seen:
                yield index == 0, block
            seen.add(kind)

    def kind(self, block: BlockShape, *, first: bool) -> Hashable:
        """All that its memory depends on; the first one holds other states."""
        rules = [self.recipe.rule(group[0].name) for group in block.groups]
        layers = [
            (x.name.removeprefix(block.name), x.out_features, x.in_features)
            for step in block.steps
            for x in step.layers
        ]
        return (
            first,
            tuple((rule.settings, rule.stream) for rule in rules),
            tuple(layers),
            sum(block.others.values()),
            block.largest,
        )

    def states(self, *, first: bool) -> Buffer:
        """States of all sequences at a block."""
        width = state_dtype(self.calibration, self.followed).itemsize
        size = state_bytes(self.calibration, self.followed, width, first=first)
        return Buffer(STATES, "states", size)

    def pinned(self, *, first: bool) -> Buffer:
        """The same in pinned memory of the host, which PyTorch gives by powers of two."""
        share = state_dtype(self.calibration, self.followed).itemsize / FLOAT
        sequences = (*self.calibration.all, *self.followed.all)
        rounded = [float(2 ** ceil(log2(max(share * s.state, 1.0)))) for s in sequences]
        size = sum(rounded) + 2 * max(rounded, default=0.0)  # two are on their way
        return Buffer(STATES, "pinned states", max(self.states(first=first).size, size))

    def kept(self, block: BlockShape) -> Buffer:
        """What passes of a block keep for later ones, as far as there is room."""
        sequences = (*self.calibration.all, *self.followed.fitting)
        needed = needed_room(kept_bytes(block, sequences, PIECE_BYTES))
        needed += twin_bytes(block, self.followed)
        size = min(needed, self.rooms.get(block.name, 0.0))
        return Buffer(KEPT, "results inside the block", size)

    def starting(self) -> Buffer:
        """While a sequence becomes its first state: convolved, cut, joined, shifted."""
        state = max((s.state for s in self.calibration.all), default=0)
        sample = max((s.sample for s in self.calibration.all), default=0)
        seen = max((s.start for s in self.calibration.all), default=0)
        return Buffer(ACTIVATIONS, "a sequence before the first block", 4.0 * state + sample + seen)


def _weighing(run: PlannedRun, *, on_gpu: bool, threads: int = 1) -> Iterator[Moment]:
    """While the loss is passed back to weigh tokens, if some rule asks for it."""
    if not run.recipe.weighs_tokens or not run.calibration.all:
        return
    width = state_dtype(run.calibration, run.followed).itemsize
    yield from importance_moments(
        run.blocks,
        run.calibration,
        [block_bytes(block) for block in run.blocks],
        run.outer.head,
        width,
        on_gpu=on_gpu,
        threads=threads,
    )


def _kept(run: PlannedRun) -> list[Buffer]:
    """What lies at home meanwhile."""
    width = state_dtype(run.calibration, run.followed).itemsize
    samples = float(sum(sequence.sample for sequence in run.calibration.all))
    drawn = Buffer(STATES, "sequences as they were drawn", samples)
    return [drawn, kept_states(len(run.blocks), run.calibration, width)]


def host_peak(run: PlannedRun, machine: Machine, *, double: bool = False) -> Moment:
    """The moment at which the process holds the most memory of the host.

    double: whether Hessians can be factorized in float64 only.
    """
    # Sequences that were drawn are in the process already, and become states.
    drawn = sum(sequence.sample for sequence in run.calibration.all)
    base = [Buffer(PROCESS, "the process", float(machine.base - drawn))]
    alone = machine.free_device is None
    moments = _on_one_machine(run, double) if alone else _beside_a_gpu(run)
    reached = peak(moment.beside(base) for moment in moments)
    pages = float(_PAGE_BYTES * len(reached.buffers))
    slack = (
        Buffer(ALLOCATOR, "work space of libraries", float(_LIBRARY_BYTES)),
        Buffer(ALLOCATOR, "ends of pages", pages),
    )
    return Moment(reached.name, (*reached.buffers, *slack))


def device_peak(run: PlannedRun, *, double: bool = False) -> Moment:
    """The moment at which a GPU holds the most.

    double: whether Hessians can be factorized in float64 only.
    """
    moments = [_on_card(run, Moment("starting", (run.starting(),)))]
    for first, block in run.distinct():
        moments.append(_on_card(run, _block_peak(run, block, double=double, first=first)))
    home = _kept(run) if run.on_card else []
    moments += [_on_card(run, m.beside(home)) for m in _weighing(run, on_gpu=True)]
    return peak(moments)


def rooms(run: PlannedRun, free: float) -> dict[str, float]:
    """Bytes of a card that blocks may fill with what passes keep for later ones.

    free: bytes that the card has for the whole run.
    """
    found: dict[Hashable, float] = {}
    for first, block in run.distinct():
        needed = _on_card(run, _block_peak(run, block, double=True, first=first)).size
        found[run.kind(block, first=first)] = _KEPT_SHARE * max(0.0, free - needed)
    return {
        block.name: found[run.kind(block, first=index == 0)]
        for index, block in enumerate(run.blocks)
    }


def _block_peak(run: PlannedRun, block: BlockShape, *, double: bool, first: bool) -> Moment:
    """The moment of a block at which a GPU holds the most, with what lies there all the while."""
    found = block_moments(
        block,
        run.calibration,
        run.followed,
        run.recipe,
        on_gpu=True,
        double=double,
        ranks=run.ranks,
        whole=run.whole,
    )
    states = [run.states(first=first)] if run.on_card else []
    return peak(found).beside([*states, run.kept(block)])


def _on_card(run: PlannedRun, moment: Moment) -> Moment:
    """A moment with what lies on the card besides."""
    reached = moment.beside([Buffer(OUTER, "outer tensors", run.outer.stays)])
    pieces = float(PIECE_BYTES * sum(x.size > PIECE_BYTES / 2 for x in reached.buffers))
    if run.on_card:
        pieces += PIECE_BYTES * (len(run.calibration.all) + len(run.followed.all))
    slack = (
        Buffer(ALLOCATOR, "work space and kernels of CUDA", float(_CUDA_BYTES)),
        Buffer(ALLOCATOR, "ends of pieces", pieces + _SMALL_BYTES),
    )
    return Moment(reached.name, (*reached.buffers, *slack))


def _on_one_machine(run: PlannedRun, double: bool) -> Iterator[Moment]:
    """Moments of a run on the CPU."""
    outer = Buffer(OUTER, "outer tensors", run.outer.stays)
    table = Buffer(TABLE, "table of words", run.outer.table)
    threads = torch.get_num_threads()
    for first, block in run.distinct():
        beside = [run.states(first=first), table, outer]
        moments = block_moments(
            block,
            run.calibration,
            run.followed,
            run.recipe,
            threads=threads,
            double=double,
            ranks=run.ranks,
            whole=run.whole,
        )
        for moment in moments:
            yield moment.beside(beside)
    for moment in _weighing(run, on_gpu=False, threads=threads):
        yield moment.beside([*_kept(run), table, outer])
    yield from _around(run, [table, outer])


def _beside_a_gpu(run: PlannedRun) -> Iterator[Moment]:
    """Moments of the host while a GPU computes."""
    table = Buffer(TABLE, "table of words", run.outer.table)
    for first, block in run.distinct():
        beside = [table] if run.on_card else [run.pinned(first=first), table]
        finished = Buffer(FINISHED, "codes and grids", 2.0 * sum(x.count for x in block.linears))
        twin = Buffer(TWIN, "its copy that waits", block_bytes(block) if run.followed.all else 0.0)
        copied = Buffer(READING, "other tensors", float(sum(block.others.values())))
        yield Moment(f"{block.name}: quantizing", (*beside, twin, finished))
        yield Moment(f"{block.name}: copying the rest", (*beside, finished, copied))
        reading = Buffer(READING, "a tensor as stored and in float32", 3.0 * block.largest)
        yield Moment(f"{block.name}: reading it", (*beside, reading))
        for moment in keeping_moments(block, run.recipe):
            yield moment.beside(beside)
    if run.recipe.weighs_tokens:
        yield Moment("weighing tokens", (*_kept(run), table, _reading(run)))
    yield from _around(run, [table])


def _reading(run: PlannedRun) -> Buffer:
    """The largest tensor that comes through the host on its way to a card."""
    size = max((3.0 * block.largest for block in run.blocks), default=0.0)
    head = 2.0 * FLOAT * run.outer.head[0] * run.outer.head[1]
    return Buffer(READING, "a tensor as stored and in float32", max(size, head))


def _around(run: PlannedRun, outer: list[Buffer]) -> Iterator[Moment]:
    """Before the first block and behind the last."""
    states = [] if run.on_card else [run.states(first=True)]
    reading = Buffer(READING, "a tensor as stored and in float32", run.outer.loaded)
    yield Moment("reading outer tensors", (*states, *outer, reading))
    yield Moment("starting", (*states, *outer, run.starting()))
    for moment in comparing_moments(run.blocks, run.outer.copied):
        yield moment.beside(outer[:1])
