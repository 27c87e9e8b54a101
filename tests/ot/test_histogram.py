"""Histogram distances against NumPy and POT."""

from __future__ import annotations

import numpy as np
import pytest

import ot as pot
import twostep_rs as ts


def pot_histogram_w2(x, y, bins):
    """The paper's metric: numpy.histogramdd on the joint box, POT on the occupied bins."""
    dim = x.shape[1]
    both = np.concatenate([x, y])
    ends = list(zip(both.min(axis=0), both.max(axis=0), strict=True))
    a, edges = np.histogramdd(x, bins=bins, range=ends)
    b, _ = np.histogramdd(y, bins=bins, range=ends)
    centres = np.stack(
        np.meshgrid(*[(e[1:] + e[:-1]) / 2 for e in edges], indexing="ij"), axis=-1
    ).reshape(-1, dim)
    a, b = a.ravel() / a.sum(), b.ravel() / b.sum()
    costs = pot.dist(centres[a > 0], centres[b > 0])
    return pot.emd2(a[a > 0], b[b > 0], costs, numItermax=10**8), (a > 0).sum(), (b > 0).sum()


@pytest.mark.parametrize(
    ("dim", "bins", "n", "m"), [(1, 30, 500, 400), (2, 12, 800, 800), (3, 8, 2000, 1500)]
)
def test_joint_box_equals_pot(dim, bins, n, m):
    rng = np.random.default_rng(dim)
    x, y = rng.normal(size=(n, dim)), rng.normal(size=(m, dim)) + 0.2
    expected, occupied_x, occupied_y = pot_histogram_w2(x, y, bins)
    found = ts.ot.histogram_w2(x, y, bins=bins, box="joint")
    assert found.w2_squared == pytest.approx(expected, rel=1e-9)
    assert found.occupied == (occupied_x, occupied_y)
    assert found.w2 == pytest.approx(expected**0.5, rel=1e-9)
    assert found.gap <= 1e-9 * found.cost_scale
    assert found.max_violation <= 1e-9 * found.cost_scale


def test_the_paper_metric_at_its_size():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(15_000, 3)), rng.normal(size=(15_000, 3))
    expected, _, _ = pot_histogram_w2(x, y, 24)
    assert ts.ot.histogram_w2(x, y, bins=24, box="joint").w2_squared == pytest.approx(
        expected, rel=1e-9
    )


def test_the_reference_box_is_the_stated_quantile_range():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(500, 2)), rng.normal(size=(700, 2))
    found = ts.ot.histogram_w2(x, y, bins=10)
    low, high = np.quantile(y, [0.001, 0.999], axis=0)
    margin = 0.05 * (high - low)
    np.testing.assert_allclose(found.low, low - margin, rtol=1e-12)
    np.testing.assert_allclose(found.high, high + margin, rtol=1e-12)


def test_one_flung_particle_does_not_rescale_the_reference_box():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2000, 3)), rng.normal(size=(2000, 3))
    flung = x.copy()
    flung[0] = 1e6
    before = ts.ot.histogram_w2(x, y, bins=12).w2_squared
    after = ts.ot.histogram_w2(flung, y, bins=12)
    assert after.w2_squared < before + 0.05
    assert ts.ot.histogram_w2(flung, y, bins=12, box="joint").w2_squared > 100 * before


def test_torus_equals_pot_on_wrapped_costs():
    rng = np.random.default_rng(3)
    period, bins = 2 * np.pi, 16
    x, y = rng.normal(size=(600, 2)) * 2, rng.normal(size=(600, 2)) * 2 + 3.0
    width = period / bins
    cells = [np.floor(np.mod(points, period) / width) for points in (x, y)]
    (cx, a), (cy, b) = [np.unique(c, axis=0, return_counts=True) for c in cells]
    gap = np.abs(cx[:, None] - cy[None]) * width
    costs = (np.minimum(gap, period - gap) ** 2).sum(axis=-1)
    expected = pot.emd2(a / 600, b / 600, costs, numItermax=10**8)
    found = ts.ot.histogram_w2(x, y, bins=bins, period=period)
    assert found.w2_squared == pytest.approx(expected, rel=1e-9)


def test_fine_grids_in_four_dimensions_need_only_occupied_cells():
    rng = np.random.default_rng(4)
    x, y = rng.random((300, 4)), rng.random((300, 4))
    found = ts.ot.histogram_w2(x, y, bins=1000, box=[(0, 1)] * 4)
    assert found.w2_squared == pytest.approx(ts.ot.emd(x, y).cost, rel=2e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 0}, "bins: expected at least 1"),
        ({"bins": 2.5}, "bins: expected one integer"),
        ({"bins": [3, 3, 3]}, "bins: expected one integer or 2"),
        ({"box": "tight"}, "box: expected one of"),
        ({"box": [(0, 1)]}, "box: expected 'reference', 'joint' or ends"),
        ({"box": [(0, 1), (1, 0)]}, "box: expected low ends that do not exceed"),
        ({"period": -1.0}, "period: expected positive numbers, got -1"),
    ],
)
def test_bad_options_are_named(options, message):
    points = np.random.default_rng(5).random((10, 2))
    with pytest.raises(ts.errors.InputError, match=message):
        ts.ot.histogram_w2(points, points, **options)


def test_bad_clouds_are_named():
    good = np.zeros((3, 2))
    with pytest.raises(ts.errors.InputError, match="x: expected finite values"):
        ts.ot.histogram_w2([[np.nan, 0.0]], good)
    with pytest.raises(ts.errors.ShapeError, match="x: expected points of dimension 2"):
        ts.ot.histogram_w2(np.zeros((3, 3)), good)
