"""What a group of layers holds while its statistics are gathered and its layers are solved.

Counted from ``quantizer.run.gathering``, ``quantizer.run.walk`` and ``quantizer.solvers.target``.
The block itself, states and what the block has finished are not counted here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from quantizer.plan.buffers import ACTIVATIONS, FLOAT, SOLVER, STATISTICS, Buffer, Moment
from quantizer.plan.solving import (
    LayerBytes,
    factorizing,
    proposal_moments,
    solution_bytes,
    solver_moments,
)
from quantizer.plan.workload import CalibrationShape, LinearShape, chooses_gamma
from quantizer.run.shares import handed_on, held_at_once
from quantizer.solvers.few_tokens import dampings, too_few
from quantizer.solvers.methods import Settings
from quantizer.solvers.target import GAMMAS, multiplies_early


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that share one input, while they are quantized.

    followed: sequences on the full-precision path, empty without it.
    tokens:   fitting tokens that reach them.
    mixed:    whether some sequences do not feed them, so that those that do may all be followed.
    double:   whether their Hessian can be factorized in float64 only.
    on_gpu:   whether a card solves them.
    first:    how many fitting sequences are added up first, because both paths follow them.
    ranks:    how many processes share the run; ``calibration`` is then one's own.
    joined:   whether their target makes up for what their output is added to.
    """

    layers: tuple[LinearShape, ...]
    settings: Settings
    calibration: CalibrationShape
    followed: CalibrationShape
    tokens: int
    mixed: bool
    double: bool
    on_gpu: bool = False
    first: int = 0
    ranks: int = 1
    joined: bool = False

    @property
    def hessian(self) -> float:
        """One Hessian of their input."""
        return float(self.layers[0].in_features ** 2 * FLOAT)

    @property
    def inputs(self) -> float:
        """Their inputs on the longest sequence."""
        name = self.layers[0].name
        longest = max((s.reaching(name) for s in self.calibration.all), default=0)
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
        return len(dampings(self.settings, self.tokens, self.layers[0].in_features)) > 1

    @property
    def apart(self) -> bool:
        """Whether the full-precision path follows some of the fitting sequences only."""
        return 0 < len(self.followed.fitting) < len(self.calibration.fitting)

    @property
    def early(self) -> bool:
        """Whether WΔ is gathered in place of Δ."""
        if self.joined:
            return True
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


def statistics_moments(group: Group, passing: list[Moment]) -> Iterator[Moment]:
    """While the inputs of a group are gathered, and while means are made of their sums."""
    fitting, held_out = len(group.calibration.fitting), len(group.calibration.held_out)
    follow = group.first
    computing, adding = _sums(group, follow, fitting - follow, held_out)
    # One path runs while the inputs of the other, or of the sequence before, are held; the
    # published method keeps those of the last.
    paths = (2 if group.followed.all else 1) + (group.settings.method == "rpiq-paper")
    before = [Buffer(ACTIVATIONS, "inputs of the paths", paths * group.inputs)]
    early = group.early and group.followed.all
    rows = group.inputs / group.layers[0].in_features * group.layers[0].out_features
    product = Buffer(ACTIVATIONS, "its product with W", rows if early else 0.0)
    sums = Buffer(ACTIVATIONS, "what outputs are added to", 4.0 * rows if group.joined else 0.0)
    for moment in passing:
        yield moment.beside([*computing, *before, sums], f"gathering, {moment.name}")
    inputs = Buffer(ACTIVATIONS, "inputs of the paths", paths * group.inputs)
    between = group.inputs if group.followed.all else 0.0
    missing = Buffer(ACTIVATIONS, "what misses between them", between)
    finite = Buffer(ACTIVATIONS, "looking for NaN", 1.75 * group.inputs)
    yield Moment("adding up", (*adding, inputs, missing, product, sums, finite))
    held_mean = Buffer(STATISTICS, "held-out Hessian", group.hessian if held_out else 0.0)
    shift_mean = Buffer(STATISTICS, "Δ", group.shift)
    parted = 0 < follow < fitting
    whole = [
        Buffer(STATISTICS, "sums of Hessians", (1 + parted + _carried(group)) * group.hessian),
        Buffer(STATISTICS, "last inputs", inputs.size),  # of each path, until all is gathered
        held_mean,
        shift_mean,
    ]
    judged = Buffer(STATISTICS, "sum of the held-out Hessian", held_mean.size)
    crossed = Buffer(STATISTICS, "sum of Δ", group.shift)
    yield Moment("making means", (*whole, judged, crossed))
    means = Buffer(STATISTICS, "means of Hessians", (1 + group.apart) * group.hessian)
    yield Moment("making means", (*whole, means))


def _sums(
    group: Group, follow: int, others: int, held_out: int
) -> tuple[list[Buffer], list[Buffer]]:
    """The sums that are held while a sequence is computed, and while it is added.

    Slots of sequences are added as a tree, see `quantizer.run.shares`: those that both paths
    follow first, then the others, then those held out.
    """
    ranks = group.ranks  # a rank holds a part of the slots, and no more of the tree than all
    first, second, last = (held_at_once(ranks * count) for count in (follow, others, held_out))
    buffers = []
    for at in range(2):
        stages = (
            (first[at], first[at]),
            (min(follow, 1) + second[at], min(follow, 1)),
            (min(follow, 1) + min(others, 1) + last[at], min(follow, 1)),
        )
        hessians, shifts = max(
            stages, key=lambda held: held[0] * group.hessian + held[1] * group.shift
        )
        size = (hessians + _carried(group)) * group.hessian
        buffers.append(
            [
                Buffer(STATISTICS, "sums of Hessians", size),
                Buffer(STATISTICS, "sums of Δ", shifts * group.shift),
            ]
        )
    return buffers[0], buffers[1]


def _carried(group: Group) -> int:
    """Sums that several ranks hand on, and one that is on its way."""
    return 0 if group.ranks == 1 else handed_on(group.ranks // 2, group.ranks) + 1


def solving_moments(group: Group, passing: list[Moment]) -> Iterator[Moment]:
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
    factored = 0
    solved: list[Buffer] = []
    if chooses:
        for moment in _choosing_moments(group, passing):
            yield moment.beside(kept)
        factored = 1
        proposals = Buffer(SOLVER, "codes that were proposed", group.stored)
        solved.append(proposals)
    if corrected:
        if not chooses:
            for moment in _correction_moments(group):
                yield moment.beside(kept)
        kept += _correction(group)
    if chooses:
        kept.append(Buffer(SOLVER, "factor of the Hessian", hessian))
    for layer in group.layers:
        target = Buffer(SOLVER, "`target`", layer.count * FLOAT if corrected else 0.0)
        own = settings
        if group.rounded:
            own = replace(settings, method="rtn", token_importance=0.0, residual_target=False)
        moments = solver_moments(
            layer,
            own,
            scarce=group.scarce,
            factored=factored,
            proposed=chooses,
            last_inputs=group.inputs,
            double=group.double,
            on_gpu=group.on_gpu,
        )
        for moment in moments:
            yield moment.beside([*kept, *solved, target])
        wanted = 0 if group.rounded else 2 if group.scarce else 1
        if factored < wanted:
            more = (wanted - factored) * hessian
            kept.append(Buffer(SOLVER, "factors of the Hessian", more))
            factored = wanted
        done = solution_bytes(layer, own, scarce=group.scarce)
        solved.append(Buffer(SOLVER, f"candidates of {layer.name.rpartition('.')[2]}", done))


def _correction(group: Group) -> list[Buffer]:
    """What stays of the correction until the group is done."""
    if not group.corrects_alone:
        return [Buffer(STATISTICS, "correction", group.hessian)]
    return [
        Buffer(STATISTICS, "factor of the correction", (1 + group.double) * group.hessian),
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
        # In float64: the factor that failed, a copy in float32, and copy and factor.
        own = Buffer(SOLVER, "damped copies and factors", (6 if group.double else 2) * hessian)
        yield Moment("factorizing for the correction", (own,))
        pulls = Buffer(STATISTICS, "corrections of the weights", group.weights - widest)
        copies = 7 if group.double else 4
        solving = Buffer(SOLVER, "product, wanted, result and a copy", copies * widest)
        factors = Buffer(SOLVER, "factor and a copy of it", 2 * (1 + group.double) * hessian)
        yield Moment("solving for a correction", (pulls, solving, factors))
        if group.early or not group.mixed:
            return
    # With the factor that GPTQ uses too: it is there, or it is made now.
    factors_made = factorizing(hessian, group.double).items()
    held = tuple(Buffer(SOLVER, name, size) for name, size in factors_made)
    yield Moment("factorizing for the correction", held)
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
            yield from proposal_moments(
                layer, group.settings, double=group.double, on_gpu=group.on_gpu
            )
        for moment in proposal_moments(layer, group.settings, factored=1, on_gpu=group.on_gpu):
            yield moment.beside([*corrections, *factor, *earlier, own, target])
        here += LayerBytes.of(layer, group.settings).stored
    widest = max(layer.count for layer in group.layers) * FLOAT
    written = Buffer(SOLVER, "a proposal dequantized", 4.0 * widest)
    proposed = [*corrections, *factor, *earlier, Buffer(SOLVER, "codes of this share", here)]
    yield Moment("trying a proposal", (*proposed, written))
    for moment in passing:
        yield moment.beside(proposed, f"judging, {moment.name}")
    state = max((sequence.state for sequence in group.followed.held_out), default=0)
    judged = Buffer(ACTIVATIONS, "output, its goal, their difference and square", 5.0 * state)
    yield Moment("judging", (*proposed, judged))
