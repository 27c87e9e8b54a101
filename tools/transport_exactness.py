"""Random and adversarial transport problems against other solvers, and by their own proof.

    python tools/transport_exactness.py results/benches/transport_exactness.json [--instances 2000]

Clouds are held against POT (numItermax=1e8), or SciPy where that is quick; grids with whole numbers
as costs and masses against POT in whole numbers, where equality is asked for. Each plan is also
proved with NumPy over all pairs, solved again after a move from its warm start, and solved with
another number of threads. Any failure ends the run, with the instance that made it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

import ot as pot
import twostep_rs as ts
from twostep_rs.bench.problems import FAMILIES, masses, moved, squared_distances
from twostep_rs.bench.record import record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Part of the cost scale that costs, violations and gaps may differ by.
TOLERANCE = 1e-12
#: SciPy takes seconds from here on, in the families that are hard for it.
QUICK_FOR_SCIPY = 300


class Found:
    """The worst of each figure, by family."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def note(self, family: str, **figures: float) -> None:
        """Keep what is larger than before, and count the instance."""
        row = self.rows.setdefault(family, {"family": family, "instances": 0})
        row["instances"] += 1
        for name, value in figures.items():
            row[name] = max(row.get(name, 0.0), float(value))


def check_clouds(rng: np.random.Generator, family: str, most: int, found: Found) -> None:
    """One problem between clouds, cold, with other threads, and warm."""
    n, m = sizes(rng, most)
    dim = int(rng.choice([1, 2, 3, 3, 3, 4, 8]))
    period = rng.choice([None, None, None, 1.7])
    x, y = FAMILIES[family](rng, max(n, m), dim)
    x, y = x[:n], y[:m]
    kind = rng.choice(["equal"] * 4 + ["random", "counts", "zeros", "spread"])
    weights = {}
    if kind != "equal":
        weights = {"a": masses(rng, n, kind), "b": masses(rng, m, kind)}
    costs = squared_distances(x, y, period)
    euclidean = bool(rng.random() < 0.15)
    if euclidean:
        np.sqrt(costs, out=costs)
    problem = {**weights, "metric": "euclidean" if euclidean else "sqeuclidean", "period": period}

    started = time.perf_counter()
    plan = ts.ot.emd(x, y, threads=1, **problem)
    seconds = time.perf_counter() - started
    two = ts.ot.emd(x, y, threads=2, **problem)
    assert np.array_equal(plan.rows, two.rows)
    assert np.array_equal(plan.cols, two.cols)
    assert np.array_equal(plan.mass, two.mass)
    figures = proof(plan, costs, **weights)
    figures["cost_difference"] = abs(plan.cost - optimum(costs, **weights)) / plan.cost_scale

    after = moved(rng, x, float(rng.choice([0.0, 0.05, 0.5, 5.0]))) if n > 1 else x + 0.01
    started = time.perf_counter()
    warm = ts.ot.emd(after, y, warm_start=plan, threads=1, **problem)
    figures["seconds"] = max(seconds, time.perf_counter() - started)
    costs = squared_distances(after, y, period)
    if euclidean:
        np.sqrt(costs, out=costs)
    for name, value in proof(warm, costs, **weights).items():
        figures[name] = max(figures[name], value)
    for name, value in figures.items():
        assert name == "seconds" or value <= TOLERANCE, (name, value)
    found.note(family, **figures)


def sizes(rng: np.random.Generator, most: int) -> tuple[int, int]:
    """Numbers of sources and targets, equal two times in three, uniform in their logarithm."""
    n, m = np.exp(rng.uniform(0.0, np.log(most), 2)).round().astype(int)
    return int(n), int(n if rng.random() < 2 / 3 else m)


def optimum(costs: Array, a: Array | None = None, b: Array | None = None) -> float:
    """The least cost, by SciPy or POT."""
    n, m = costs.shape
    if a is None and n == m <= QUICK_FOR_SCIPY:
        rows, cols = linear_sum_assignment(costs)
        return float(costs[rows, cols].mean())
    a = np.full(n, 1 / n) if a is None else a
    b = np.full(m, 1 / m) if b is None else b
    plan, log = pot.emd(a, b * (a.sum() / b.sum()), costs, numItermax=10**8, log=True)
    assert log["warning"] is None, log["warning"]
    return float((plan * costs).sum())


def proof(
    plan: ts.ot.Plan, costs: Array, a: Array | None = None, b: Array | None = None
) -> dict[str, float]:
    """Violation, gap and marginals by NumPy alone, and as the plan states them."""
    n, m = costs.shape
    a = np.full(n, 1 / n) if a is None else a
    b = np.full(m, 1 / m) if b is None else b
    (u, v), scale = plan.potentials, plan.cost_scale
    marginals = np.bincount(plan.rows, plan.mass, n) - a, np.bincount(plan.cols, plan.mass, m) - b
    value = a @ u + b @ v
    primal = plan.mass @ costs[plan.rows, plan.cols]
    assert (plan.mass > 0.0).all()
    return {
        "violation": max((u[:, None] + v - costs).max() / scale, plan.max_violation / scale, 0.0),
        "gap": max(abs(primal - value) / scale, plan.gap / scale),
        "marginals": max(np.abs(side).max() for side in marginals),
        "stated_marginals": plan.marginal_residual,
    }


def check_grid(rng: np.random.Generator, most: int, found: Found) -> None:
    """Histograms of equal numbers of particles on cubic cells: equality in whole numbers."""
    particles = max(2, sizes(rng, most)[0])
    dim = int(rng.integers(1, 5))
    bins = rng.integers(1, [most, 54, 16, 8][dim - 1], dim)
    periodic = bool(rng.random() < 0.5)
    x, y = (
        np.floor(points % bins) + 0.5
        for points in rng.normal(bins / 2, bins / rng.uniform(1.0, 8.0), (2, particles, dim))
    )
    options: dict[str, Any] = {"bins": bins.tolist()}
    if periodic:
        options["period"] = bins.astype(float).tolist()
    else:
        options["box"] = np.stack([np.zeros(dim), bins], axis=1)
    started = time.perf_counter()
    grid = ts.ot.histogram_w2(x, y, threads=1, **options)
    seconds = time.perf_counter() - started
    again = ts.ot.histogram_w2(x, y, threads=2, **options)
    assert all(map(np.array_equal, grid.plan, again.plan))
    (p, a), (q, b) = (np.unique(points, axis=0, return_counts=True) for points in (x, y))
    costs = np.zeros((len(p), len(q)))
    for axis, count in enumerate(bins):
        gap = np.abs(p[:, axis, None] - q[None, :, axis])
        costs += (np.minimum(gap, count - gap) if periodic else gap) ** 2
    plan = pot.emd(a.astype(float), b.astype(float), costs, numItermax=10**8)
    assert (plan == plan.round()).all()
    assert grid.in_cells is not None
    assert grid.in_cells * particles == int((plan * costs).sum())
    assert grid.gap == 0.0
    assert grid.max_violation <= 0.0
    found.note(
        "grids in whole numbers",
        cost_difference=0.0,
        violation=0.0,
        gap=grid.gap,
        stated_marginals=grid.marginal_residual,
        seconds=seconds,
    )


def main() -> None:
    """Check, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("json", type=Path, help="file of the record")
    parser.add_argument("--instances", type=int, default=2000)
    parser.add_argument("--most", type=int, default=3000, help="points of the largest cloud")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    names = [*FAMILIES, "grid"]
    found = Found()
    for index in range(options.instances):
        family = names[index % len(names)]
        rng = np.random.default_rng([options.seed, index])
        try:
            if family == "grid":
                check_grid(rng, options.most, found)
            else:
                check_clouds(rng, family, options.most, found)
        except Exception as error:
            error.add_note(f"instance {index} ({family}) of seed {options.seed}")
            raise
        if (index + 1) % 100 == 0:
            print(f"{index + 1} of {options.instances} instances hold", flush=True)
    rows = list(found.rows.values())
    content = record(rows, ["POT", "scipy"], ["python", "tools/transport_exactness.py"])
    content |= {"instances": options.instances, "most_points": options.most}
    options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
