"""Distances between weighted grids: equal to whole numbers found by other means."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import ot as pot
import twostep_rs as ts


def squares(shape, *, periodic):
    """Squared distances of all pairs of cells, in cells."""
    cells = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=-1)
    gap = np.abs(cells[:, None] - cells[None])
    if periodic:
        gap = np.minimum(gap, np.array(shape) - gap)
    return (gap**2).sum(axis=-1)


def assignment_cost(a, b, costs):
    """Optimal cost of counts with equal totals, as a whole number: one particle at a time."""
    x, y = (np.repeat(np.arange(counts.size), counts.ravel()) for counts in (a, b))
    rows, cols = linear_sum_assignment(costs[x[:, None], y[None]])
    return int(costs[x[rows], y[cols]].sum())


@pytest.mark.parametrize("widths", [(1.0, 1e-9), (1e-9, 1.0), (1.0, 1e-5)])
def test_cells_may_be_very_thin(widths):
    """Whole-number costs along the thin axis are all zero, or nearly so."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, (2, 8, 8)) + 0.0
    found = ts.ot.grid_w2(a, b, widths=widths)
    axis = int(np.argmin(widths))
    rows, cols, mass = found.plan
    cells = np.stack(np.unravel_index([rows, cols], a.shape), axis=-1)
    gap = ((cells[0] - cells[1]) * np.array(widths)) ** 2
    assert found.w2_squared == pytest.approx(mass @ gap.sum(axis=1), rel=1e-9)
    wide = ts.ot.grid_w2(a.sum(axis=axis), b.sum(axis=axis)).w2_squared
    assert found.w2_squared == pytest.approx(wide, rel=1e-6)
    assert found.gap <= 1e-9 * found.cost_scale
    assert (ts.ot.grid_w2(np.ones((2, 8)), np.ones((2, 8)), widths=widths).w2_squared) == 0.0


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ((1e200, 1.0), "box: expected cells whose squared widths are normal numbers, got 1e200"),
        ((1e-170, 1e-171), "box: expected cells whose squared widths are normal numbers"),
        ((1e153, 1e153), "box: expected ends whose squared distance is finite"),
    ],
)
def test_widths_whose_squares_are_no_numbers_are_refused(widths, message):
    with pytest.raises(ts.errors.InputError, match=message):
        ts.ot.grid_w2(np.ones((40, 40)), np.ones((40, 40)), widths=widths)


def test_a_heavy_cell_may_serve_all_others():
    a, b = np.full((12, 12, 12), 0.0), np.random.default_rng(0).random((12, 12, 12))
    a[5:7, 5:7, 5:7], a[5, 5, 5] = 1.0, 70.0
    found = ts.ot.grid_w2(a, b)
    cells = np.stack(np.unravel_index(np.arange(a.size), a.shape), axis=-1)
    few = np.flatnonzero(a)
    costs = ((cells[few, None] - cells[None]) ** 2).sum(axis=-1).astype(float)
    exact = pot.emd2(a.ravel()[few] / a.sum(), b.ravel() / b.sum(), costs, numItermax=10**8)
    assert found.w2_squared == pytest.approx(exact, rel=1e-9)


@given(
    st.integers(0, 2**32),
    st.sampled_from([(40,), (9, 6), (7, 7), (4, 3, 5), (3, 2, 4, 3)]),
    st.booleans(),
    st.integers(1, 150),
)
def test_cubic_cells_give_equality(seed, shape, periodic, particles):
    rng = np.random.default_rng(seed)
    cells = int(np.prod(shape))
    a, b = (
        np.bincount((cells * rng.random(particles) ** power).astype(int), minlength=cells)
        for power in (1.0, 2.0)
    )
    costs = squares(shape, periodic=periodic)
    period = [float(count) for count in shape] if periodic else None
    found = ts.ot.grid_w2(a.reshape(shape), b.reshape(shape), period=period)
    assert found.in_cells == Fraction(assignment_cost(a, b, costs), particles)
    assert found.gap == 0.0
    assert found.max_violation <= 0.0
    assert found.marginal_residual == 0.0
    rows, cols, mass = found.plan
    assert Fraction(round((mass * particles) @ costs[rows, cols]), particles) == found.in_cells
    u, v = (dual.ravel() for dual in found.potentials)
    pairs = np.ix_(a > 0, b > 0)
    assert (u[:, None] + v[None] - costs)[pairs].max() == found.max_violation


@pytest.mark.parametrize("shape", [(30,), (12, 9), (6, 5, 7), (4, 5, 3, 4)])
@pytest.mark.parametrize("periodic", [False, True])
def test_other_cells_and_real_weights_equal_pot(shape, periodic):
    rng = np.random.default_rng(len(shape))
    a, b = rng.random((2, *shape)) * (rng.random((2, *shape)) < 0.6)
    widths = 0.3 + rng.random(len(shape))
    cells = np.stack(np.unravel_index(np.arange(a.size), shape), axis=-1)
    gap = np.abs(cells[:, None] - cells[None])
    if periodic:
        gap = np.minimum(gap, np.array(shape) - gap)
    costs = ((gap * widths) ** 2).sum(axis=-1)
    place = {"period": widths * np.array(shape)} if periodic else {"widths": widths}
    found = ts.ot.grid_w2(a, b, **place)
    a, b = a.ravel() / a.sum(), b.ravel() / b.sum()
    expected = pot.emd2(a, b, costs, numItermax=10**8)
    assert abs(found.w2_squared - expected) <= 1e-12 * costs.max()
    assert found.gap <= 1e-12 * found.cost_scale
    assert found.max_violation <= 1e-12 * found.cost_scale
    assert found.cost_rounding <= 3e-13 * found.cost_scale
    assert found.in_cells is None or len(shape) == 1
    rows, cols, mass = found.plan
    np.testing.assert_allclose(np.bincount(rows, mass, a.size), a, atol=1e-15)
    np.testing.assert_allclose(np.bincount(cols, mass, a.size), b, atol=1e-15)


def test_mass_that_goes_far_is_exact_too():
    """Duals come from coarser cells here; the problem is too large for an assignment."""
    rng = np.random.default_rng(0)
    x, y = rng.random((4000, 2)), np.mod(0.2 * rng.normal(size=(4000, 2)), 1.0)
    found = ts.ot.histogram_w2(x, y, bins=40, period=1.0)
    assert found.gap == 0.0
    assert found.max_violation <= 0.0
    (p, a), (q, b) = (np.unique(np.floor(z * 40), axis=0, return_counts=True) for z in (x, y))
    gap = np.abs(p[:, None] - q[None])
    costs = (np.minimum(gap, 40 - gap) ** 2).sum(axis=-1)
    total = 4000 * pot.emd2(a / 4000, b / 4000, costs, numItermax=10**8)
    assert found.in_cells == Fraction(round(total), 4000)


def test_a_sequence_starts_from_its_last_duals():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 4000, 3))
    measure = ts.ot.HistogramSequence(y, bins=12)
    for step in range(3):
        hop = rng.random((4000, 1)) < 0.1
        x = x + hop * 0.3 * rng.normal(size=x.shape)
        found = measure(x)
        cold = ts.ot.histogram_w2(x, y, bins=12)
        assert found.warm == (step > 0)
        assert abs(found.w2_squared - cold.w2_squared) <= 1e-12 * found.cost_scale
    other = ts.ot.histogram_w2(x, y, bins=13, warm_start=measure.last)
    assert not other.warm


def test_the_plan_is_the_same_for_any_number_of_threads():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 5000, 3))
    one, two = (ts.ot.histogram_w2(x, y, bins=16, threads=threads) for threads in (1, 2))
    for first, second in zip(one.plan, two.plan, strict=True):
        np.testing.assert_array_equal(first, second)


def test_tensors_booleans_and_one_cell_are_weights():
    assert ts.ot.grid_w2(torch.ones(3, 3), torch.eye(3)).w2_squared > 0.0
    assert ts.ot.grid_w2([True, False], [False, True], widths=3.0).w2_squared == 9.0
    assert ts.ot.grid_w2([[5.0]], [[2.0]]).w2_squared == 0.0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"b": np.ones((2, 3))}, ts.errors.ShapeError, r"b: expected shape \(2, 2\), like a"),
        ({"a": np.ones((2,) * 5)}, ts.errors.ShapeError, "a: expected 1 to 4 axes"),
        ({"a": -np.ones((2, 2))}, ts.errors.MassError, "a: expected non-negative masses"),
        ({"b": np.zeros((2, 2))}, ts.errors.MassError, "equal positive total masses"),
        ({"b": np.full((2, 2), np.nan)}, ts.errors.InputError, "b: expected finite values"),
        ({"widths": 0.0}, ts.errors.InputError, "widths: expected positive numbers"),
        ({"widths": [1.0] * 3}, ts.errors.InputError, "widths: expected one number or 2"),
        ({"period": [1.0]}, ts.errors.InputError, "period: expected one number or 2"),
        ({"box": [(0, 1)]}, ts.errors.ShapeError, "box: expected ends"),
        ({"period": 1.0, "widths": 1.0}, ts.errors.InputError, "expected one of them at most"),
        ({"warm_start": 3}, ts.errors.DtypeError, "warm_start: expected a GridW2, got int"),
    ],
)
def test_bad_arguments_are_named(options, error, message):
    arguments = {"a": np.ones((2, 2)), "b": np.ones((2, 2))} | options
    with pytest.raises(error, match=message):
        ts.ot.grid_w2(arguments.pop("a"), arguments.pop("b"), **arguments)


def test_a_sequence_refuses_a_box_that_moves():
    with pytest.raises(ts.errors.InputError, match="box: expected 'reference' or ends"):
        ts.ot.HistogramSequence(np.zeros((3, 2)), box="joint")
