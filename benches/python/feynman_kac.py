"""Feynman-Kac particles of a KPP front against Numba and NumPy, side by side, on one thread.

Everyone runs the same scheme: the printed 2D cellular flow at kappa = 1/4, 256 Euler-Maruyama
steps a period, systematic resampling after every one. Times are nanoseconds a particle and step.
Everyone's growth is checked against the others before anything is timed. Rivals:

- numba: one loop for velocity, weight and step on structures of arrays with fastmath, normal
  numbers from NumPy's fastest generator inside the loop, in-place systematic resampling;
- numba_bulk: the same with the normal numbers of a step drawn in one call before it;
- numba_plain: as one writes it first: no fastmath, Numba's own normal numbers, new arrays;
- numpy_plain: likewise, with expressions and the default generator;
- numpy: whole arrays, every operation in place, SFC64 and its ziggurat, systematic resampling by
  the faster of searchsorted and differences of rounded sums.

Runs alternate; medians of the times, and of the ratios of each round. Then the cost of a step
against the number of particles, and a long run, on all threads.

    python benches/python/feynman_kac.py [--smoke] [--repeats 7] [--seed 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

# Read by the libraries behind NumPy when they are loaded.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import numba
import numpy as np

import twostep_rs as ts
from shared.record import record

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray

KAPPA, LAM, THETA, STEPS = 0.25, 2.0, 1.0, 256
TAU = 2.0 * np.pi
DT = 1.0 / STEPS
TWIST = 2.0 * KAPPA * LAM
NOISE = np.sqrt(2.0 * KAPPA * DT)


@numba.njit(fastmath=True, error_model="numpy")
def weigh_and_move(x: Array, y: Array, w: Array, a: float, z1: float, z2: float, i: int) -> float:
    sx, cx, sy, cy = np.sin(x[i]), np.cos(x[i]), np.sin(y[i]), np.cos(y[i])
    v1 = -cy - a * sx
    v2 = cx + a * sy
    w[i] = np.exp(DT * LAM * v1)
    px = x[i] + DT * (v1 + TWIST) + NOISE * z1
    py = y[i] + DT * v2 + NOISE * z2
    x[i] = px - TAU * np.floor(px / TAU)
    y[i] = py - TAU * np.floor(py / TAU)
    return w[i]


@numba.njit(fastmath=False, error_model="numpy")
def systematic_in_place(
    x: Array, y: Array, w: Array, total: float, u: float, counts: Array
) -> None:
    n = len(x)
    scale = n / total
    below = 0
    sum_ = 0.0
    for i in range(n):
        sum_ += w[i]
        points = min(n, int(np.ceil(sum_ * scale - u)))
        counts[i] = points - below
        below = points
    counts[n - 1] += n - below
    free = 0
    for i in range(n):
        for _ in range(counts[i] - 1):
            while counts[free] != 0:
                free += 1
            x[free], y[free] = x[i], y[i]
            free += 1


@numba.njit(fastmath=True, error_model="numpy")
def numba_period(x: Array, y: Array, w: Array, counts: Array, rng: np.random.Generator) -> float:
    growth = 0.0
    for step in range(STEPS):
        a = THETA * np.cos(TAU * step * DT)
        total = 0.0
        for i in range(len(x)):
            z1, z2 = rng.standard_normal(), rng.standard_normal()
            total += weigh_and_move(x, y, w, a, z1, z2, i)
        growth += np.log(total / len(x))
        systematic_in_place(x, y, w, total, rng.random(), counts)
    return growth


@numba.njit(fastmath=True, error_model="numpy")
def numba_step(
    x: Array, y: Array, w: Array, counts: Array, a: float, z1: Array, z2: Array, u: float
) -> float:
    total = 0.0
    for i in range(len(x)):
        total += weigh_and_move(x, y, w, a, z1[i], z2[i], i)
    systematic_in_place(x, y, w, total, u, counts)
    return np.log(total / len(x))


def numba_run(n: int, periods: int, seed: int) -> float:
    rng = np.random.Generator(np.random.SFC64(seed))
    x, y = rng.uniform(0.0, TAU, (2, n))
    w, counts = np.empty(n), np.empty(n, np.int64)
    growth = 0.0
    for _ in range(periods):
        growth = numba_period(x, y, w, counts, rng)
    return growth


def numba_bulk_run(n: int, periods: int, seed: int) -> float:
    rng = np.random.Generator(np.random.SFC64(seed))
    x, y = rng.uniform(0.0, TAU, (2, n))
    w, counts, z = np.empty(n), np.empty(n, np.int64), np.empty((2, n))
    growth = 0.0
    for _ in range(periods):
        growth = 0.0
        for step in range(STEPS):
            rng.standard_normal(out=z)
            a = THETA * np.cos(TAU * step * DT)
            growth += numba_step(x, y, w, counts, a, z[0], z[1], rng.random())
    return growth


@numba.njit
def numba_plain_period(x: Array, y: Array) -> float:
    n = len(x)
    growth = 0.0
    for step in range(STEPS):
        a = THETA * np.cos(TAU * step * DT)
        w = np.empty(n)
        for i in range(n):
            v1 = -np.cos(y[i]) - a * np.sin(x[i])
            v2 = np.cos(x[i]) + a * np.sin(y[i])
            w[i] = np.exp(DT * LAM * v1)
            x[i] = (x[i] + DT * (v1 + TWIST) + NOISE * np.random.normal()) % TAU
            y[i] = (y[i] + DT * v2 + NOISE * np.random.normal()) % TAU
        growth += np.log(w.mean())
        sums = np.cumsum(w)
        u = np.random.random()
        ancestors = np.empty(n, np.int64)
        j = 0
        for i in range(n):
            while sums[j] < (i + u) * (sums[-1] / n):
                j += 1
            ancestors[i] = j
        x[:], y[:] = x[ancestors], y[ancestors]
    return growth


def numba_plain_run(n: int, periods: int, seed: int) -> float:
    x, y = np.random.default_rng(seed).uniform(0.0, TAU, (2, n))
    growth = 0.0
    for _ in range(periods):
        growth = numba_plain_period(x, y)
    return growth


def numpy_plain_run(n: int, periods: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0.0, TAU, (2, n))
    growth = 0.0
    for _ in range(periods):
        growth = 0.0
        for step in range(STEPS):
            a = THETA * np.cos(TAU * step * DT)
            v1 = -np.cos(y) - a * np.sin(x)
            v2 = np.cos(x) + a * np.sin(y)
            w = np.exp(DT * LAM * v1)
            x = (x + DT * (v1 + TWIST) + NOISE * rng.normal(size=n)) % TAU
            y = (y + DT * v2 + NOISE * rng.normal(size=n)) % TAU
            growth += np.log(w.mean())
            chosen = by_search(w, rng.random())
            x, y = x[chosen], y[chosen]
    return growth


def by_search(w: Array, u: float) -> Array:
    sums = np.cumsum(w)
    points = (np.arange(len(w)) + u) * (sums[-1] / len(w))
    return np.searchsorted(sums, points)


def by_rounding(w: Array, u: float) -> Array:
    sums = np.cumsum(w)
    sums *= len(w) / sums[-1]
    sums -= u
    points = np.ceil(sums, out=sums).astype(np.int64)
    points[-1] = len(w)
    return np.repeat(np.arange(len(w)), np.diff(points, prepend=0))


def numpy_run(n: int, periods: int, seed: int, ancestors: Callable[..., Array]) -> float:
    rng = np.random.Generator(np.random.SFC64(seed))
    x, y = rng.uniform(0.0, TAU, (2, n))
    v1, v2, s, w = np.empty((4, n))
    z = np.empty((2, n))
    growth = 0.0
    for _ in range(periods):
        growth = 0.0
        for step in range(STEPS):
            a = THETA * np.cos(TAU * step * DT)
            np.cos(y, out=v1)
            np.negative(v1, out=v1)
            np.sin(x, out=s)
            s *= a
            v1 -= s
            np.cos(x, out=v2)
            np.sin(y, out=s)
            s *= a
            v2 += s
            np.multiply(v1, DT * LAM, out=w)
            np.exp(w, out=w)
            rng.standard_normal(out=z)
            z *= NOISE
            v1 += TWIST
            v1 *= DT
            v2 *= DT
            x += v1
            x += z[0]
            y += v2
            y += z[1]
            for place in (x, y):
                np.multiply(place, 1.0 / TAU, out=s)
                np.floor(s, out=s)
                s *= TAU
                place -= s
            growth += np.log(w.mean())
            chosen = ancestors(w, rng.random())
            x, y = x[chosen], y[chosen]
    return growth


def ours(n: int, periods: int, seed: int, threads: int | None = 1) -> float:
    system = ts.systems.KPP(flow="cell2d", lam=LAM, theta=THETA)
    fk = system.run(KAPPA, particles=n, generations=periods, seed=seed, threads=threads)
    return float(fk.growth[-1] - KAPPA * LAM**2)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def side_by_side(n: int, repeats: int, seed: int) -> dict[str, Any]:
    """Everyone's time for one period."""
    forms = {"searchsorted": by_search, "rounding": by_rounding}
    form = min(forms, key=lambda name: seconds(lambda: numpy_run(n, 1, seed, forms[name])))
    runs: dict[str, Callable[[int, int, int], float]] = {
        "twostep_rs": ours,
        "numba": numba_run,
        "numba_bulk": numba_bulk_run,
        "numba_plain": numba_plain_run,
        "numpy_plain": numpy_plain_run,
        "numpy": lambda n, periods, seed: numpy_run(n, periods, seed, forms[form]),
    }
    growths = {name: run(n, 8, seed) for name, run in runs.items()}
    # Each has a standard deviation of about 2 / sqrt(n) by itself.
    if max(growths.values()) - min(growths.values()) > 15.0 / np.sqrt(n):
        sys.exit(f"growths differ: {growths}")
    times: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(repeats):
        for name, run in runs.items():
            times[name].append(seconds(lambda run=run, k=round_: run(n, 1, seed + k)))

    def ratio(name: str) -> float:
        pairs = zip(times[name], times["twostep_rs"], strict=True)
        return round(median(slow / fast for slow, fast in pairs), 2)

    scale = 1e9 / (n * STEPS)
    return {
        "particles": n,
        "numpy_form": form,
        "ns_per_particle_step": {name: round(scale * median(t), 2) for name, t in times.items()},
        "speedup": {name: ratio(name) for name in runs if name != "twostep_rs"},
        "growth": {name: round(growth, 4) for name, growth in growths.items()},
    }


def against_size(n: int) -> dict[str, Any]:
    """Time of a step and memory, on all threads, prior and copies included."""
    system = ts.systems.KPP(flow="cell2d", lam=LAM, theta=THETA, dt=1 / 128)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = seconds(lambda: system.run(KAPPA, particles=n, generations=1))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "particles": n,
        "threads": ts.get_num_threads(),
        "ns_per_particle_step": round(taken * 1e9 / (n * 128), 2),
        "peak_bytes_per_particle": round(grown * 1024 / n),
    }


def long_run(periods: int) -> dict[str, Any]:
    """A run of many periods, on all threads."""
    taken = seconds(lambda: ours(20_000, periods, 0, threads=None))
    return {
        "particles": 20_000,
        "periods": periods,
        "threads": ts.get_num_threads(),
        "seconds": round(taken, 2),
    }


def main() -> None:
    """Run the tables and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the table to this file")
    options = parser.parse_args()
    load, *_ = os.getloadavg()
    if options.smoke:
        options.repeats = 1
    rows = [side_by_side(500 if options.smoke else 20_000, options.repeats, options.seed)]
    print(json.dumps(rows[-1]), flush=True)
    # Peak memory only grows: the smallest first.
    for n in (1_000,) if options.smoke else (10_000, 100_000, 1_000_000, 10_000_000):
        rows.append(against_size(n))
        print(json.dumps(rows[-1]), flush=True)
    rows.append(long_run(1 if options.smoke else 4096))
    print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(
            json.dumps(record(options, load, rows, ["numpy", "numba"]), indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
