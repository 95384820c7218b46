"""How many kernels a card starts for a column of a layer, counted on the pretend one.

A launch takes about 5 µs and an 8B model has 1.25 million columns.
"""

import pytest
import torch

from quantizer.plan.work import proposal_work, solver_work
from quantizer.plan.workload import LinearShape
from quantizer.solvers.methods import Settings
from quantizer.solvers.solver import propose, solve
from quantizer.solvers.target import GAMMAS, LayerStatistics
from tests.pretend_gpu.counts import Counts

SETTINGS = Settings("rpiq", group_size=128)


def launches(card: Counts, columns: int) -> int:
    """Of a layer by ``rpiq`` when it chooses among all shares of the correction."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(columns, columns, generator=generator)
    hessian = (inputs.T @ inputs / columns).to("cuda")
    weight = torch.randn(8, columns, generator=generator).to("cuda")
    statistics = LayerStatistics(
        hessian, 2 * columns, hessian, columns, columns, 0.01 * hessian, hessian, 0.05
    )
    card.clear()
    with torch.no_grad():
        for gamma in GAMMAS:
            proposed = propose(statistics.problem(weight, gamma), SETTINGS)
        problem = statistics.problem(weight, GAMMAS[-1])
        solve(problem, hessian, SETTINGS, proposed=proposed)
    return card.launches.total()


def test_a_further_column_costs_less_than_two_launches(card: Counts) -> None:
    narrow, wide = launches(card, 128), launches(card, 384)
    assert 0.1 < (wide - narrow) / 256 < 1.7
    # Nothing of it is done column by column.
    assert max(card.launches.values()) < 384


@pytest.mark.parametrize("columns", [128, 384])
def test_the_plan_knows_the_launches(card: Counts, columns: int) -> None:
    layer = LinearShape("layer", 8, columns)
    planned = solver_work(layer, SETTINGS).launches
    planned += (len(GAMMAS) - 1) * proposal_work(layer, SETTINGS).launches
    counted = launches(card, columns)
    assert counted <= planned < 1.5 * counted


@pytest.mark.slow
def test_a_wide_layer_costs_at_most_two_launches_a_column(card: Counts) -> None:
    assert launches(card, 4096) <= 2 * 4096
