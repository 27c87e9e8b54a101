from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, entropy, kstest

from twostep_rs.systems import Checkerboard

BOARD = Checkerboard()


def test_targets_are_uniform_on_the_squares():
    points = BOARD.simulate(1.0, n=80_000, seed=3).target
    assert BOARD.contains(points).all()
    squares = np.floor((points + 4.0) / 2.0).astype(int)
    _, counts = np.unique(4 * squares[:, 0] + squares[:, 1], return_counts=True)
    assert len(counts) == 8
    assert chisquare(counts).pvalue > 1e-3
    for axis in range(2):
        assert kstest(points[:, axis] % 2.0, "uniform", args=(0.0, 2.0)).pvalue > 1e-3


def test_squares_alternate():
    rows, columns = np.meshgrid(np.arange(-3, 4, 2), np.arange(-3, 4, 2), indexing="ij")
    centres = np.stack([rows.ravel(), columns.ravel()], axis=1)
    inside = BOARD.contains(centres).reshape(4, 4)
    assert inside[0, 0]
    assert (inside[1:] != inside[:-1]).all()
    assert (inside[:, 1:] != inside[:, :-1]).all()
    assert not BOARD.contains([[5.0, 5.0], [-4.1, -3.0], [0.0, 100.0]]).any()


def test_divergence_of_the_law_itself_is_the_floor():
    n = 1_000_000
    found = BOARD.divergence(BOARD.simulate(1.0, n=n, seed=0).target)
    # A plug-in estimate with k cells errs by k / 2n; the pseudo-counts take the rest of the shares.
    expected = 3200 / (2 * n) + np.log1p(0.1 * 10_001 / n) - 0.1 * 3200 / n
    assert found == pytest.approx(expected, rel=0.1)


def test_divergence_of_the_whole_board_is_log_two():
    points = np.random.default_rng(0).uniform(-4.0, 4.0, size=(1_000_000, 2))
    assert BOARD.divergence(points) == pytest.approx(np.log(2.0), abs=0.005)


def test_divergence_is_that_of_scipy_on_a_normal_law():
    points = np.random.default_rng(0).normal(scale=2.0, size=(200_000, 2))
    inside = np.zeros((100, 100))
    counts = np.zeros((100, 100))
    cells = np.floor((points + 5.0) / 0.1).astype(int)
    for row, column in cells[((cells >= 0) & (cells < 100)).all(axis=1)]:
        counts[row, column] += 1
    for row in range(10, 90):
        for column in range(10, 90):
            inside[row, column] = ((row - 10) // 20 + (column - 10) // 20) % 2 == 0
    rest = len(points) - counts.sum()
    q = np.append(counts.ravel(), rest) + 0.1
    p = np.append(inside.ravel(), 0.0)
    assert BOARD.divergence(points) == pytest.approx(entropy(p, q), rel=1e-9)


def test_points_far_away_are_counted():
    points = BOARD.simulate(1.0, n=100_000, seed=0).target
    away = points.copy()
    away[:50_000] += 100.0
    near = BOARD.divergence(away) - BOARD.divergence(points)
    assert near == pytest.approx(np.log(2.0), abs=0.02)
