"""Families that make solvers slow, cycle or fail: exact against SciPy, cold and warm, in time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import twostep_rs as ts
from twostep_rs.bench.problems import FAMILIES, clusters, cubes, squared_distances

N = 400
DIMENSIONS = {
    **{family: (law, 3) for family, law in FAMILIES.items()},
    "four dimensions": (cubes, 4),
    "eight dimensions": (cubes, 8),
}

# Solves a problem cold, then after moves in units of the distance between neighbours; says so.
SEQUENCE = """
import sys
import numpy as np, twostep_rs as ts
from twostep_rs.bench.problems import FAMILIES, masses, moved
n, names = int(sys.argv[1]), sys.argv[2:] or FAMILIES
for name in names:
    for kind in (None, "random", "spread"):
        rng = np.random.default_rng(7)
        x, y = FAMILIES[name](rng, n, 3)
        weights = {} if kind is None else {"a": masses(rng, n, kind), "b": masses(rng, n, kind)}
        print(name, kind, "cold", flush=True)
        plan = ts.ot.emd(x, y, **weights)
        for share in (0.0, 0.01, 0.15, 0.7, 10.0):
            x = moved(rng, x, share)
            print(name, kind, share, flush=True)
            plan = ts.ot.emd(x, y, warm_start=plan, **weights)
            assert plan.gap <= 1e-12 * plan.cost_scale
            assert plan.max_violation <= 1e-12 * plan.cost_scale
print("ended")
"""


def check(x, y, warm_start=None):
    """Solve and compare with SciPy on the same costs."""
    plan = ts.ot.emd(x, y, warm_start=warm_start)
    costs = squared_distances(x, y)
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


def run_within(seconds, n, *families):
    """Run the sequences in a process of their own; where it hangs, say what it was at."""
    words = [sys.executable, "-c", SEQUENCE, str(n), *families]
    try:
        done = subprocess.run(words, timeout=seconds, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired as late:
        lines = (late.stdout or b"").decode().splitlines()
        pytest.fail(f"no end after {seconds} s, in {lines[-1:]}")
    assert done.stdout.endswith("ended\n"), done.stdout[-200:] + done.stderr


@pytest.mark.parametrize("family", DIMENSIONS)
@pytest.mark.parametrize("seed", [0, 1])
def test_exact_cold_and_through_a_sequence_of_warm_starts(family, seed):
    rng = np.random.default_rng([seed, len(family)])
    law, dim = DIMENSIONS[family]
    x, y = law(rng, N, dim)
    plan = check(x, y)
    for move in (1e-6, 1e-2, 1e-1):
        x = x + move * rng.normal(size=x.shape)
        plan = check(x, y, plan)


def test_no_family_hangs_cold_or_warm():
    """Some seconds are what it takes; minutes are what a loaded machine may."""
    run_within(240, N)


def test_warm_clusters_with_unequal_shares_end():
    """Most of the mass has to cross from one cluster to the other, before and after the move."""
    run_within(240, 2000, "clusters 70/30")


@pytest.mark.parametrize("move", [0.0, 1e-3, 1e-1, 3.0])
def test_warm_clusters_with_unequal_shares_are_exact(move):
    rng = np.random.default_rng(7)
    x, y = clusters(rng, N, 3)
    plan = check(x, y)
    check(x + move * rng.normal(size=x.shape), y, plan)


@pytest.mark.parametrize("family", DIMENSIONS)
def test_the_plan_is_the_same_for_any_number_of_threads(family):
    law, dim = DIMENSIONS[family]
    x, y = law(np.random.default_rng(3), N, dim)
    one, two = (ts.ot.emd_batch([x], [y], threads=threads)[0] for threads in (1, 2))
    np.testing.assert_array_equal(one.permutation, two.permutation)
    assert one.max_violation == two.max_violation
