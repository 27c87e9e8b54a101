"""Exact transport against POT, and against answers known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import ot as pot
import twostep_rs as ts
from oracles import assert_certified, pot_cost, solve
from strategies import Problem, problems


@given(problems())
def test_cost_equals_pot_and_the_certificate_holds(problem):
    plan = solve(problem)
    scale = problem.costs().max()
    # POT stops at reduced costs of 2.2e-15 of the largest cost: its own error on a problem whose
    # optimum is tiny beside that.
    assert plan.cost == pytest.approx(pot_cost(problem), rel=1e-9, abs=1e-13 * scale)
    assert_certified(plan, problem)


@given(problems(max_size=60))
def test_matrix_equals_pot(problem):
    a, b = problem.masses()
    costs = problem.costs()
    plan = ts.ot.emd_matrix(a, b, costs)
    expected = pot.emd2(a, b, costs, numItermax=10**8)
    assert (plan * costs).sum() == pytest.approx(expected, rel=1e-9, abs=1e-13 * costs.max())
    np.testing.assert_allclose(plan.sum(axis=1), a, atol=1e-14)
    np.testing.assert_allclose(plan.sum(axis=0), b, atol=1e-14)


@given(problems(max_size=80), st.sampled_from((0.0, 0.01, 0.3, 10.0)))
def test_a_warm_start_changes_nothing_but_the_work(problem, move):
    rng = np.random.default_rng(0)
    first = solve(problem)
    moved = Problem(
        problem.x + move * rng.normal(size=problem.x.shape),
        problem.y,
        problem.a,
        problem.b,
        problem.period,
    )
    warm = solve(moved, warm_start=first)
    assert_certified(warm, moved)
    scale = moved.costs().max()
    assert warm.cost == pytest.approx(solve(moved).cost, rel=1e-9, abs=1e-13 * scale)


def test_a_warm_start_from_duals_larger_than_all_costs():
    """One far pair becomes a near one: old duals do not fit the integers of the new costs."""
    first = ts.ot.emd([[0.0, 0.0]], [[0.4, 0.0]], period=1.0)
    near = ts.ot.emd([[0.399, 0.0]], [[0.4, 0.0]], period=1.0, warm_start=first)
    assert near.cost == pytest.approx(1e-6, rel=1e-9)
    assert near.gap <= 1e-15
    assert near.max_violation <= 1e-15


@given(problems(max_size=60))
def test_a_warm_start_with_new_masses(problem):
    first = solve(problem)
    rng = np.random.default_rng(1)
    a = rng.random(len(problem.x)) + 0.1
    b = rng.random(len(problem.y)) + 0.1
    changed = Problem(problem.x, problem.y, a / a.sum(), b / b.sum(), problem.period)
    assert_certified(solve(changed, warm_start=first), changed)


@pytest.mark.parametrize("seed", range(20))
def test_clouds_equal_assignment_to_1e_12(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(500, 2001))
    dim = 3 + seed % 2
    x, y = rng.normal(size=(n, dim)), rng.normal(size=(n, dim)) * 1.1
    problem = Problem(x, y, None, None, None)
    plan = solve(problem)
    costs = problem.costs()
    rows, cols = linear_sum_assignment(costs)
    assert plan.cost == pytest.approx(costs[rows, cols].mean(), rel=1e-12)
    assert plan.max_violation <= 1e-12 * plan.cost_scale
    np.testing.assert_array_equal(plan.permutation, cols)
    if seed < 5:
        assert plan.cost == pytest.approx(pot_cost(problem), rel=1e-12)


def test_translation_has_the_square_of_its_length():
    x = np.random.default_rng(4).normal(size=(300, 3))
    shift = np.array([3.0, -1.0, 2.0])
    plan = ts.ot.emd(x, x + shift)
    assert plan.cost == pytest.approx(14.0, rel=1e-12)
    assert plan.w2 == pytest.approx(14.0**0.5, rel=1e-12)
    np.testing.assert_array_equal(plan.permutation, np.arange(300))


def test_one_point_against_many():
    y = np.random.default_rng(5).normal(size=(50, 2))
    plan = ts.ot.emd([[0.0, 0.0]], y)
    assert plan.cost == pytest.approx((y**2).sum(axis=1).mean())
    assert plan.rows.tolist() == [0] * 50


def test_identical_points_cost_nothing():
    x = np.ones((40, 3))
    assert ts.ot.emd(x, x).cost == 0.0


def test_euclidean_metric_against_pot():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(120, 3)), rng.normal(size=(90, 3)) + 1.0
    plan = ts.ot.emd(x, y, metric="euclidean")
    expected = pot.emd2([], [], pot.dist(x, y, "euclidean"), numItermax=10**8)
    assert plan.cost == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ts.errors.InputError, match="w2"):
        _ = plan.w2


def test_costs_of_any_sign():
    rng = np.random.default_rng(7)
    costs = rng.normal(size=(30, 40)) - 5.0
    # A constant may be added to all costs; POT calls negative ones infeasible.
    shifted = pot.emd2([], [], costs - costs.min(), numItermax=10**8)
    expected = shifted + costs.min()
    assert (ts.ot.emd_matrix([], [], costs) * costs).sum() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sizes", [(700, 650), (3100, 3050)])
def test_the_plan_is_the_same_for_any_number_of_threads(sizes):
    """A batch has a pool whatever its size; a single small problem stays on the calling thread."""
    rng = np.random.default_rng(8)
    x, y = (rng.normal(size=(1, n, 3)) for n in sizes)
    plans = [ts.ot.emd_batch(x, y, threads=threads)[0] for threads in (1, 2, 7)]
    for plan in plans[1:]:
        np.testing.assert_array_equal(plan.rows, plans[0].rows)
        np.testing.assert_array_equal(plan.cols, plans[0].cols)
        np.testing.assert_array_equal(plan.potentials[0], plans[0].potentials[0])


def test_matrices_are_solved_alike_by_any_number_of_threads():
    """From 262 144 entries on they are looked through by several."""
    costs = np.random.default_rng(10).random((800, 700))
    one, two = (ts.ot.emd_matrix([], [], costs, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_a_batch_is_its_problems():
    rng = np.random.default_rng(9)
    xs, ys = rng.normal(size=(5, 80, 3)), rng.normal(size=(5, 80, 3))
    plans = ts.ot.emd_batch(xs, ys)
    assert [plan.cost for plan in plans] == [
        ts.ot.emd(x, y).cost for x, y in zip(xs, ys, strict=True)
    ]
    again = ts.ot.emd_batch(xs, ys, warm_starts=plans)
    assert all(plan.warm for plan in again)
    assert ts.ot.emd_batch([], []) == []


def test_a_warm_start_saves_pivots_and_a_useless_one_is_left_alone():
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(800, 3)), rng.normal(size=(800, 3))
    cold = ts.ot.emd(x, y)
    warm = ts.ot.emd(x + 1e-3 * rng.normal(size=x.shape), y, warm_start=cold)
    assert warm.warm
    assert warm.pivots < cold.pivots / 5
    assert not ts.ot.emd(x + 100.0, y, warm_start=cold).warm
    assert not ts.ot.emd(x[:700], y, warm_start=cold).warm


def test_torch_in_torch_out():
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    plan = ts.ot.emd(x, y)
    assert isinstance(plan.permutation, torch.Tensor)
    assert plan.permutation.dtype == torch.int64
    assert plan.mass.dtype == torch.float32
    matrix = ts.ot.emd_matrix([], [], torch.cdist(x, y).detach() ** 2)
    assert isinstance(matrix, torch.Tensor)
    np.testing.assert_allclose(matrix.numpy(), plan.to_dense().numpy(), atol=1e-7)


def test_lists_and_integers_are_points_too():
    assert ts.ot.emd([[0], [2]], [[2], [1]]).cost == pytest.approx(0.5)


def test_a_budget_that_runs_out_tells_the_gap():
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=(300, 3)), rng.normal(size=(300, 3))
    best = ts.ot.emd(x, y)
    with pytest.raises(ts.errors.ConvergenceError, match="100 iterations") as caught:
        ts.ot.emd(x, y, max_pivots=100)
    assert caught.value.gap > 0
    assert ts.ot.emd(x, y, max_pivots=10**9).cost == best.cost


GOOD = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": [[np.nan, 0.0]]}, ts.errors.InputError, "x: expected finite values, got NaN"),
        ({"y": [[0.0, np.inf]]}, ts.errors.InputError, "y: expected finite values, got inf"),
        ({"x": np.zeros((0, 2))}, ts.errors.ShapeError, "x: expected at least one point"),
        ({"x": np.zeros(3)}, ts.errors.ShapeError, r"x: expected shape \(n, d\)"),
        ({"x": np.zeros((3, 3))}, ts.errors.ShapeError, "y: expected points of dimension 3"),
        ({"x": np.zeros((3, 2), complex)}, ts.errors.DtypeError, "x: expected real numbers"),
        ({"x": [["a", "b"]]}, ts.errors.DtypeError, "x: expected real numbers"),
        ({"x": [[1.0, 2.0], [3.0]]}, ts.errors.ShapeError, "x: expected a rectangular array"),
        ({"a": [0.5, 0.6, -0.1]}, ts.errors.MassError, "a: expected non-negative masses, got -0.1"),
        ({"a": [0.5, 0.5, 0.5]}, ts.errors.MassError, "expected equal positive total masses"),
        ({"a": [0.0, 0.0, 0.0]}, ts.errors.MassError, "expected equal positive total masses"),
        ({"b": [0.5, np.nan, 0.5]}, ts.errors.InputError, "b: expected finite values"),
        ({"b": [0.5, 0.5]}, ts.errors.ShapeError, "b: expected 3 masses, one per point of y"),
        ({"metric": "manhattan"}, ts.errors.InputError, "metric: expected one of"),
        ({"period": 0.0}, ts.errors.InputError, "period: expected a positive number, got 0"),
        ({"period": [1.0]}, ts.errors.InputError, "period: expected one number or 2"),
        ({"threads": 0}, ts.errors.InputError, "threads: expected at least 1"),
        ({"threads": -1}, ts.errors.InputError, "threads: expected at least 1, got -1"),
        ({"max_pivots": -1}, ts.errors.InputError, "max_pivots: expected at least 0, got -1"),
        (
            {"a": [1e-310, 3e-310, 0.0], "b": [3e-310, 1e-310, 0.0]},
            ts.errors.InputError,
            "a: expected a total mass of at least",
        ),
        ({"warm_start": "yes"}, ts.errors.DtypeError, "warm_start: expected a Plan, got str"),
        ({"x": np.full((3, 2), 1e200)}, ts.errors.InputError, "squared distances are finite"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    arguments = {"x": GOOD, "y": GOOD} | arguments
    with pytest.raises(error, match=message):
        ts.ot.emd(arguments.pop("x"), arguments.pop("y"), **arguments)


@pytest.mark.parametrize(
    ("a", "b", "costs", "message"),
    [
        ([0.5, 0.5], [1.0], np.zeros((2, 2)), "M: expected"),
        ([0.5, 0.5], [1.0], [[1.0], [np.nan]], "M: expected finite values"),
        ([0.5, 0.4], [1.0], [[1.0], [1.0]], "total masses"),
        ([], [], np.zeros((0, 3)), "M: expected at least one source"),
    ],
)
def test_bad_matrices_are_named(a, b, costs, message):
    with pytest.raises(ts.errors.InputError, match=message):
        ts.ot.emd_matrix(a, b, costs)


def test_a_batch_of_unequal_length_is_refused():
    with pytest.raises(ts.errors.ShapeError, match="ys: expected 1 problems"):
        ts.ot.emd_batch([GOOD], [])
    with pytest.raises(ts.errors.ShapeError, match="warm_starts: expected 1 plans"):
        ts.ot.emd_batch([GOOD], [GOOD], warm_starts=[])


def test_a_plan_that_is_no_permutation_says_so():
    with pytest.raises(ts.errors.InputError, match="permutation: expected equal weights"):
        _ = ts.ot.emd(np.zeros((2, 1)), np.ones((3, 1))).permutation
