"""Families that make solvers slow, cycle or fail: exact against SciPy, cold and warm, in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import twostep_rs as ts

if TYPE_CHECKING:
    from collections.abc import Callable

N = 400
#: Seconds for one solve: hundreds of times what it takes, far less than a hang.
BUDGET = 30.0

Cloud = np.ndarray


def clusters(rng: np.random.Generator, share: float) -> Cloud:
    return rng.normal(size=(N, 3)) * 0.1 + 10.0 * (rng.random((N, 1)) < share)


def sphere(rng: np.random.Generator, radius: float) -> Cloud:
    points = rng.normal(size=(N, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True)


FAMILIES: dict[str, Callable[[np.random.Generator], tuple[Cloud, Cloud]]] = {
    "clusters 70/30": lambda rng: (clusters(rng, 0.7), clusters(rng, 0.3)),
    "mode collapse": lambda rng: (
        rng.normal(size=(5, 3))[rng.integers(0, 5, N)] + 1e-9 * rng.normal(size=(N, 3)),
        rng.normal(size=(N, 3)),
    ),
    "shell and ball": lambda rng: (sphere(rng, 1.0), 0.3 * rng.normal(size=(N, 3))),
    "two shells": lambda rng: (sphere(rng, 1.0), sphere(rng, 2.0)),
    "heavy tails": lambda rng: (
        rng.standard_t(1.2, size=(N, 3)),
        rng.standard_t(1.2, size=(N, 3)),
    ),
    "lattice": lambda rng: (
        rng.integers(0, 6, (N, 3)).astype(float),
        rng.integers(0, 6, (N, 3)).astype(float),
    ),
    "collinear": lambda rng: (
        rng.normal(size=(N, 1)) * np.ones(3),
        rng.normal(size=(N, 1)) * np.array([1.0, -1.0, 2.0]),
    ),
    "duplicates": lambda rng: (
        rng.normal(size=(20, 3))[rng.integers(0, 20, N)],
        rng.normal(size=(20, 3))[rng.integers(0, 20, N)],
    ),
    "one target": lambda rng: (rng.random((N, 3)), np.zeros((N, 3))),
    "flat and thin": lambda rng: (
        rng.normal(size=(N, 3)) * np.array([1.0, 1.0, 0.0]),
        rng.normal(size=(N, 3)) * np.array([1e-6, 1.0, 1e3]),
    ),
    "far and tiny": lambda rng: (
        1e3 + 1e-6 * rng.normal(size=(N, 3)),
        rng.normal(size=(N, 3)),
    ),
    "four dimensions": lambda rng: (rng.random((N, 4)), rng.normal(size=(N, 4))),
    "eight dimensions": lambda rng: (rng.random((N, 8)), rng.normal(size=(N, 8))),
}


def check(x: Cloud, y: Cloud, warm_start: ts.ot.Plan | None = None) -> ts.ot.Plan:
    """Solve within the budget and compare with SciPy on the same costs."""
    start = time.perf_counter()
    plan = ts.ot.emd(x, y, warm_start=warm_start)
    assert time.perf_counter() - start < BUDGET
    costs = ((x[:, None] - y[None]) ** 2).sum(axis=-1)
    rows, cols = linear_sum_assignment(costs)
    assert abs(plan.cost - costs[rows, cols].mean()) <= 1e-12 * costs.max()
    assert plan.max_violation <= 1e-12 * plan.cost_scale
    assert plan.gap <= 1e-12 * plan.cost_scale
    assert plan.marginal_residual == 0.0
    assert len(plan.permutation) == len(x)
    u, v = plan.potentials
    assert (u[:, None] + v[None] - costs).max() == pytest.approx(
        plan.max_violation, abs=1e-13 * plan.cost_scale
    )
    return plan


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_exact_cold_and_through_a_sequence_of_warm_starts(family, seed):
    rng = np.random.default_rng([seed, len(family)])
    x, y = FAMILIES[family](rng)
    plan = check(x, y)
    for move in (1e-6, 1e-2, 1e-1):
        x = x + move * rng.normal(size=x.shape)
        plan = check(x, y, plan)


@pytest.mark.parametrize("move", [0.0, 1e-3, 1e-1, 3.0])
def test_warm_clusters_with_unequal_shares_end(move):
    """Most of the mass has to cross from one cluster to the other, before and after the move."""
    rng = np.random.default_rng(7)
    x, y = clusters(rng, 0.7), clusters(rng, 0.3)
    plan = check(x, y)
    check(x + move * rng.normal(size=x.shape), y, plan)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plan_is_the_same_for_any_number_of_threads(family):
    x, y = FAMILIES[family](np.random.default_rng(3))
    one, two = (ts.ot.emd(x, y, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.permutation, two.permutation)
    assert one.max_violation == two.max_violation
