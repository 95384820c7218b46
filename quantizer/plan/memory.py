"""The most memory that a run will hold: what lies there at each moment that may be the peak.

Counted tensor by tensor from the code of ``quantizer.run.walk``, ``quantizer.run.gathering`` and
``quantizer.solvers.solver``; tests hold it to what torch's allocator records. Sizes are bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch

from models.families import OpenedModel
from models.files.checkpoint import CheckpointReader
from quantizer.plan.workload import (
    FLOAT,
    BlockShape,
    CalibrationShape,
    LinearShape,
    chooses_gamma,
    is_asymmetric,
    stages,
)
from quantizer.recipes.recipe import Recipe
from quantizer.run.outer import word_tables
from quantizer.solvers.methods import Settings
from quantizer.solvers.target import GAMMAS, multiplies_early

Parts = dict[str, float]
"""Bytes by what they are for."""

MOST_STATES = 4.0e9
"""Bytes that the states of all sequences may take in host memory before they are halved."""

_BLOCK = 128
"""Columns that the solvers work on at a time."""

_FACTORIZING = 4.0
"""Hessians at the peak of factorizing one, the given one left out and the factor counted."""

# The same for a lower factor that is not inverted; and float32 copies of the weight, a copy of
# the factor beside them, while a layer is solved with it.
_LOWER = 2.0
_PULLING = 4.0

# Peaks of solvers.solver.solve beyond its arguments and the codes of its stages: (a, b, c, d)
# stands for a float32 copies of the weight, b of the Hessian, c of one block of 128 columns and
# d of one group. GPTQ peaks where a stage is measured, with the factor beside; rpiq where four
# scales are tried at once, with the damped Hessian beside the factor; rpiq-paper where an iterate
# is put back on the grid, with the Gram matrix of the last sequence beside the factor.
_WORKING: Mapping[str, tuple[float, float, float, float]] = {
    "rtn": (4.25, 0.0, 0.0, 0.0),
    "gptq": (4.0, 1.0, 6.0, 0.0),
    "rpiq": (5.0, 2.0, 3.0, 40.0),
    "rpiq-paper": (9.45, 2.0, 0.0, 3.0),
}


def factorizing_bytes(layer: LinearShape, settings: Settings) -> float:
    """Peak of the solver until the factor of a group's Hessian is known."""
    if settings.method == "rtn":
        return 0.0
    before = 1 + (settings.grid == "hessian")  # stages
    stored = (1 + before) * layer.count + before * _grid_bytes(layer, settings)
    return _FACTORIZING * layer.in_features**2 * FLOAT + stored


def working_bytes(layer: LinearShape, settings: Settings) -> float:
    """Peak of the solver from then on, the factor counted."""
    weight, hessian = layer.count * FLOAT, layer.in_features**2 * FLOAT
    group = min(settings.group_size, layer.in_features)
    # Blocks never split a group.
    block = min(max(_BLOCK // group, 1) * group, layer.in_features)
    a, b, c, d = _WORKING[settings.method]
    columns = (c * block + d * group) * layer.out_features * FLOAT
    # The factors of diagonal blocks stay from round to round.
    widths = {"rpiq": block + group, "rpiq-paper": group}.get(settings.method, 0)
    factors = widths * layer.in_features * FLOAT
    return a * weight + b * hessian + columns + factors + solution_bytes(layer, settings)


def solver_bytes(layer: LinearShape, settings: Settings) -> float:
    """Peak workspace of one layer's solver."""
    return max(factorizing_bytes(layer, settings), working_bytes(layer, settings))


def solution_bytes(layer: LinearShape, settings: Settings) -> float:
    """What stays of a solved layer until its group is done: codes and grid of every stage."""
    return stages(settings) * (layer.count + _grid_bytes(layer, settings))


def _grid_bytes(layer: LinearShape, settings: Settings) -> float:
    """Scales and zero-points of one stage."""
    return 2 * FLOAT * layer.count / settings.group_size


def block_moments(
    block: BlockShape,
    calibration: CalibrationShape,
    followed: CalibrationShape,
    recipe: Recipe,
    *,
    parked: bool = False,
) -> Iterator[Parts]:
    """What lies on the device at the moments of a block that may be its peak.

    followed: the sequences on the full-precision path, empty without it.
    parked:   whether its copy of the block waits elsewhere while it computes nothing.
    """
    weights = block_bytes(block)
    twin = weights if followed.all else 0.0
    standing = {"weights of one block": weights + (0.0 if parked else twin)}
    beside = {"full-precision block": twin} if parked else {}
    finished = 0.0
    for layers in block.groups:
        here = standing | {"finished layers of the block": finished}
        settings = recipe.settings_of(layers[0].name)
        fit = calibration.tokens(layers[0].name, recipe.rule(layers[0].name).stream)[0]
        own = followed if is_asymmetric(settings) else CalibrationShape()
        for moment in _statistics_moments(block, layers, calibration, own, settings):
            yield here | beside | moment
        for moment in _group_moments(block, layers, calibration, own, settings, fit):
            yield here | moment
        finished += sum(layer.count + _grid_bytes(layer, settings) for layer in layers)
    if not block.groups:  # it only carries the states on
        yield standing | beside | {"activations": activation_bytes(block, calibration)}


def block_bytes(block: BlockShape) -> float:
    """A block's linear layers in float32."""
    return sum(layer.count for layer in block.loaded) * FLOAT


def _statistics_moments(
    block: BlockShape,
    layers: tuple[LinearShape, ...],
    calibration: CalibrationShape,
    followed: CalibrationShape,
    settings: Settings,
) -> Iterator[Parts]:
    """While the inputs of a group are gathered, and while means are made of their sums."""
    hessian = layers[0].in_features ** 2 * FLOAT
    inputs, last = _input_bytes(layers[0], calibration, settings)
    sums, apart = _sums(layers, calibration, followed)
    kept = (sums + apart) * hessian + last
    forward = activation_bytes(block, calibration)
    # The path that is run second holds the inputs of the first.
    yield {"statistics": kept, "activations": forward + 2 * inputs}
    means = sums if calibration.held_out else sums - 1
    yield {"statistics": kept + means * hessian}


def _input_bytes(
    layer: LinearShape, calibration: CalibrationShape, settings: Settings
) -> tuple[float, float]:
    """A layer's inputs on the longest sequence, and those that are kept of the last one."""
    longest = max((s.reaching(layer.name) for s in calibration.all), default=0)
    inputs = float(longest * layer.in_features * FLOAT)
    return inputs, inputs if settings.method == "rpiq-paper" else 0.0


def _sums(
    layers: tuple[LinearShape, ...], calibration: CalibrationShape, followed: CalibrationShape
) -> tuple[float, int]:
    """Sums for fitting and held out, and between the two paths, in Hessians; and 1 where these
    need a Hessian of the followed tokens, because they are not all."""
    apart = bool(followed.fitting) and len(followed.fitting) < len(calibration.fitting)
    rows, columns = [layer.out_features for layer in layers], layers[0].in_features
    between = rows[0] / columns if multiplies_early(rows, columns) else 1.0
    return (2 + between if followed.all else 2), int(apart)


def _group_moments(
    block: BlockShape,
    layers: tuple[LinearShape, ...],
    calibration: CalibrationShape,
    followed: CalibrationShape,
    settings: Settings,
    fit: int,
) -> Iterator[Parts]:
    columns = layers[0].in_features
    hessian = columns**2 * FLOAT
    forward = activation_bytes(block, calibration)
    last = _input_bytes(layers[0], calibration, settings)[1]
    sums, apart = _sums(layers, calibration, followed)
    kept = (sums + apart - (not calibration.held_out)) * hessian + last
    group = sum(layer.count for layer in layers) * FLOAT  # a copy of the weights
    scarce = hessian if fit < columns and settings.method != "rpiq-paper" else 0.0  # two dampings
    if settings.method != "rtn":
        yield {
            "statistics": kept + scarce,
            "solver": factorizing_bytes(layers[0], settings) + group,
        }
    proposal = 0.0
    if followed.all:
        # The correction, with the factor that GPTQ uses too, or with one of its own.
        known = 1.0 if chooses_gamma(settings) and apart else 0.0
        making = _LOWER if apart else 4.0 if chooses_gamma(settings) else _FACTORIZING
        yield {"statistics": kept + hessian, "solver": (making + known) * hessian + group}
        kept += hessian
        if apart:
            pulls = 0.0
            for layer in layers:
                pulling = hessian + _PULLING * layer.count * FLOAT + pulls + group
                yield {"statistics": kept + known * hessian, "solver": pulling}
                pulls += layer.count * FLOAT
            kept += pulls
    if followed.all and chooses_gamma(settings):
        quick = replace(settings, method="gptq")
        proposal = sum(layer.count + _grid_bytes(layer, settings) for layer in layers)
        for layer in layers:
            solving = working_bytes(layer, quick) + layer.count * FLOAT  # with its target
            yield {"statistics": kept + scarce, "solver": solving + group + 2 * proposal}
        result = 2.0 * max((s.state for s in followed.held_out), default=0)
        yield {
            "statistics": kept + hessian + scarce,
            "solver": group + len(GAMMAS) * proposal,
            "activations": forward + result,
        }
    solved = 0.0
    for layer in layers:
        target = layer.count * FLOAT if followed.all else 0
        solver = working_bytes(layer, settings) + group + target + solved + proposal
        yield {"statistics": kept + scarce, "solver": solver}
        solved += solution_bytes(layer, settings)


def activation_bytes(block: BlockShape, calibration: CalibrationShape) -> float:
    """Peak of one sequence's pass through a block.

    At the widest place three tensors of the hidden layer of the feed-forward part lie beside
    the residual, its norm and what the norm needs.
    """
    narrow = min(layer.in_features for layer in block.loaded)
    wide = max(max(layer.out_features, layer.in_features) for layer in block.loaded)
    layer = block.loaded[0].name
    longest = max((sequence.passing(layer) for sequence in calibration.all), default=0)
    return longest * (2.5 * narrow + 3 * wide) * FLOAT


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


def outer_moments(opened: OpenedModel, reader: CheckpointReader) -> tuple[float, float, float]:
    """Outer tensors as they stay on the device, the table of words, which stays on the host, and
    the largest tensor as it is read and compared."""
    inside = tuple(f"{block.name}." for block in opened.blockwise.blocks())
    outer = [name for name in reader.names() if not name.startswith(inside)]
    used = set(opened.blockwise.outer_names())
    loaded = [name for name in outer if name in used and not name.startswith("lm_head.")]
    tables = word_tables(opened.module)
    stays = sum(
        reader.size(name) // reader.dtype(name).itemsize * FLOAT
        for name in loaded
        if name not in tables
    )
    table = sum(reader.size(name) for name in loaded if name in tables)
    return stays, table, max((reader.size(name) for name in outer), default=0)
