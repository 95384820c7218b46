"""Accumulation, output error and the damped inverse factor."""

import pytest
import torch

from quantizer.errors import CalibrationError
from quantizer.solvers.hessian import (
    HessianAccumulator,
    cholesky,
    damped,
    hessian_products,
    inverse_factor,
    live_columns,
    mean_diagonal,
    output_error,
    row_output_error,
)


def test_mean_does_not_depend_on_batching() -> None:
    inputs = torch.randn(30, 8, generator=torch.Generator().manual_seed(1))
    whole, parts = HessianAccumulator(8), HessianAccumulator(8)
    whole.add(inputs.view(5, 6, 8))
    for row in inputs.split(7):
        parts.add(row)
    assert whole.tokens == parts.tokens == 30
    expected = torch.from_numpy((inputs.double().numpy().T @ inputs.double().numpy()) / 30).float()
    torch.testing.assert_close(whole.mean(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parts.mean(), expected, rtol=1e-5, atol=1e-6)


def test_no_tokens_give_zeros() -> None:
    accumulator = HessianAccumulator(4)
    accumulator.add(torch.empty(0, 4))
    assert accumulator.tokens == 0
    assert not accumulator.mean().any()


def test_non_finite_activations_are_refused() -> None:
    with pytest.raises(CalibrationError, match="NaN"):
        HessianAccumulator(2).add(torch.tensor([[1.0, float("nan")]]))


def test_output_error_is_the_mean_squared_difference_of_outputs() -> None:
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(50, 8, generator=generator)
    layer, other = torch.nn.Linear(8, 3, bias=False), torch.nn.Linear(8, 3, bias=False)
    accumulator = HessianAccumulator(8)
    accumulator.add(inputs)
    with torch.no_grad():
        expected = float((layer(inputs) - other(inputs)).square().sum() / 50)
        got = output_error(layer.weight - other.weight, accumulator.mean())
    assert got == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("columns", [5, 8, 11, 24, 27])
def test_output_error_of_wide_layers_reads_half_of_the_hessian(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quantizer.solvers.hessian.ERROR_COLUMNS", 8)
    generator = torch.Generator().manual_seed(columns)
    inputs = torch.randn(50, columns, generator=generator)
    error = torch.randn(6, columns, generator=generator)
    hessian = inputs.T @ inputs
    expected = (inputs.double() @ error.double().T).square().sum(dim=0)
    for first in range(0, columns, 8):
        hessian[first : first + 8, first + 8 :] = torch.nan
    got = row_output_error(error, hessian).double()
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("backwards", [False, True])
def test_lower_factor_of_the_damped_hessian(backwards: bool) -> None:
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(3))
    hessian = inputs.T @ inputs / 40
    before = hessian.clone()
    lower, ridge = cholesky(hessian, 0.05, backwards=backwards)
    assert ridge == 0.05 and torch.equal(hessian, before)
    assert torch.equal(lower, lower.tril())
    product = lower @ lower.T
    product = product.flip(0, 1) if backwards else product
    torch.testing.assert_close(product, hessian + 0.05 * torch.eye(6))


def test_damping_leaves_dead_columns_and_the_hessian_alone() -> None:
    hessian = torch.tensor([[2.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 4.0]])
    result = damped(hessian, 0.5)
    assert result.tolist() == [[2.5, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 4.5]]
    assert float(hessian[0, 0]) == 2.0


def test_factor_inverts_the_damped_hessian() -> None:
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(3))
    hessian = inputs.T @ inputs / 40
    factor = inverse_factor(hessian, 0.05)
    assert factor.ridge == 0.05
    assert torch.equal(factor.upper, factor.upper.triu())
    identity = factor.upper.T @ factor.upper @ (hessian + 0.05 * torch.eye(6))
    torch.testing.assert_close(identity, torch.eye(6), rtol=0, atol=1e-5)


def test_damping_is_raised_tenfold_where_the_factorization_fails() -> None:
    hessian = torch.diag(torch.tensor([1.0, 1.0, -0.05]))
    factor = inverse_factor(hessian, 0.001)
    assert factor.ridge == pytest.approx(0.1)


def test_a_hopeless_hessian_is_an_error_that_names_the_way_out() -> None:
    hessian = torch.diag(torch.tensor([1.0, 1.0, -50.0]))
    with pytest.raises(CalibrationError, match="damp_percent"):
        inverse_factor(hessian, 0.01)


def test_dead_columns_do_not_dilute_the_damping() -> None:
    hessian = torch.diag(torch.tensor([2.0, 0.0, 4.0, 0.0]))
    assert live_columns(hessian).tolist() == [0, 2]
    assert mean_diagonal(hessian) == 3.0
    assert mean_diagonal(torch.zeros(3, 3)) == 0.0


def test_a_wide_hessian_is_whole_though_half_of_it_is_computed() -> None:
    columns = 2500  # three strips, the last a part of one
    accumulator, inputs = HessianAccumulator(columns), [torch.randn(n, columns) for n in (7, 30)]
    for rows in inputs:
        accumulator.add(rows)
    found = accumulator.mean()
    assert torch.equal(found, found.T)
    rows = torch.cat(inputs).double()
    assert (found - rows.T @ rows / 37).abs().max() < 1e-5
    accumulator.add(inputs[0])  # the sum goes on after it was asked for
    rows = torch.cat([*inputs, inputs[0]]).double()
    assert (accumulator.sum.mean() - rows.T @ rows / 44).abs().max() < 1e-5


def test_products_of_a_hessian() -> None:
    assert hessian_products(1000) == 2 * 1000 * 1000
    below = [(1024, 2500), (1024, 2500 - 1024), (452, 452)]
    assert hessian_products(2500) == 2 * sum(wide * tall for wide, tall in below)
