"""Exact transport against POT and SciPy, side by side, on one thread.

Rivals get their cost matrix for free; ours computes its costs. POT runs with numItermax=1e8, since
its default returns plans that are not optimal at these sizes. Runs alternate, fresh points every
time; medians.

    python benches/python/emd.py [--smoke] [--repeats 7] [--seed 1000] [--sizes 500 1500 3500]
                                 [--json FILE]

The first warm solve moves the sources by 0.15, the second by 0.7 of the median distance between
neighbours. SciPy is left out where it takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

import ot as pot
import twostep_rs as ts
from shared.record import record

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


def blob(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """A round blob, as training begins with, against the target."""
    return 0.3 * rng.normal(size=(n, dim)), core_and_halo(rng, n, dim)


def seconds(work: Callable[..., object], *args: object, **options: object) -> tuple[float, object]:
    """Wall time and result of ``work(*args, **options)``."""
    start = time.perf_counter()
    result = work(*args, **options)
    return time.perf_counter() - start, result


def points_row(
    name: str,
    draw: Callable,
    n: int,
    dim: int,
    repeats: int,
    rng: np.random.Generator,
    *,
    weights: bool = False,
    scipy: bool = True,
) -> dict[str, object]:
    """Cold and warm solves of one kind of problem."""
    times: dict[str, list[float]] = {}
    worst = 0.0
    for repeat in range(repeats + 1):
        x, y = draw(rng, n, dim)
        costs = pot.dist(x, y)
        a, b = (rng.random(n) if weights else np.ones(n) for _ in range(2))
        a, b = a / a.sum(), b / b.sum()
        masses = {"a": a, "b": b} if weights else {}
        spent = {}
        spent["pot"], expected = seconds(pot.emd2, a, b, costs, numItermax=10**8)
        if scipy and not weights:
            spent["scipy"], _ = seconds(linear_sum_assignment, costs)
        spent["cold"], plan = seconds(ts.ot.emd, x, y, threads=1, **masses)
        for key, move in (("warm", 0.15), ("warm_larger", 0.7)):
            moved = x + move * spacing(x) * rng.normal(size=x.shape) / np.sqrt(dim)
            spent[key], _ = seconds(ts.ot.emd, moved, y, warm_start=plan, threads=1, **masses)
        worst = max(worst, abs(plan.cost - expected) / expected)
        if repeat > 0:  # the first round warms up
            for key, value in spent.items():
                times.setdefault(key, []).append(value)
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


def torus_row(n: int, bins: int, repeats: int, rng: np.random.Generator) -> dict[str, object]:
    """Uniform against wrapped normal particles on a square torus of ``bins`` by ``bins``."""
    times: dict[str, list[float]] = {"pot": [], "cold": []}
    worst = 0.0
    for repeat in range(repeats + 1):
        x = rng.random((n, 2))
        y = np.mod(0.25 * rng.normal(size=(n, 2)), 1.0)
        (p, a), (q, b) = (
            np.unique(np.floor(points * bins), axis=0, return_counts=True) for points in (x, y)
        )
        gap = np.abs(p[:, None] - q[None])
        costs = (np.minimum(gap, bins - gap) ** 2).sum(axis=-1) / bins**2
        spent = {}
        spent["pot"], expected = seconds(pot.emd2, a / n, b / n, costs, numItermax=10**8)
        spent["cold"], found = seconds(ts.ot.histogram_w2, x, y, bins=bins, period=1.0, threads=1)
        worst = max(worst, abs(found.w2_squared - expected) / expected)
        if repeat > 0:
            for key, value in spent.items():
                times[key].append(value)
    return row(f"torus {bins}^2, {n} particles", times, worst)


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
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1500, 3500])
    options = parser.parse_args()
    load, *_ = os.getloadavg()
    rng = np.random.default_rng(options.seed)
    smoke, repeats = options.smoke, 1 if options.smoke else options.repeats
    rows = []

    def show(result: dict[str, object]) -> None:
        rows.append(result)
        print(json.dumps(result), flush=True)

    for n in [60] if smoke else options.sizes:
        for draw in (near, far, blob):
            scipy = draw is near or n <= 500
            name = f"{draw.__name__}, n = {n}, d = 3"
            show(points_row(name, draw, n, 3, repeats, rng, scipy=scipy))
    n = 60 if smoke else 2000
    show(points_row(f"near, n = {n}, d = 4", near, n, 4, repeats, rng))
    show(points_row(f"random weights, n = {n}, d = 3", near, n, 3, repeats, rng, weights=True))
    show(histogram_row(*((300, 5) if smoke else (15_000, 24)), repeats, rng))
    # POT takes a minute on this one.
    show(torus_row(*((300, 6) if smoke else (20_000, 72)), 1, rng))
    if options.json:
        measured = record(options, load, rows, ["numpy", "scipy", "POT"])
        options.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
