"""The moments of a whole run at which host and device hold the most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from models.families import OpenedModel
from models.files.checkpoint import CheckpointReader
from quantizer.plan.buffers import Buffer, Moment, peak
from quantizer.plan.machine import Machine
from quantizer.plan.memory import (
    FINISHED,
    OUTER,
    READING,
    STATES,
    TABLE,
    TWIN,
    OuterBytes,
    block_bytes,
    block_moments,
    comparing_moments,
    keeping_moments,
    outer_bytes,
    state_bytes,
    state_dtype,
)
from quantizer.plan.workload import BlockShape, CalibrationShape
from quantizer.recipes.recipe import Recipe

ALLOCATOR = "allocator"

_LIBRARY_BYTES = 48 * 2**20
"""What MKL and oneDNN take for products and factors in their own memory, and the pages of code
that a process first touches when it computes."""

_PAGE_BYTES = 4096  # to which the system rounds a large tensor up

# CUDA's caching allocator gives large tensors whole pieces of 2 MiB and shares pieces of 20 MiB
# among the small; cuBLAS and cuSOLVER work in memory of up to 32 MiB each.
_PIECE_BYTES = 2 * 2**20
_SMALL_BYTES = 20 * 2**20
_CUDA_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What the peaks depend on.

    followed: the sequences on the full-precision path.
    outer:    what lies outside all blocks.
    """

    blocks: Sequence[BlockShape]
    calibration: CalibrationShape
    followed: CalibrationShape
    recipe: Recipe
    outer: OuterBytes

    @classmethod
    def of(
        cls,
        opened: OpenedModel,
        reader: CheckpointReader,
        blocks: Sequence[BlockShape],
        calibration: CalibrationShape,
        followed: CalibrationShape,
        recipe: Recipe,
    ) -> "PlannedRun":
        """Look at the tensors outside all blocks."""
        outer = outer_bytes(opened, reader)
        if not calibration.all:  # then nothing outside the blocks is loaded
            outer = replace(outer, stays=0.0, table=0.0, loaded=0.0)
        return cls(blocks, calibration, followed, recipe, outer)

    def states(self, *, first: bool) -> Buffer:
        """States of all sequences at a block."""
        width = state_dtype(self.calibration, self.followed).itemsize
        size = state_bytes(self.calibration, self.followed, width, first=first)
        return Buffer(STATES, "states", size)

    def starting(self) -> Buffer:
        """While a sequence becomes its first state: convolved, cut, joined, shifted."""
        state = max((s.state for s in self.calibration.all), default=0)
        sample = max((s.sample for s in self.calibration.all), default=0)
        return Buffer("activations", "a sequence before the first block", 4.0 * state + sample)


def host_peak(run: PlannedRun, machine: Machine) -> Moment:
    """The moment at which the process holds the most memory of the host."""
    # Sequences that were drawn are in the process already, and become states.
    drawn = sum(sequence.sample for sequence in run.calibration.all)
    base = [Buffer("Python and libraries", "the process", float(machine.base - drawn))]
    moments = _on_one_machine(run) if machine.free_device is None else _beside_a_gpu(run)
    reached = peak(moment.beside(base) for moment in moments)
    pages = float(_PAGE_BYTES * len(reached.buffers))
    slack = (
        Buffer(ALLOCATOR, "work space of libraries", float(_LIBRARY_BYTES)),
        Buffer(ALLOCATOR, "ends of pages", pages),
    )
    return Moment(reached.name, (*reached.buffers, *slack))


def device_peak(run: PlannedRun) -> Moment:
    """The moment at which a GPU holds the most."""
    outer = Buffer(OUTER, "outer tensors", run.outer.stays)
    moments = [Moment("starting", (run.starting(),))]
    for block in run.blocks:
        moments += block_moments(block, run.calibration, run.followed, run.recipe, on_gpu=True)
    reached = peak(moments).beside([outer])
    pieces = float(_PIECE_BYTES * sum(x.size > _PIECE_BYTES / 2 for x in reached.buffers))
    slack = (
        Buffer(ALLOCATOR, "work space of cuBLAS and cuSOLVER", float(_CUDA_BYTES)),
        Buffer(ALLOCATOR, "ends of pieces", pieces + _SMALL_BYTES),
    )
    return Moment(reached.name, (*reached.buffers, *slack))


def _on_one_machine(run: PlannedRun) -> Iterator[Moment]:
    """Moments of a run on the CPU."""
    outer = Buffer(OUTER, "outer tensors", run.outer.stays)
    table = Buffer(TABLE, "words", run.outer.table)
    threads = torch.get_num_threads()
    for index, block in enumerate(run.blocks):
        beside = [run.states(first=index == 0), table, outer]
        for moment in block_moments(
            block, run.calibration, run.followed, run.recipe, threads=threads
        ):
            yield moment.beside(beside)
    yield from _around(run, [table, outer])


def _beside_a_gpu(run: PlannedRun) -> Iterator[Moment]:
    """Moments of the host while a GPU computes."""
    table = Buffer(TABLE, "words", run.outer.table)
    for index, block in enumerate(run.blocks):
        beside = [run.states(first=index == 0), table]
        finished = Buffer(FINISHED, "codes and grids", 2.0 * sum(x.count for x in block.linears))
        twin = Buffer(TWIN, "waiting", block_bytes(block) if run.followed.all else 0.0)
        copied = Buffer(READING, "other tensors", float(sum(block.others.values())))
        yield Moment(f"{block.name}: quantizing", (*beside, twin, finished))
        yield Moment(f"{block.name}: copying the rest", (*beside, finished, copied))
        reading = Buffer(READING, "a tensor as stored and in float32", 3.0 * block.largest)
        yield Moment(f"{block.name}: reading it", (*beside, reading))
        for moment in keeping_moments(block, run.recipe):
            yield moment.beside(beside)
    yield from _around(run, [table])


def _around(run: PlannedRun, outer: list[Buffer]) -> Iterator[Moment]:
    """Before the first block and behind the last."""
    states = run.states(first=True)
    reading = Buffer(READING, "a tensor as stored and in float32", run.outer.loaded)
    yield Moment("reading outer tensors", (states, *outer, reading))
    yield Moment("starting", (states, *outer, run.starting()))
    for moment in comparing_moments(run.blocks, run.outer.copied):
        yield moment.beside(outer[:1])
