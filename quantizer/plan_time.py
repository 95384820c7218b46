"""How long a run will take: its large products, walks and elementwise steps at measured speeds.

Counted from the code of ``quantizer.walk`` and ``quantizer.solver``. Attention, reading, writing
and hashing are not counted.
"""

from dataclasses import dataclass

from quantizer.machine import Speed
from quantizer.parts import kind_of
from quantizer.recipe import Recipe
from quantizer.solver import Settings
from quantizer.target import GAMMAS
from quantizer.workload import (
    BlockShape,
    CalibrationShape,
    LinearShape,
    chooses_gamma,
    is_asymmetric,
    stages,
)

_BLOCK = 128
_SCALES = 16  # that the Hessian-weighted grid tries
_RESCALINGS = 4  # that the first round of rpiq tries
# Elementwise steps on every weight.
_FEEDING_BACK, _COORDINATE, _ACCEPTING, _MEASURING, _GRID = 12.0, 16.0, 30.0, 50.0, 8.0


@dataclass(slots=True)
class _Work:
    """Operations in large products and in walks over columns, and elementwise steps."""

    products: float = 0.0
    walks: float = 0.0
    elements: float = 0.0

    def add(self, other: "_Work", times: float = 1.0) -> None:
        self.products += times * other.products
        self.walks += times * other.walks
        self.elements += times * other.elements


def block_seconds(
    block: BlockShape,
    calibration: CalibrationShape,
    followed: CalibrationShape,
    recipe: Recipe,
    speed: Speed,
) -> float:
    """Expected time of one block.

    followed: the sequences on the full-precision path, empty without it.
    """
    passes = [2.0 * sum(layer.count for layer in group) for group in block.groups]
    total = _Work()
    for index, layers in enumerate(block.groups):
        name, columns = layers[0].name, layers[0].in_features
        settings = recipe.settings_of(name)
        corrected = bool(followed.all) and is_asymmetric(settings)
        tokens = sum(calibration.tokens(name, recipe.rule(name).stream))
        exact = sum(sequence.tokens[kind_of(name)] for sequence in followed.fitting)
        judged = sum(sequence.tokens[kind_of(name)] for sequence in followed.held_out)
        # Statistics run the block up to this group; that it is included stands for the pass
        # that carries the states on.
        total.products += (sum(passes[: index + 1]) + 2.0 * columns**2) * (tokens + exact)
        total.products += passes[index] * judged  # a share of the goal
        if settings.method != "rtn":
            total.products += 4.0 / 3.0 * columns**3  # the factor, shared by the group
        if corrected:
            total.products += 4.0 * columns**3  # the correction
        if chooses_gamma(settings):
            total.products += len(GAMMAS) * sum(passes) * judged
        for layer in layers:
            total.add(_solver_work(layer, settings))
            if chooses_gamma(settings):
                total.add(_solver_work(layer, settings, refined=False), len(GAMMAS))
            if corrected:
                targets = len(GAMMAS) if chooses_gamma(settings) else 1
                total.products += 2.0 * targets * layer.count * columns
    return (
        total.products / speed.matmul
        + total.walks / speed.vector
        + total.elements / speed.elementwise
    )


def _solver_work(layer: LinearShape, settings: Settings, *, refined: bool = True) -> _Work:
    """Work of one solver; of GPTQ alone where it is not refined."""
    count, square = float(layer.count), float(layer.count) * layer.in_features
    group = min(settings.group_size, layer.in_features)
    left_out = 0 if refined or settings.method == "gptq" else 1
    kept = stages(settings) - left_out
    # Every stage is measured on the fitting and on the held-out tokens.
    work = _Work(products=4.0 * kept * square, elements=_MEASURING * kept * count)
    if settings.grid == "hessian":
        work.add(_Work(products=2.0 * group * count, elements=_GRID * count), _SCALES)
    if settings.method == "rtn":
        return work
    # Each column gathers the errors of the up to 128 before it.
    feeding_back = _Work(walks=_BLOCK * count, elements=_FEEDING_BACK * count)
    work.add(feeding_back)
    work.products += square
    if not refined or settings.method == "gptq":
        return work
    work.products += 2.0 * square  # R
    if settings.method == "rpiq-paper":
        # Products with the factor and the Gram matrix; a round is measured off and on the grid.
        work.add(
            _Work(products=6.0 * group * count + 4.0 * square, elements=40 * count), settings.rounds
        )
        work.products += 6.0 * 2.0 * square  # three weights, each on two or three sets of tokens
        return work
    work.elements += settings.rounds * _ACCEPTING * count
    coordinate = _Work(2.0 * _BLOCK * count, 2.0 * _BLOCK * count, _COORDINATE * count)
    work.products += settings.rounds * (2.0 * square + 12.0 * _BLOCK * count)
    work.add(feeding_back, settings.rounds)
    work.add(coordinate, settings.rounds + 1)  # once more behind new scales
    work.products += 2.0 * (_RESCALINGS + 3) * group * count
    walked = _Work(walks=group * count, elements=2 * _FEEDING_BACK * count)
    work.add(walked, _RESCALINGS)
    return work
