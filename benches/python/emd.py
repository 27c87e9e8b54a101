"""Exact transport against POT and SciPy, side by side, on one thread.

Rivals get their cost matrix for free; ours computes its costs. POT runs with numItermax=1e8, since
its default returns plans that are not optimal at these sizes. Runs alternate, fresh points every
time; medians.

    python benches/python/emd.py [--smoke] [--repeats 7] [--seed 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

import ot as pot
import twostep_rs as ts

if TYPE_CHECKING:
    from collections.abc import Callable

Cloud = np.ndarray
AXES = np.array([1.6, 1.0, 0.7, 1.0])


def core_and_halo(rng: np.random.Generator, n: int, dim: int) -> Cloud:
    """Half the points in a narrow core, half in a wide halo."""
    width = np.where(rng.random(n) < 0.5, 0.15, 1.0)
    return rng.normal(size=(n, dim)) * width[:, None] * AXES[:dim]


def near(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Two independent draws of one law."""
    return core_and_halo(rng, n, dim), core_and_halo(rng, n, dim)


def far(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """A uniform cube, away from the target."""
    return rng.random((n, dim)) + 3.0 * np.eye(dim)[0], core_and_halo(rng, n, dim)


def seconds(work: Callable[..., object], *args: object, **options: object) -> tuple[float, object]:
    """Wall time and result of ``work(*args, **options)``."""
    start = time.perf_counter()
    result = work(*args, **options)
    return time.perf_counter() - start, result


def points_row(
    name: str, draw: Callable, n: int, dim: int, repeats: int, rng: np.random.Generator
) -> dict[str, object]:
    """Cold and warm solves of one kind of problem."""
    times: dict[str, list[float]] = {key: [] for key in ("pot", "scipy", "cold", "warm")}
    worst = 0.0
    for repeat in range(repeats + 1):
        x, y = draw(rng, n, dim)
        costs = pot.dist(x, y)
        a = np.full(n, 1.0 / n)
        spent = {}
        spent["pot"], expected = seconds(pot.emd2, a, a, costs, numItermax=10**8)
        spent["scipy"], _ = seconds(linear_sum_assignment, costs)
        spent["cold"], plan = seconds(ts.ot.emd, x, y, threads=1)
        moved = x + 0.15 * spacing(x) * rng.normal(size=x.shape) / np.sqrt(dim)
        spent["warm"], _ = seconds(ts.ot.emd, moved, y, warm_start=plan, threads=1)
        worst = max(worst, abs(plan.cost - expected) / expected)
        if repeat > 0:  # the first round warms up
            for key, value in spent.items():
                times[key].append(value)
    return row(name, times, worst)


def spacing(x: Cloud) -> float:
    """Median distance of a point to its nearest neighbour."""
    sample = x[: min(len(x), 200)]
    squared = ((sample[:, None] - x[None]) ** 2).sum(axis=-1)
    return float(np.median(np.sqrt(np.partition(squared, 1, axis=1)[:, 1])))


def histogram_row(n: int, bins: int, repeats: int, rng: np.random.Generator) -> dict[str, object]:
    """Two clouds on a joint grid; POT gets the occupied bins and their costs for free."""
    times: dict[str, list[float]] = {"pot": [], "cold": []}
    worst = 0.0
    for repeat in range(repeats + 1):
        x, y = near(rng, n, 3)
        both = np.concatenate([x, y])
        ends = list(zip(both.min(axis=0), both.max(axis=0), strict=True))
        (a, edges), (b, _) = (np.histogramdd(points, bins=bins, range=ends) for points in (x, y))
        middles = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
        centres = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1).reshape(-1, 3)
        a, b = a.ravel() / n, b.ravel() / n
        costs = pot.dist(centres[a > 0], centres[b > 0])
        spent = {}
        spent["pot"], expected = seconds(pot.emd2, a[a > 0], b[b > 0], costs, numItermax=10**8)
        spent["cold"], found = seconds(ts.ot.histogram_w2, x, y, bins=bins, box="joint", threads=1)
        worst = max(worst, abs(found.w2_squared - expected) / expected)
        if repeat > 0:
            for key, value in spent.items():
                times[key].append(value)
    return row(f"histogram {bins}^3, {n} particles", times, worst)


def row(name: str, times: dict[str, list[float]], worst: float) -> dict[str, object]:
    """Medians in milliseconds, ratios to POT (median of the ratios of each round)."""
    result: dict[str, object] = {"problem": name, "relative_difference_to_pot": worst}
    for key, values in times.items():
        result[f"{key}_ms"] = round(1e3 * median(values), 3)
        if key != "pot":
            ratios = [p / v for p, v in zip(times["pot"], values, strict=True)]
            result[f"pot_over_{key}"] = round(median(ratios), 1)
    return result


def main() -> None:
    """Run the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the table to this file")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    repeats = 1 if options.smoke else options.repeats
    sizes = (60,) if options.smoke else (500, 1500, 3500)
    rows = []
    for n in sizes:
        for draw in (near, far):
            rows.append(points_row(f"{draw.__name__}, n = {n}, d = 3", draw, n, 3, repeats, rng))
            print(json.dumps(rows[-1]), flush=True)
    rows.append(histogram_row(*((300, 5) if options.smoke else (15_000, 24)), repeats, rng))
    print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
