"""The most memory that a run will hold: what lies there at each moment that may be the peak.

Counted tensor by tensor from the code of ``quantizer.run.walk``, ``quantizer.run.gathering``,
``quantizer.run.pipeline`` and ``quantizer.solvers.target``; what solvers and passes hold stands in
``quantizer.plan.solving`` and ``quantizer.plan.passing``. Tests hold it to what torch's allocator
records. Sizes are bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from models.families import OpenedModel
from models.files.checkpoint import CheckpointReader
from quantizer.plan.buffers import FLOAT, Buffer, Moment
from quantizer.plan.passing import pass_moments
from quantizer.plan.solving import LayerBytes, proposal_moments, solution_bytes, solver_moments
from quantizer.plan.workload import (
    BlockShape,
    CalibrationShape,
    LinearShape,
    chooses_gamma,
    is_asymmetric,
)
from quantizer.recipes.recipe import Recipe
from quantizer.run.outer import word_tables
from quantizer.run.parts import kind_of
from quantizer.solvers.solver import Settings, too_few
from quantizer.solvers.target import GAMMAS, multiplies_early

MOST_STATES = 4.0e9
"""Bytes that the states of all sequences may take in host memory before they are halved."""

STATES = "calibration states"
WEIGHTS = "weights of one block"
TWIN = "full-precision block"
FINISHED = "finished layers of the block"
STATISTICS = "statistics"
SOLVER = "solver"
OUTER = "outer tensors"
TABLE = "embedding table"
READING = "reading"


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that share one input, while they are quantized.

    followed: sequences on the full-precision path, empty without it.
    tokens:   fitting tokens that reach them.
    mixed:    whether some sequences do not feed them, so that those that do may all be followed.
    """

    layers: tuple[LinearShape, ...]
    settings: Settings
    calibration: CalibrationShape
    followed: CalibrationShape
    tokens: int
    mixed: bool

    @property
    def hessian(self) -> float:
        """One Hessian of their input."""
        return float(self.layers[0].in_features ** 2 * FLOAT)

    @property
    def inputs(self) -> float:
        """Their inputs on the longest sequence."""
        kind = kind_of(self.layers[0].name)
        longest = max((s.tokens[kind] for s in self.calibration.all), default=0)
        return float(longest * self.layers[0].in_features * FLOAT)

    @property
    def weights(self) -> float:
        """Their weights in float32."""
        return float(sum(layer.count for layer in self.layers) * FLOAT)

    @property
    def stored(self) -> float:
        """Codes and grids of one candidate of every layer."""
        return sum(LayerBytes.of(layer, self.settings).stored for layer in self.layers)

    @property
    def rounded(self) -> bool:
        """Whether they are rounded, by the method or for want of tokens."""
        return self.settings.method == "rtn" or too_few(self.tokens, self.layers[0].in_features)

    @property
    def scarce(self) -> bool:
        """Whether two dampings are tried."""
        few = self.tokens < self.layers[0].in_features
        return few and self.settings.method != "rpiq-paper"

    @property
    def apart(self) -> bool:
        """Whether the full-precision path follows some of the fitting sequences only."""
        return 0 < len(self.followed.fitting) < len(self.calibration.fitting)

    @property
    def early(self) -> bool:
        """Whether WΔ is gathered in place of Δ."""
        rows = [layer.out_features for layer in self.layers]
        return multiplies_early(rows, self.layers[0].in_features)

    @property
    def shift(self) -> float:
        """Δ or WΔ, nothing without the full-precision path."""
        if not self.followed.all:
            return 0.0
        return self.layers[0].count * FLOAT if self.early else self.hessian

    @property
    def corrects_alone(self) -> bool:
        """Whether the correction has a factor of its own, see ``LayerStatistics``."""
        return self.apart or self.early


def block_moments(
    block: BlockShape,
    calibration: CalibrationShape,
    followed: CalibrationShape,
    recipe: Recipe,
    *,
    on_gpu: bool = False,
    threads: int = 1,
) -> Iterator[Moment]:
    """What lies where the block is computed, at the moments that may be its peak.

    followed: the sequences on the full-precision path, empty without it.
    on_gpu:   the copy of the block for that path then waits on the host while it computes nothing.
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
            calibration.tokens(name, recipe.rule(name).stream)[0],
            recipe.rule(name).stream != "all",
        )
        both = twin if group.followed.all else resting
        for moment in _statistics_moments(group, passing):
            yield moment.beside([*standing, *both, *finished], f"{name}: {moment.name}")
        for moment in _solving_moments(group, passing):
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


def _statistics_moments(group: Group, passing: list[Moment]) -> Iterator[Moment]:
    """While the inputs of a group are gathered, and while means are made of their sums."""
    sums = [
        Buffer(STATISTICS, "sum of the Hessian", group.hessian),
        Buffer(STATISTICS, "sum of the held-out Hessian", group.hessian),
        Buffer(STATISTICS, "sum of Δ", group.shift),
        Buffer(STATISTICS, "Hessian of the followed", group.hessian if group.apart else 0.0),
    ]
    # One path runs while the inputs of the other, and of the sequence before, are held.
    paths = 2 if group.followed.all else 1
    before = [Buffer("activations", "inputs of the paths", paths * group.inputs)]
    for moment in passing:
        yield moment.beside([*sums, *before], f"gathering, {moment.name}")
    inputs = Buffer("activations", "inputs of the paths", (1 + paths) * group.inputs)
    missing = Buffer("activations", "what misses between them", (paths - 1) * group.inputs)
    early = group.early and group.followed.all
    rows = group.inputs / group.layers[0].in_features * group.layers[0].out_features
    product = Buffer("activations", "its product with W", rows if early else 0.0)
    finite = Buffer("activations", "looking for NaN", 1.5 * group.inputs)
    yield Moment("adding up", (*sums, inputs, missing, product, finite))
    means = [
        Buffer(STATISTICS, "Hessian", group.hessian),
        Buffer(STATISTICS, "held-out Hessian", group.hessian if group.calibration.held_out else 0),
        Buffer(STATISTICS, "Δ", group.shift),
    ]
    yield Moment("making means", (*sums, *means, inputs))


def _solving_moments(group: Group, passing: list[Moment]) -> Iterator[Moment]:
    """While the layers of a group are solved from their statistics."""
    settings, hessian = group.settings, group.hessian
    kept = [
        Buffer(STATISTICS, "Hessian", hessian),
        Buffer(STATISTICS, "held-out Hessian", hessian if group.calibration.held_out else 0.0),
        Buffer(STATISTICS, "Δ", group.shift),
        Buffer(STATISTICS, "Hessian of the followed", hessian if group.apart else 0.0),
        Buffer(STATISTICS, "last inputs", group.inputs if settings.method == "rpiq-paper" else 0.0),
        Buffer(SOLVER, "weights as they were", group.weights),
    ]
    corrected = bool(group.followed.all) and not group.rounded
    chooses = chooses_gamma(settings) and bool(group.followed.held_out) and not group.rounded
    factored = False
    solved: list[Buffer] = []
    if chooses:
        for moment in _choosing_moments(group, passing):
            yield moment.beside(kept)
        factored = not group.scarce
        proposals = Buffer(SOLVER, "codes that were proposed", group.stored)
        solved.append(proposals)
    if corrected:
        if not chooses:
            for moment in _correction_moments(group):
                yield moment.beside(kept)
        kept += _correction(group)
    if factored:
        kept.append(Buffer(SOLVER, "factor of the Hessian", hessian))
    for layer in group.layers:
        target = Buffer(SOLVER, "`target`", layer.count * FLOAT if corrected else 0.0)
        own = replace(settings, method="rtn") if group.rounded else settings
        moments = solver_moments(
            layer, own, scarce=group.scarce, factored=factored, proposed=chooses
        )
        for moment in moments:
            yield moment.beside([*kept, *solved, target])
        if not factored and not group.rounded:
            factored = True
            count = 2 if group.scarce else 1
            kept.append(Buffer(SOLVER, "factors of the Hessian", count * hessian))
        done = solution_bytes(layer, own, scarce=group.scarce)
        solved.append(Buffer(SOLVER, f"candidates of {layer.name.rpartition('.')[2]}", done))


def _correction(group: Group) -> list[Buffer]:
    """What stays of the correction until the group is done."""
    if not group.corrects_alone:
        return [Buffer(STATISTICS, "correction", group.hessian)]
    return [
        Buffer(STATISTICS, "factor of the correction", group.hessian),
        Buffer(STATISTICS, "corrections of the weights", group.weights),
    ]


def _correction_moments(group: Group) -> Iterator[Moment]:
    """While Δ becomes corrections of the targets, see ``quantizer.solvers.target``."""
    hessian = group.hessian
    widest = max(layer.count for layer in group.layers) * FLOAT
    made = (
        Buffer(SOLVER, "pull, its share and `target`", 3.0 * widest),
        *_correction(group),
    )
    yield Moment("correcting a target", made)
    if group.corrects_alone:
        own = Buffer(SOLVER, "damped copy and factor", 2 * hessian)
        yield Moment("factorizing for the correction", (own,))
        pulls = Buffer(STATISTICS, "corrections of the weights", group.weights - widest)
        solving = Buffer(SOLVER, "product, wanted, result and a copy", 4.0 * widest)
        factors = Buffer(SOLVER, "factor and a copy of it", 2 * hessian)
        yield Moment("solving for a correction", (pulls, solving, factors))
        if group.early or not group.mixed:
            return
    # With the factor that GPTQ uses too: it is there, or it is made now.
    yield Moment("factorizing for the correction", (Buffer(SOLVER, "factorizing", 4 * hessian),))
    products = Buffer(SOLVER, "factor, result and two products", 4 * hessian)
    yield Moment("making the correction", (products,))


def _choosing_moments(group: Group, passing: list[Moment]) -> Iterator[Moment]:
    """While every layer is proposed for every share of the correction, and judged."""
    earlier = [Buffer(SOLVER, "codes of other shares", (len(GAMMAS) - 1) * group.stored)]
    factor = [Buffer(SOLVER, "factor of the Hessian", group.hessian)]
    for moment in _correction_moments(group):
        # The shared factor is among those of the correction.
        beside = factor if group.corrects_alone else []
        yield moment.beside([*earlier, *beside])
    corrections = _correction(group)
    here = 0.0
    for number, layer in enumerate(group.layers):
        target = Buffer(SOLVER, "`target`", layer.count * FLOAT)
        own = Buffer(SOLVER, "codes of this share", here)
        # The first share needs no correction, and makes the factor.
        if number == 0:
            for moment in proposal_moments(layer, group.settings):
                yield moment
        for moment in proposal_moments(layer, group.settings, factored=True):
            yield moment.beside([*corrections, *factor, *earlier, own, target])
        here += LayerBytes.of(layer, group.settings).stored
    widest = max(layer.count for layer in group.layers) * FLOAT
    written = Buffer(SOLVER, "a proposal dequantized", 4.0 * widest)
    proposed = [*corrections, *factor, *earlier, Buffer(SOLVER, "codes of this share", here)]
    yield Moment("trying a proposal", (*proposed, written))
    for moment in passing:
        yield moment.beside(proposed, f"judging, {moment.name}")
    state = max((sequence.state for sequence in group.followed.held_out), default=0)
    judged = Buffer("activations", "output, its goal, their difference and square", 5.0 * state)
    yield Moment("judging", (*proposed, judged))


def state_bytes(
    calibration: CalibrationShape,
    followed: CalibrationShape,
    width: int = FLOAT,
    *,
    first: bool,
) -> float:
    """States of all sequences at a block, and on the full-precision path beside them.

    width: bytes of a stored value, see `state_dtype`.
    first: before the first block both paths share their states.
    """
    share = width / FLOAT
    states = sum(max(share * s.state, s.sample if first else 0) for s in calibration.all)
    states += max((s.state for s in calibration.all), default=0)  # one before and after a block
    if not first:
        states += share * sum(s.state for s in followed.all)
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
    """

    stays: float
    table: float
    loaded: float
    copied: float


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
    )
