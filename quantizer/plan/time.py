"""How long a run will take: its large products, walks and elementwise steps at known speeds.

Counted from the code of ``quantizer.run.walk`` and ``quantizer.solvers.solver``; for a card also
the kernels that are started and what is copied to it. Reading, writing and hashing are not
counted.
"""

from dataclasses import dataclass

from quantizer.plan.buffers import FLOAT
from quantizer.plan.machine import Speed
from quantizer.plan.memory import state_dtype
from quantizer.plan.workload import (
    BlockShape,
    CalibrationShape,
    LinearShape,
    SequenceShape,
    chooses_gamma,
    is_asymmetric,
    stages,
)
from quantizer.recipes.recipe import Recipe
from quantizer.solvers.methods import Settings
from quantizer.solvers.rpiq import column_blocks
from quantizer.solvers.target import GAMMAS, multiplies_early, tries_shares

_BLOCK, _SLAB, _STRIP = 128, 512, 1024  # columns that are worked on together
_FACTOR = 4.0 / 3.0  # of columns³, to factorize and invert
_SCALES = 16  # that the Hessian-weighted grid tries
_RESCALINGS = 4  # that the first round of rpiq tries
# Elementwise steps on every weight.
_FEEDING_BACK, _COORDINATE, _ACCEPTING, _MEASURING, _GRID = 12.0, 16.0, 30.0, 50.0, 8.0
# Kernels that a card starts, counted on the pretend one: for each step of a pass, a candidate
# that is packed and measured, a search of grids or factorization, GPTQ's blocks, and rpiq's blocks,
# once and in every round, and its groups.
_PASSING, _TRYING, _PROPOSING, _WALKED = 25.0, 150.0, 420.0, 8.0
_REFINING, _ROUND, _GROUP = 25.0, 26.0, 60.0


@dataclass(slots=True)
class Work:
    """Operations in large products and in walks over columns, and elementwise steps.

    products, walks: multiplications and additions, of matrices and of a matrix and a vector.
    elements:        values that elementwise steps make anew.
    launches:        kernels that a card starts, with the fused ones of ``solvers.fused``.
    copied:          bytes between the host and a card.
    """

    products: float = 0.0
    walks: float = 0.0
    elements: float = 0.0
    launches: float = 0.0
    copied: float = 0.0

    def add(self, other: "Work", times: float = 1.0) -> None:
        """Add other work, so many times."""
        self.products += times * other.products
        self.walks += times * other.walks
        self.elements += times * other.elements
        self.launches += times * other.launches
        self.copied += times * other.copied

    def times(self, speed: Speed) -> dict[str, float]:
        """Seconds by kind of work; they follow one another, so that their sum errs upwards."""
        return {
            "matrix products": self.products / speed.matmul,
            "walks over columns": self.walks / speed.vector,
            "elementwise steps": self.elements / speed.elementwise,
            "starting kernels": self.launches * speed.launch,
            "copies to and from the card": self.copied / speed.link,
        }


def block_work(
    block: BlockShape,
    calibration: CalibrationShape,
    followed: CalibrationShape,
    recipe: Recipe,
    *,
    place: int,
) -> Work:
    """All work of one block.

    followed: the sequences on the full-precision path, empty without it.
    place:    how many blocks of its kind stand before it.
    """
    passes = [2.0 * sum(layer.count for layer in group) for group in block.groups]
    total = Work(products=_attention(block, calibration) * len(block.groups))
    sequences, judged_sequences = len(calibration.all), len(followed.held_out)
    # Every group's statistics read all states anew; then the block carries them on.
    states = sum(float(sequence.state) for sequence in calibration.all)
    states += sum(float(sequence.state) for sequence in followed.all)
    states *= state_dtype(calibration, followed).itemsize / FLOAT
    total.copied += states * (len(block.groups) + 2)
    runs = sequences * (len(block.groups) + 1) + len(followed.all) * (len(block.groups) + 2)
    total.launches += runs * _PASSING * len(block.steps)
    for index, layers in enumerate(block.groups):
        name, columns = layers[0].name, layers[0].in_features
        settings, stream = recipe.settings_of(name), recipe.rule(name).stream
        corrected = bool(followed.all) and is_asymmetric(settings)
        judged = _tokens(followed.held_out, name)
        # Statistics run the block up to this group; that it is included stands for the pass
        # that carries the states on.
        tokens = sum(calibration.tokens(name, stream))
        total.products += (sum(passes[: index + 1]) + 2.0 * columns**2) * tokens
        total.products += passes[index] * judged  # a share of the goal
        if settings.method != "rtn":
            total.products += _FACTOR * columns**3  # shared by the group
        chooses = chooses_gamma(settings) and bool(followed.held_out) and tries_shares(place)
        if corrected:
            exact = _tokens(followed.fitting, name)
            # The pass to the last group runs on through it, and carries the states on.
            run = index + (index == len(passes) - 1)
            delta = 4.0 * layers[0].count if _early(layers) else 2.0 * columns**2
            total.products += (sum(passes[:run]) + delta) * exact
            everything = len(followed.fitting) == len(calibration.fitting)
            targets = len(GAMMAS) if chooses else 1
            total.products += _correction_products(layers, everything, targets)
        if chooses:
            total.products += len(GAMMAS) * sum(passes) * judged
            total.launches += len(GAMMAS) * judged_sequences * _PASSING * len(block.steps)
        for layer in layers:
            total.add(solver_work(layer, settings))
            if chooses:  # the share that is kept is not proposed again
                total.add(proposal_work(layer, settings), len(GAMMAS) - 1)
    return total


def _attention(block: BlockShape, calibration: CalibrationShape) -> float:
    """Operations of one pass of all sequences through the block's attention."""
    total = 0.0
    for step in block.steps:
        if step.attention is None:
            continue
        heads = step.attention
        width = sum(layer.out_features for layer in step.layers)
        asked = width * heads.query / (heads.query + 2 * heads.shared)
        for sequence in calibration.all:
            total += 4.0 * sequence.passing(step.layers[0].name) ** 2 * asked
    return total


def _tokens(sequences: tuple[SequenceShape, ...], layer: str) -> int:
    return sum(sequence.reaching(layer) for sequence in sequences)


def _correction_products(layers: tuple[LinearShape, ...], everything: bool, targets: int) -> float:
    """What turns Δ into the targets of a group; see ``quantizer.solvers.target``.

    everything: whether the full-precision path follows every sequence.
    """
    columns = layers[0].in_features
    weights = float(sum(layer.count for layer in layers))
    early = _early(layers)
    if everything and not early:
        return 4.0 * columns**3 + 2.0 * targets * weights * columns
    return columns**3 / 3.0 + (2.0 if early else 4.0) * weights * columns


def _early(layers: tuple[LinearShape, ...]) -> bool:
    return multiplies_early([layer.out_features for layer in layers], layers[0].in_features)


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
    feeding_back = Work(walks=block * count, elements=_FEEDING_BACK * count)
    coordinate = Work(2.0 * block * count, 2.0 * block * count, _COORDINATE * count)
    within = 2.0 * min(_SLAB, layer.in_features) + 12.0 * block
    work.products += settings.rounds * (2.0 * square + within * count)
    work.add(feeding_back, settings.rounds)
    work.add(coordinate, settings.rounds - 1)  # the first round tries new scales in its place
    work.products += 2.0 * (_RESCALINGS + 3) * group * count
    walked = Work(walks=group * count, elements=2 * _FEEDING_BACK * count)
    work.add(walked, _RESCALINGS)
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
        walks = min(_BLOCK, layer.in_features) * count
        work.launches += _WALKED * -(-layer.in_features // _BLOCK)
        work.add(Work(count * layer.in_features, walks, _FEEDING_BACK * count))
    return work
