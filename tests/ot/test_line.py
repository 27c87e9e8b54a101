"""One axis and the circle, solved by sorting, against POT's own sorting and its dense solver."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import ot as pot
import twostep_rs as ts
from oracles import assert_certified, pot_cost, solve
from strategies import problems


@given(problems(dims=(1,)))
def test_cost_equals_pot_and_the_certificate_holds(problem):
    plan = solve(problem)
    scale = problem.costs().max()
    assert plan.cost == pytest.approx(pot_cost(problem), rel=1e-9, abs=1e-13 * scale)
    assert_certified(plan, problem)
    assert plan.pivots == 0


@pytest.mark.parametrize("period", [None, 2.5])
@given(problems(max_size=80, dims=(1,)))
def test_distances_equal_pot_too(period, problem):
    problem = replace(problem, period=period)
    costs = np.sqrt(problem.costs())
    a, b = problem.masses()
    plan = ts.ot.emd(
        problem.x, problem.y, a=problem.a, b=problem.b, metric="euclidean", period=period
    )
    expected = pot.emd2(a, b / b.sum() * a.sum(), costs, numItermax=10**8)
    assert plan.cost == pytest.approx(expected, rel=1e-9, abs=1e-13 * costs.max())
    u, v = plan.potentials
    assert (u[:, None] + v[None, :] - costs).max() <= 1e-12 * max(costs.max(), 1e-300)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_large_lines_equal_sorting_with_a_certificate_at_rounding(metric):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30_000), rng.normal(size=20_000) + 1.0
    a, b = rng.random(30_000), rng.random(20_000)
    a, b = a / a.sum(), b / b.sum()
    plan = ts.ot.emd(x[:, None], y[:, None], a=a, b=b, metric=metric)
    assert plan.cost == pytest.approx(pot.emd2_1d(x, y, a, b, metric=metric), rel=1e-11)
    assert plan.max_violation <= 1e-14 * plan.cost_scale
    assert plan.gap <= 1e-12 * plan.cost_scale


def test_large_circles_equal_pot_with_a_certificate_at_rounding():
    rng = np.random.default_rng(1)
    x, y = rng.normal(0.0, 0.1, 3_000) % 1.0, (rng.normal(0.5, 0.2, 2_000)) % 1.0
    plan = ts.ot.emd(x[:, None], y[:, None], period=1.0)
    assert plan.cost == pytest.approx(float(pot.wasserstein_circle(x, y, p=2)[0]), rel=1e-6)
    assert plan.max_violation <= 1e-14 * plan.cost_scale
    assert plan.gap <= 1e-13 * plan.cost_scale


def test_a_warm_start_is_left_alone():
    first = ts.ot.emd([[0.0], [1.0]], [[0.3], [1.2]])
    again = ts.ot.emd([[0.1], [1.0]], [[0.3], [1.2]], warm_start=first)
    assert not again.warm
    assert again.cost == pytest.approx((0.2**2 + 0.2**2) / 2, rel=1e-12)


@pytest.mark.parametrize("centre", [0.0, 0.4])
@pytest.mark.parametrize("width", [1e-1, 1e-4, 1e-8])
def test_short_arcs_of_a_circle_are_certified_beside_their_own_costs(centre, width):
    x, y = np.random.default_rng(0).uniform(-width, width, (2, 60, 1))
    circle, line = ts.ot.emd(x + centre, y + centre, period=1.0), ts.ot.emd(x, y)
    assert circle.cost == pytest.approx(line.cost, rel=1e-6)
    # Over the end of the period a way is rounded beside the period.
    rounding = 4.0 * np.finfo(float).eps * width if centre == 0.0 else 0.0
    assert circle.max_violation <= 1e-12 * line.cost_scale + rounding
    assert circle.gap <= 1e-12 * line.cost_scale + rounding
