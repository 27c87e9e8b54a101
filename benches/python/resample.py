"""Resampling against the library `particles` and NumPy, side by side, on one thread and on all.

Weights are log-normal: those of one small step (standard deviation 0.006 of their logarithms), and
uneven ones (1). Everyone gets normalised weights and returns sorted ancestors; NumPy's best of
searchsorted and, where the scheme allows, repeated counts. Runs alternate, and so does who begins
and finds the weights out of the cache; medians of the times, and of the ratios of each round.
`particles` is measured if it is installed: with `pip install --no-deps particles`, since it
excludes NumPy 2, with which this part of it works.

    python benches/python/resample.py [--smoke] [--repeats 15] [--seed 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
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

import numpy as np

import twostep_rs as ts
from shared.record import record

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray

SCHEMES = ("systematic", "stratified", "multinomial", "residual", "ssp", "killing")
DEVIATIONS = {"weak": 0.006, "uneven": 1.0}

generator = np.random.Generator(np.random.SFC64(0))


def search(points: Array, sums: Array) -> Array:
    return np.searchsorted(sums, points * sums[-1])


def repeat(points_below: Array) -> Array:
    below = points_below.astype(np.int64)
    below[-1] = len(below)
    return np.repeat(np.arange(len(below)), np.diff(below, prepend=0))


def systematic_search(w: Array) -> Array:
    n = len(w)
    return search((np.arange(n) + generator.random()) / n, np.cumsum(w))


def systematic_repeat(w: Array) -> Array:
    sums = np.cumsum(w)
    return repeat(np.ceil(sums * (len(w) / sums[-1]) - generator.random()))


def stratified_search(w: Array) -> Array:
    n = len(w)
    return search((np.arange(n) + generator.random(n)) / n, np.cumsum(w))


def stratified_repeat(w: Array) -> Array:
    n = len(w)
    sums = np.cumsum(w)
    positions = sums * (n / sums[-1])
    strata = positions.astype(np.int64)
    places = generator.random(n + 1)
    return repeat(strata + (positions - strata > places[np.minimum(strata, n)]))


def multinomial_spacings(w: Array, n: int | None = None) -> Array:
    n = len(w) if n is None else n
    spacings = np.cumsum(generator.standard_exponential(n + 1))
    return search(spacings[:-1] / spacings[-1], np.cumsum(w))


def multinomial_counts(w: Array) -> Array:
    return np.repeat(np.arange(len(w)), generator.multinomial(len(w), w))


def residual(w: Array) -> Array:
    n = len(w)
    expected = n * w
    counts = expected.astype(np.int64)
    rest = n - counts.sum()
    first = np.repeat(np.arange(n), counts)
    return np.concatenate([first, multinomial_spacings(expected - counts, rest)])


def killing(w: Array) -> Array:
    ancestors = np.arange(len(w))
    killed = generator.random(len(w)) * w.max() >= w
    ancestors[killed] = multinomial_spacings(w, int(killed.sum()))
    return ancestors


NUMPY: dict[str, tuple[Callable[[Array], Array], ...]] = {
    "systematic": (systematic_search, systematic_repeat),
    "stratified": (stratified_search, stratified_repeat),
    "multinomial": (multinomial_spacings, multinomial_counts),
    "residual": (residual,),
    "killing": (killing,),
}


def rivals(scheme: str) -> dict[str, Callable[[Array], Array]]:
    """Everyone's function of normalised weights."""
    every: dict[str, Callable[[Array], Array]] = {
        "twostep_rs": lambda w: ts.resample(weights=w, scheme=scheme, threads=1),
        "twostep_rs, all threads": lambda w: ts.resample(weights=w, scheme=scheme),
    }
    every |= {f"numpy {form.__name__}": form for form in NUMPY.get(scheme, ())}
    if importlib.util.find_spec("particles"):
        from particles import resampling

        every["particles"] = lambda w: resampling.resampling(scheme, w, M=len(w))
    return every


def row(scheme: str, weights: str, n: int, repeats: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    draw = rivals(scheme)
    times: dict[str, list[float]] = {name: [] for name in draw}
    for round_ in range(repeats + 1):
        w = np.exp(DEVIATIONS[weights] * rng.normal(size=n))
        w /= w.sum()
        names = list(draw)
        for place in range(len(names)):
            name = names[(round_ + place) % len(names)]
            start = time.perf_counter()
            ancestors = draw[name](w)
            taken = time.perf_counter() - start
            check(name, ancestors, w)
            if round_:  # the first is to warm up
                times[name].append(taken)

    def speedup(of: str) -> dict[str, float]:
        return {
            name: round(median(a / b for a, b in zip(times[name], times[of], strict=True)), 2)
            for name in draw
            if not name.startswith("twostep_rs")
        }

    return {
        "scheme": scheme,
        "weights": weights,
        "particles": n,
        "microseconds": {name: round(1e6 * median(t), 1) for name, t in times.items()},
        "speedup": speedup("twostep_rs"),
        "speedup_of_all_threads": speedup("twostep_rs, all threads"),
    }


def check(name: str, ancestors: Array, w: Array) -> None:
    """The mean of a function of the place is kept, to ten standard errors of the worst scheme."""
    place = np.linspace(-1.0, 1.0, len(w))
    if abs(place[ancestors].mean() - w @ place) > 10.0 / np.sqrt(len(w)):
        sys.exit(f"{name}: the mean is not kept")


def main() -> None:
    """Run the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the table to this file")
    options = parser.parse_args()
    load, *_ = os.getloadavg()
    sizes = (300,) if options.smoke else (20_000, 1_000_000)
    if options.smoke:
        options.repeats = 1
    rows = []
    for n in sizes:
        for weights in DEVIATIONS:
            for scheme in SCHEMES:
                rows.append(row(scheme, weights, n, options.repeats, options.seed))
                print(json.dumps(rows[-1]), flush=True)
    if options.json:
        names = ["numpy", *(["particles"] if importlib.util.find_spec("particles") else [])]
        options.json.write_text(json.dumps(record(options, load, rows, names), indent=1) + "\n")


if __name__ == "__main__":
    main()
