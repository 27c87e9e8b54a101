"""Pair sums of the Keller-Segel drift against Numba and NumPy, side by side, on one thread.

Everyone computes the same field of n particles in the unit ball, and is checked against the others
before anything is timed. Rates count n^2 ordered pairs a sum, whatever symmetry saves. Rivals:

- numba_soa: Numba on structures of arrays with fastmath, which LLVM vectorises;
- numba_symmetric: the same with each pair taken once, in one pass over the triangle;
- numba_rows: plain Numba on (n, 3) arrays;
- numpy: chunks of rows, of the best size; squared distances by differences or, where that is
  as accurate, by |x|^2 + |y|^2 - 2 x.y; sums as matrix products.

Runs alternate; medians of the times, and of the ratios of each round.

    python benches/python/pairwise.py [--smoke] [--repeats 7] [--seed 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
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

    PairSum = Callable[["Array"], "Array"]

Array = np.ndarray

DELTA = 1e-3
# Coordinates of 24 bits know the offset of the nearest pairs, some 1e-3 apart, to a few 1e-4.
TOLERANCE = {"float64": 1e-10, "float32": 1e-3}
CHUNKS = (1, 2, 4, 8, 16, 32, 64, 128)
# Added to squared distances, so that a particle has a finite factor, and no force, at itself.
TINY = 1e-200


# The factor g of the force g(s) (y - x), with s = |y - x|^2 and d = delta^2.


def printed(s: float, d: float) -> float:
    b = s + d
    return (s - d) / (b * b * np.sqrt(s))


def plummer(s: float, d: float) -> float:
    b = s + d
    return 1.0 / (b * np.sqrt(b))


def printed_in_place(s: Array, d: float, scratch: Array) -> None:
    b, root = scratch
    np.add(s, d, out=b)
    np.sqrt(s, out=root)
    np.multiply(b, b, out=b)
    np.multiply(b, root, out=b)
    np.subtract(s, d, out=s)
    np.divide(s, b, out=s)


def plummer_in_place(s: Array, d: float, scratch: Array) -> None:
    root, _ = scratch
    np.add(s, d, out=s)
    np.sqrt(s, out=root)
    np.multiply(s, root, out=s)
    np.divide(1.0, s, out=s)


KERNELS = {"printed": (printed, printed_in_place), "plummer": (plummer, plummer_in_place)}


def numba_soa(kernel: str) -> PairSum:
    factor = numba.njit(KERNELS[kernel][0], fastmath=True, error_model="numpy")

    @numba.njit(fastmath=True, error_model="numpy")
    def loop(x: Array, y: Array, z: Array, d: float, fx: Array, fy: Array, fz: Array) -> None:
        for j in range(len(x)):
            xj, yj, zj = x[j], y[j], z[j]
            ax = ay = az = 0.0
            for i in range(len(x)):
                dx, dy, dz = x[i] - xj, y[i] - yj, z[i] - zj
                g = factor(dx * dx + dy * dy + dz * dz + TINY, d)
                ax += g * dx
                ay += g * dy
                az += g * dz
            fx[j], fy[j], fz[j] = ax, ay, az

    return over_columns(loop)


def numba_symmetric(kernel: str) -> PairSum:
    factor = numba.njit(KERNELS[kernel][0], fastmath=True, error_model="numpy")

    @numba.njit(fastmath=True, error_model="numpy")
    def loop(x: Array, y: Array, z: Array, d: float, fx: Array, fy: Array, fz: Array) -> None:
        for j in range(len(x)):
            xj, yj, zj = x[j], y[j], z[j]
            ax = ay = az = 0.0
            for i in range(j):
                dx, dy, dz = x[i] - xj, y[i] - yj, z[i] - zj
                g = factor(dx * dx + dy * dy + dz * dz + TINY, d)
                ax += g * dx
                ay += g * dy
                az += g * dz
                fx[i] -= g * dx
                fy[i] -= g * dy
                fz[i] -= g * dz
            fx[j], fy[j], fz[j] = ax, ay, az

    return over_columns(loop)


def over_columns(loop: Callable[..., None]) -> PairSum:
    def pair_sum(points: Array) -> Array:
        columns = [np.ascontiguousarray(column) for column in points.T]
        field = np.empty((3, len(points)))
        loop(*columns, DELTA**2, *field)
        return field.T

    return pair_sum


def numba_rows(kernel: str) -> PairSum:
    factor = numba.njit(KERNELS[kernel][0])

    @numba.njit
    def pair_sum(points: Array) -> Array:
        field = np.zeros_like(points)
        for j in range(len(points)):
            for i in range(len(points)):
                if i != j:
                    dx = points[i, 0] - points[j, 0]
                    dy = points[i, 1] - points[j, 1]
                    dz = points[i, 2] - points[j, 2]
                    g = factor(dx * dx + dy * dy + dz * dz, DELTA**2)
                    field[j, 0] += g * dx
                    field[j, 1] += g * dy
                    field[j, 2] += g * dz
        return field

    return pair_sum


def by_differences(points: Array, rows: slice, s: Array, scratch: Array) -> None:
    difference, _ = scratch
    s.fill(TINY)
    for column in points.T:
        np.subtract(column, column[rows, None], out=difference)
        np.multiply(difference, difference, out=difference)
        np.add(s, difference, out=s)


def by_products(points: Array, rows: slice, s: Array, scratch: Array) -> None:
    del scratch
    squares = (points**2).sum(axis=1)
    ones = np.ones_like(squares)
    left = np.column_stack([-2.0 * points[rows], squares[rows], ones[rows]])
    np.matmul(left, np.vstack([points.T, ones, squares]), out=s)
    np.maximum(s, TINY, out=s)


def numpy_chunked(kernel: str, squared_distances: Callable[..., None], chunk: int) -> PairSum:
    factor = KERNELS[kernel][1]

    def pair_sum(points: Array) -> Array:
        n = len(points)
        columns = np.asfortranarray(points)
        extended = np.column_stack([points, np.ones(n)])
        field = np.empty_like(points)
        s, *scratch = np.empty((3, chunk, n))
        for start in range(0, n, chunk):
            rows = slice(start, min(start + chunk, n))
            count = rows.stop - start
            block, spare = s[:count], [array[:count] for array in scratch]
            squared_distances(columns, rows, block, spare)
            factor(block, DELTA**2, spare)
            np.einsum("ii->i", block[:, rows])[:] = 0.0
            sums = block @ extended
            field[rows] = sums[:, :3] - sums[:, 3:] * points[rows]
        return field

    return pair_sum


def ours(kernel: str, precision: str, n: int) -> PairSum:
    system = ts.systems.KellerSegel(
        kernel=kernel, delta=DELTA, precision=precision, kernel_constant=1.0, total_mass=n
    )
    return lambda points: system.drift(points, 0.0, flow=False, threads=1)


def seconds(pair_sum: PairSum, points: Array) -> float:
    start = time.perf_counter()
    pair_sum(points)
    return time.perf_counter() - start


def difference(field: Array, expected: Array) -> float:
    """Largest error of a force over its size, or over the mean size where that is larger."""
    size = np.linalg.norm(expected, axis=1)
    error = np.linalg.norm(field - expected, axis=1)
    return float((error / np.maximum(size, size.mean())).max())


def fastest_numpy(kernel: str, points: Array, expected: Array) -> tuple[str, PairSum]:
    """The fastest form and chunk among those that are accurate enough."""
    admitted = []
    for form in (by_differences, by_products):
        for chunk in CHUNKS:
            pair_sum = numpy_chunked(kernel, form, chunk)
            if difference(pair_sum(points), expected) < TOLERANCE["float64"]:
                name = f"{form.__name__}, {chunk} rows"
                admitted.append((seconds(pair_sum, points), name, pair_sum))
    _, name, pair_sum = min(admitted, key=lambda entry: entry[0])
    return name, pair_sum


def row(kernel: str, n: int, repeats: int, rng: np.random.Generator) -> dict[str, Any]:
    """All pair sums of one kernel, checked and timed."""
    points = uniform_ball(n, rng)
    sums = {precision: ours(kernel, precision, n) for precision in TOLERANCE}
    expected = sums["float64"](points)
    numpy_form, sums["numpy"] = fastest_numpy(kernel, points, expected)
    for rival in (numba_soa, numba_symmetric, numba_rows):
        sums[rival.__name__] = rival(kernel)
    differences = {name: difference(pair_sum(points), expected) for name, pair_sum in sums.items()}
    for name, found in differences.items():
        if found > TOLERANCE.get(name, TOLERANCE["float64"]):
            sys.exit(f"{kernel}, {name}: differs by {found:.1e} of a force")

    times: dict[str, list[float]] = {name: [] for name in sums}
    for _ in range(repeats):
        points = uniform_ball(n, rng)
        for name, pair_sum in sums.items():
            times[name].append(seconds(pair_sum, points))

    def ratio(slow: str, fast: str) -> float:
        return round(median(a / b for a, b in zip(times[slow], times[fast], strict=True)), 2)

    rivals = [name for name in sums if name not in TOLERANCE]
    return {
        "kernel": kernel,
        "particles": n,
        "numpy_form": numpy_form,
        "gpairs_per_second": {name: round(n**2 / median(t) / 1e9, 3) for name, t in times.items()},
        "speedup_of_float64": {name: ratio(name, "float64") for name in rivals},
        "speedup_of_float32_over_float64": ratio("float64", "float32"),
        "difference_to_float64": {name: float(f"{d:.1e}") for name, d in differences.items()},
    }


def uniform_ball(n: int, rng: np.random.Generator) -> Array:
    direction = rng.normal(size=(n, 3))
    radius = rng.random((n, 1)) ** (1 / 3)
    return direction / np.linalg.norm(direction, axis=1, keepdims=True) * radius


def main() -> None:
    """Run the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the table to this file")
    options = parser.parse_args()
    load, *_ = os.getloadavg()
    rng = np.random.default_rng(options.seed)
    n = 15_000
    if options.smoke:
        n, options.repeats = 300, 1
    rows = []
    for kernel in KERNELS:
        rows.append(row(kernel, n, options.repeats, rng))
        print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(
            json.dumps(record(options, load, rows, ["numpy", "numba"]), indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
