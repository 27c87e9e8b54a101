"""Exact transport by others: costs from POT, and a check of a plan's proof with NumPy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import ot as pot
import twostep_rs as ts

if TYPE_CHECKING:
    from strategies import Problem

#: Violations and gaps are rounding: this part of the largest cost.
CERTIFIED = 1e-9


def solve(problem: Problem, **options: object) -> ts.ot.Plan:
    return ts.ot.emd(
        problem.x, problem.y, a=problem.a, b=problem.b, period=problem.period, **options
    )


def pot_cost(problem: Problem) -> float:
    a, b = problem.masses()
    return pot.emd2(a, b / b.sum() * a.sum(), problem.costs(), numItermax=10**8)


def assert_certified(plan: ts.ot.Plan, problem: Problem) -> None:
    """Check the proof with NumPy, independently of what the plan says about itself."""
    costs = problem.costs()
    scale = max(costs.max(), 1e-300)
    a, b = problem.masses()
    u, v = plan.potentials
    assert (u[:, None] + v[None, :] - costs).max() <= CERTIFIED * scale
    assert abs(a @ u + b @ v - plan.cost) <= CERTIFIED * scale
    np.testing.assert_allclose((plan.mass * costs[plan.rows, plan.cols]).sum(), plan.cost)
    np.testing.assert_allclose(np.bincount(plan.rows, plan.mass, len(a)), a, atol=1e-14)
    np.testing.assert_allclose(np.bincount(plan.cols, plan.mass, len(b)), b, atol=1e-14)
    assert plan.mass.min() > 0
    assert plan.max_violation <= CERTIFIED * scale
    assert plan.gap <= CERTIFIED * scale
    assert plan.marginal_residual <= 1e-14
