"""Distances between clouds of 15 000 particles in four dimensions: seconds and peak memory.

Two independent clouds of the laminar Keller-Segel problem at weak, moderate and strong flow, by
histograms of 24 cells an axis, of which the occupied ones count, and exactly, all particles of one
against all of the other. A matrix of costs of the whole grid would take 24^8 numbers, 880 GB. Each
way is measured in a process of its own, so that its largest memory is its own; medians.

    python benches/python/four_dimensions.py [--smoke] [--repeats 3] [--seed 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from shared.record import record
from twostep_rs import ot
from twostep_rs.bench.transport_memory import peak
from twostep_rs.systems import KellerSegel
from twostep_rs.threads import get_num_threads, set_num_threads

SIGMAS = (20.0, 100.0, 200.0)
PARTICLES, SMOKE_PARTICLES, BINS = 15_000, 500, 24
METRICS = ("histogram", "exact")


def occupied(points: np.ndarray, reference: np.ndarray) -> int:
    """Cells of the grid around both clouds that hold a particle of the first."""
    both = np.concatenate([points, reference])
    edges = [
        np.linspace(low, high, BINS + 1) for low, high in zip(both.min(0), both.max(0), strict=True)
    ]
    cells = [
        np.searchsorted(e, x, side="right").clip(1, BINS)
        for e, x in zip(edges, points.T, strict=True)
    ]
    return len(np.unique(np.stack(cells), axis=1).T)


def row(metric: str, sigma: float, n: int, threads: int, repeats: int, seed: int) -> dict[str, Any]:
    """One way at one strength of the flow."""
    set_num_threads(threads)
    system = KellerSegel(dim=4)
    x, y = (system.simulate(sigma, n, 2 * seed + side).target for side in (0, 1))
    before, times = peak(), []
    for _ in range(repeats):
        start = time.perf_counter()
        if metric == "exact":
            squared = ot.emd(x, y).cost
        else:
            squared = ot.histogram_w2(x, y, bins=BINS, box="joint").w2_squared
        times.append(time.perf_counter() - start)
    found = {
        "metric": metric,
        "sigma": sigma,
        "particles": n,
        "threads": threads,
        "seconds": round(median(times), 3),
        "slowest": round(max(times), 3),
        "peak_mb": round(peak(), 1),
        "more_mb": round(peak() - before, 1),
        "w2_squared": squared,
    }
    if metric == "histogram":
        found["occupied_cells"] = occupied(x, y), occupied(y, x)
    return found


def in_a_fresh_process(*arguments: object) -> dict[str, Any]:
    """The row that this file prints for such arguments."""
    words = [sys.executable, __file__, "--row", *map(str, arguments)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the table to this file")
    parser.add_argument("--row", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        metric, sigma, *counts = options.row
        print(json.dumps(row(metric, float(sigma), *map(int, counts))))
        return
    load, *_ = os.getloadavg()
    n, sigmas = (SMOKE_PARTICLES, SIGMAS[:1]) if options.smoke else (PARTICLES, SIGMAS)
    repeats = 1 if options.smoke else options.repeats
    rows = []
    for metric in METRICS:
        for threads in sorted({1, get_num_threads()}):
            for sigma in sigmas:
                rows.append(in_a_fresh_process(metric, sigma, n, threads, repeats, options.seed))
                print(json.dumps(rows[-1]), flush=True)
    if options.json:
        document = record(options, load, rows, ["numpy"])
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
