"""Baselines of pages whose shape is known."""

import numpy as np
import pytest

from assistant.seeing.baselines import baselines


def points_on(
    sink: np.ndarray, across: np.ndarray, pitch: float = 40.0
) -> tuple[np.ndarray, np.ndarray]:
    """Points of ten rows that sink by given pixels at given places, and their rows."""
    rows = np.repeat(np.arange(10), len(across))
    x = np.tile(across, 10)
    return np.stack([x, rows * pitch + np.tile(sink, 10)], axis=1), rows


@pytest.mark.parametrize("rise", [0.0, 0.05, -0.3])
def test_a_leaning_page_is_laid_straight(rise: float) -> None:
    across = np.linspace(0, 900, 12)
    points, rows = points_on(rise * across, across)
    flat = baselines(points, rows).flat(*points.T)
    for row in range(10):
        assert np.ptp(flat[rows == row]) < 0.5


def test_a_bent_page_is_laid_flat_in_spite_of_wrong_points() -> None:
    rng = np.random.default_rng(3)
    across = np.linspace(0, 900, 30)
    points, rows = points_on(80 * (across / 450 - 1) ** 2, across)
    wrong = rng.choice(len(points), 20, replace=False)
    seen = points + rng.normal(0, 0.5, points.shape)
    seen[wrong, 1] += 15
    page = baselines(seen, rows)
    flat = page.flat(*points.T)
    for row in range(10):
        assert np.ptp(flat[rows == row]) < 3
    assert np.allclose(np.diff([flat[rows == row].mean() for row in range(10)]), 40, atol=2)


def test_what_is_laid_flat_can_be_bent_again() -> None:
    across = np.linspace(0, 900, 30)
    points, rows = points_on(60 * (across / 450 - 1) ** 2, across)
    page = baselines(points, rows)
    assert np.allclose(page.bent(points[:, 0], page.flat(*points.T)), points[:, 1], atol=0.01)


def test_a_few_lines_tell_nothing_of_the_paper() -> None:
    points = np.array([[0.0, 0.0], [50.0, 9.0], [300.0, 40.0], [350.0, 31.0]])
    page = baselines(points, np.array([0, 0, 1, 1]))
    assert np.allclose(page.flat(*points.T), points[:, 1])
    assert np.allclose(baselines(np.zeros((0, 2)), np.zeros(0, int)).flat(*points.T), points[:, 1])
