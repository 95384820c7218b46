"""The most memory that a run will hold: what lies there at each moment that may be the peak.

Counted tensor by tensor from the code of ``quantizer.run.walk`` and ``quantizer.run.pipeline``;
what groups of layers, solvers and passes hold stands in the modules beside this one. Tests hold it
to what torch's allocator records. Sizes are bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from models.families import OpenedModel
from models.files.checkpoint import CheckpointReader
from quantizer.importance.loss import HEAD
from quantizer.plan.buffers import FINISHED, FLOAT, READING, WEIGHTS, Buffer, Moment
from quantizer.plan.groups import Group, solving_moments, statistics_moments
from quantizer.plan.passing import pass_moments
from quantizer.plan.solving import LayerBytes
from quantizer.plan.workload import BlockShape, CalibrationShape, is_asymmetric
from quantizer.recipes.recipe import Recipe
from quantizer.run.outer import word_tables

MOST_STATES = 4.0e9
"""Bytes that the states of all sequences may take in host memory before they are halved."""


def block_moments(
    block: BlockShape,
    calibration: CalibrationShape,
    followed: CalibrationShape,
    recipe: Recipe,
    *,
    on_gpu: bool = False,
    threads: int = 1,
    double: bool = False,
    ranks: int = 1,
    whole: CalibrationShape | None = None,
) -> Iterator[Moment]:
    """What lies where the block is computed, at the moments that may be its peak.

    followed: the sequences on the full-precision path, empty without it.
    on_gpu:   the copy of the block for that path then waits on the host while it computes nothing.
    double:   whether Hessians can be factorized in float64 only.
    ranks:    how many processes share the run, of which this is one with its sequences.
    whole:    the sequences of all of them; None for these.
    """
    weights = block_bytes(block)
    standing = [Buffer(WEIGHTS, "the block", weights)]
    twin = [Buffer(WEIGHTS, "its full-precision copy", weights)] if followed.all else []
    resting = [] if on_gpu else twin
    reading = Buffer(READING, "a tensor as it is stored and in float32", 3.0 * block.largest)
    yield Moment("reading the block", (*standing, *twin, reading))
    passing = list(pass_moments(block, calibration, on_gpu=on_gpu, threads=threads))
    for moment in passing:  # the goal of the full-precision path
        yield moment.beside([*standing, *twin])
    finished = [Buffer(FINISHED, "codes and grids", 0.0)]
    for layers in block.groups:
        name = layers[0].name
        settings = recipe.settings_of(name)
        group = Group(
            layers,
            settings,
            calibration,
            followed if is_asymmetric(settings) else CalibrationShape(),
            (whole or calibration).tokens(name, recipe.rule(name).stream)[0],
            recipe.rule(name).stream != "all",
            double,
            on_gpu,
            len(followed.fitting),
            ranks,
            settings.residual_target and name in block.joins,
        )
        both = twin if group.followed.all else resting
        for moment in statistics_moments(group, passing):
            yield moment.beside([*standing, *both, *finished], f"{name}: {moment.name}")
        for moment in solving_moments(group, passing):
            yield moment.beside([*standing, *resting, *finished], f"{name}: {moment.name}")
        done = finished[0].size + group.stored
        finished = [Buffer(FINISHED, "codes and grids", done)]
    for moment in passing:
        yield moment.beside([*standing, *twin, *finished], f"{block.name}: {moment.name}")
    if not on_gpu:
        copied = [Buffer(READING, "other tensors", float(sum(block.others.values())))]
        yield Moment("copying the rest", (*standing, *twin, *finished, *copied))
        yield from keeping_moments(block, recipe)


def block_bytes(block: BlockShape) -> float:
    """A block in float32: its linear layers, and whatever else it holds, stored in two bytes."""
    linears = {f"{layer.name}.weight" for layer in block.loaded}
    rest = sum(size for name, size in block.others.items() if name not in linears)
    return float(sum(layer.count for layer in block.loaded) * FLOAT + 2 * rest)


def twin_bytes(block: BlockShape, followed: CalibrationShape) -> float:
    """Bytes of the full-precision copy of a block, nothing where no path follows it."""
    return block_bytes(block) if followed.all else 0.0


def keeping_moments(block: BlockShape, recipe: Recipe) -> Iterator[Moment]:
    """While a finished block is written and hashed on the host, its weights gone."""
    others = float(sum(block.others.values()))
    sizes = [LayerBytes.of(x, recipe.settings_of(x.name)) for x in block.linears]
    if not sizes:
        yield Moment("writing a block", (Buffer(FINISHED, "other tensors", others),))
        return
    finished = (
        Buffer(FINISHED, "codes and grids", sum(size.stored for size in sizes)),
        Buffer(FINISHED, "other tensors", others),
        Buffer(FINISHED, "packed tensors", sum(size.stored for size in sizes)),
    )
    widest = max(size.weight for size in sizes)
    hashed = Buffer(READING, "a weight, its bytes and what it is made of", 5.0 * widest)
    yield Moment("hashing a block", (*finished, hashed))


def comparing_moments(blocks: Sequence[BlockShape], largest: float) -> Iterator[Moment]:
    """While the result is read back.

    largest: bytes of the largest tensor that is copied.
    """
    yield Moment("comparing with the source", (Buffer(READING, "both tensors", 2.0 * largest),))
    widest = max((layer.count for block in blocks for layer in block.linears), default=0)
    hashed = Buffer(READING, "a weight, its bytes and what it is made of", 5.75 * FLOAT * widest)
    yield Moment("reading the result back", (hashed,))


def state_bytes(
    calibration: CalibrationShape,
    followed: CalibrationShape,
    width: int = FLOAT,
    *,
    first: bool,
) -> float:
    """States of all sequences at a block, and on the full-precision path beside them.

    width: bytes of a stored value, see `state_dtype`.
    first: before the first block both paths share their states, those held out throughout.
    """
    share = width / FLOAT
    states = sum(max(share * s.state, s.sample if first else 0) for s in calibration.all)
    states += max((s.state for s in calibration.all), default=0)  # one before and after a block
    # Statistics of a block's last layers carry the fitting sequences of that path on.
    states += share * sum(s.state for s in (followed.fitting if first else followed.all))
    # The next states of the judging sequences are computed before the block is quantized.
    return states + share * sum(s.state for s in followed.held_out)


def state_dtype(calibration: CalibrationShape, followed: CalibrationShape) -> torch.dtype:
    """How states are stored between blocks: float32 where that takes at most `MOST_STATES`.

    Otherwise bfloat16, in which the model itself computes when it is used. The choice depends on
    model, recipe and data alone, so that it is the same on every machine.
    """
    exact = state_bytes(calibration, followed, first=False)
    return torch.float32 if exact <= MOST_STATES else torch.bfloat16


@dataclass(frozen=True, slots=True)
class OuterBytes:
    """Sizes of what lies outside all blocks.

    stays:  tensors that the device holds in float32 throughout.
    table:  the table of words, which stays on the host as it is stored.
    loaded: the largest tensor of the first kind as it is read, stored and in float32.
    copied: the largest of all tensors, stored.
    head:   words and width of the matrix that makes logits; (0, 0) if there is none.
    """

    stays: float
    table: float
    loaded: float
    copied: float
    head: tuple[int, int] = (0, 0)


def outer_bytes(opened: OpenedModel, reader: CheckpointReader) -> OuterBytes:
    """Look at the headers of the tensors outside all blocks."""
    inside = tuple(f"{block.name}." for block in opened.blockwise.blocks())
    outer = [name for name in reader.names() if not name.startswith(inside)]
    used = set(opened.blockwise.outer_names())
    loaded = [name for name in outer if name in used and not name.startswith("lm_head.")]
    tables = word_tables(opened.module)
    wide = {
        name: reader.size(name) // reader.dtype(name).itemsize * FLOAT
        for name in loaded
        if name not in tables
    }
    return OuterBytes(
        stays=float(sum(wide.values())),
        table=float(sum(reader.size(name) for name in loaded if name in tables)),
        loaded=float(max((reader.size(name) + size for name, size in wide.items()), default=0)),
        copied=float(max((reader.size(name) for name in outer), default=0)),
        head=head_shape([*tables, *(name for name in used if name.startswith(HEAD))], reader),
    )


def head_shape(names: Sequence[str], reader: CheckpointReader) -> tuple[int, int]:
    """Words and width of the last tensor of these that a checkpoint holds: a head is in its own
    or in the table of words."""
    shapes = [reader.shape(name) for name in names if name in reader]
    return (shapes[-1][0], shapes[-1][1]) if shapes else (0, 0)
