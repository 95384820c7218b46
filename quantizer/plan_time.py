"""How long a run will take: large products, and walks over columns, at measured speeds."""

from quantizer.machine import Speed
from quantizer.solver import Settings
from quantizer.target import GAMMAS
from quantizer.workload import (
    BlockShape,
    CalibrationShape,
    LinearShape,
    chooses_gamma,
    is_asymmetric,
    kind_of,
    stages,
)


def block_seconds(
    block: BlockShape, calibration: CalibrationShape, settings: Settings, speed: Speed
) -> float:
    """Expected time of one block: large products, and walks over columns, at measured speeds."""
    fit, judge = (
        [sum(s.tokens[kind_of(g[0].name)] for s in part) for g in block.groups]
        for part in (calibration.fitting, calibration.held_out)
    )
    paths = 2 if is_asymmetric(settings) else 1
    passes = [2.0 * sum(layer.count for layer in group) for group in block.groups]
    products = walks = 0.0
    for index, group in enumerate(block.groups):
        columns = group[0].in_features
        tokens = fit[index] + judge[index]
        # Statistics run the block as far as this group; the last group's pass runs it whole.
        products += sum(passes[: index + 1]) * (paths * fit[index] + judge[index])
        products += 2.0 * columns**2 * (tokens + (paths - 1) * fit[index])
        if paths > 1:
            products += (
                2.0 * columns**3
                + (len(GAMMAS) if chooses_gamma(settings) else 1) * sum(passes) * judge[index]
            )
        for layer in group:
            large, small = _solver_operations(layer, settings)
            products += (len(GAMMAS) if chooses_gamma(settings) else 1) * large
            walks += (len(GAMMAS) if chooses_gamma(settings) else 1) * small
    return products / speed.matmul + walks / speed.vector


def _solver_operations(layer: LinearShape, settings: Settings) -> tuple[float, float]:
    """Operations of one solver in large products, and in walks over columns."""
    square = float(layer.out_features) * layer.in_features**2
    judging = 4.0 * stages(settings) * square
    if settings.method == "rtn":
        return judging, 0.0
    cubic = 4.0 / 3.0 * layer.in_features**3
    # Each column gathers the errors of the up to 128 before it.
    walk = 2.0 * 64 * layer.count
    if settings.method == "gptq":
        return judging + cubic + square, walk
    return judging + cubic + (3 + 2 * settings.rounds) * square, (1 + 2 * settings.rounds) * walk
