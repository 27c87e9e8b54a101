"""Exact transport beside POT, SciPy, lapx and pylmcf, in turns, on fresh points every time.

POT gets its cost matrix for free, so do all on histograms; SciPy and lapx build theirs. Ours
computes its costs. A warm solve starts from the plan of the same problem before the sources moved
by 0.15 (small) or 0.7 (larger) of the distance between neighbours; for histograms, before a tenth
of the particles were drawn anew.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from twostep_rs import ot
from twostep_rs.bench import transport_rivals as rivals
from twostep_rs.bench.problems import STRESS, blob, far, jittered, masses, moved, near
from twostep_rs.bench.transport_memory import in_a_fresh_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twostep_rs.bench.problems import Cloud, Law

    Times = dict[str, list[float]]

SMALL, LARGER = 0.15, 0.7
#: Points from which on POT takes a gigabyte and more, and one round has to do.
_LARGE = 10_000
#: Points up to which SciPy and lapx end within seconds on far clouds, and POT without a matrix.
_QUICK = 1500
_LAWS: dict[str, Law] = {"near": near, "far": far, "blob": blob, "jittered": jittered}
_DISTANT = (far, blob)


@dataclass(frozen=True)
class Sizes:
    """How large the problems are.

    Attributes:
        clouds: points a side of the near, far and blob rows.
        other: points a side in four dimensions, with weights and in the stress family.
        box: particles and cells per axis of the histogram in a box.
        torus: the same on the torus.
        batch: problems of a batch, and points of each.
        alone: points a side of the rows without rivals, which tell memory.
    """

    clouds: tuple[int, ...] = (500, 1500, 3500, 10_000)
    other: int = 2000
    box: tuple[int, int] = (15_000, 24)
    torus: tuple[int, int] = (20_000, 72)
    batch: tuple[int, int] = (8, 1500)
    alone: tuple[int, ...] = (20_000, 100_000)


TINY = Sizes((40,), 40, (300, 5), (300, 6), (3, 30), (200,))


def measure(sizes: Sizes, *, repeats: int, seed: int, only: str = "") -> Iterator[dict[str, Any]]:
    """Rows of the table, each when it is measured.

    Args:
        sizes: of the problems.
        repeats: rounds of each problem; one where POT takes a minute.
        seed: of all points.
        only: measure the problems whose names contain this.

    Yields:
        One row for each problem and start: milliseconds of ours on one and two threads (medians),
        how many times longer the rivals take (medians of the ratios of each round), and the
        largest relative difference of cost.
    """
    cases = _cases(sizes)
    # Everyone is imported and has run once.
    for warm_up in (_Clouds(near, 40), _Histograms(300, 5)):
        list(warm_up("", np.random.default_rng(0), 1))
    rng = np.random.default_rng(seed)
    for name, case in cases.items():
        if only in name:
            # A seed for each, so that a selection measures the points of the whole.
            yield from case(name, np.random.default_rng(rng.integers(2**63)), repeats)
        else:
            rng.integers(2**63)


def _cases(sizes: Sizes) -> dict[str, Callable[..., Iterator[dict[str, Any]]]]:
    cases: dict[str, Any] = {}
    for n in sizes.clouds:
        for title, law in _LAWS.items():
            cases[f"{title}, n = {n}, d = 3"] = _Clouds(law, n)
    n = sizes.other
    cases[f"near, n = {n}, d = 4"] = _Clouds(near, n, 4)
    cases[f"random weights, n = {n}, d = 3"] = _Clouds(near, n, weights=True)
    for title, law in STRESS.items():
        cases[f"{title}, n = {n}, d = 3"] = _Clouds(law, n)
    particles, bins = sizes.box
    cases[f"histogram {bins}^3, {particles} particles"] = _Histograms(particles, bins)
    particles, bins = sizes.torus
    cases[f"torus {bins}^2, {particles} particles"] = _Histograms(particles, bins, torus=True)
    count, n = sizes.batch
    cases[f"batch of {count}, n = {n}, d = 3"] = _Batch(count, n)
    for n in (*sizes.clouds, *sizes.alone):
        cases[f"memory, near, n = {n}, d = 3"] = _Memory(n, rival=n in sizes.clouds)
    return cases


@dataclass(frozen=True)
class _Clouds:
    """Cold and warm solves between two clouds."""

    law: Law
    n: int
    dim: int = 3
    weights: bool = False

    def __call__(
        self, name: str, rng: np.random.Generator, repeats: int
    ) -> Iterator[dict[str, Any]]:
        starts: dict[str, _Found] = {}
        for turn in range(1 if self.n >= _LARGE else repeats):
            for start, (seconds, costs) in self._round(rng, turn).items():
                starts.setdefault(start, _Found()).add(seconds, costs)
        for start, found in starts.items():
            yield found.row(name, start)

    def _round(
        self, rng: np.random.Generator, turn: int
    ) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
        """Seconds and costs of everyone on fresh points, by start."""
        n = self.n
        x, y = self.law(rng, n, self.dim)
        equal = np.full(n, 1.0 / n)
        a, b = (masses(rng, n, "random") for _ in "ab") if self.weights else (equal, equal)
        weights: dict[str, Any] = {"a": a, "b": b} if self.weights else {}
        has, quick = rivals.installed(), self.n <= _QUICK
        work: dict[str, Callable[[], Any]] = {
            "ours": partial(ot.emd, x, y, threads=1, **weights),
            "ours, 2 threads": partial(ot.emd, x, y, threads=2, **weights),
        }
        if "POT" in has:
            work["POT"] = partial(rivals.pot, a, b, rivals.distances(x, y))
            if quick:
                work["POT lazy"] = partial(rivals.pot_lazy, a, b, x, y)
        assigned = not self.weights and n < _LARGE and (quick or self.law not in _DISTANT)
        for rival, solve in (("scipy", rivals.scipy), ("lapx", rivals.lapx)):
            if rival in has and assigned and self.law not in STRESS.values():
                work[rival] = partial(solve, x, y)
        seconds, results = _in_turns(work, turn)
        rounds = {"cold": (seconds, _costs(results))}
        for start, share in (("warm, small move", SMALL), ("warm, larger move", LARGER)):
            after = moved(rng, x, share)
            warm = partial(ot.emd, after, y, warm_start=results["ours"], threads=1, **weights)
            work = {"ours": warm}
            if "POT" in has and n < _LARGE:
                matrix = rivals.distances(after, y)
                work["POT warm"] = partial(rivals.pot_warm, a, b, matrix, results["POT"][1])
            warm_seconds, warm_results = _in_turns(work, turn)
            if "POT" in seconds:
                warm_seconds["POT"] = seconds["POT"]
            rounds[start] = (warm_seconds, _costs(warm_results))
        return rounds


@dataclass(frozen=True)
class _Histograms:
    """Two clouds on a grid; rivals get the occupied cells and their costs for free."""

    particles: int
    bins: int
    torus: bool = False

    def __call__(
        self, name: str, rng: np.random.Generator, repeats: int
    ) -> Iterator[dict[str, Any]]:
        cold, warm = _Found(), _Found()
        # POT takes up to a minute on the torus.
        for turn in range(1 if self.torus else repeats):
            x, y = self._draw(rng)
            grid = {"period": float(self.bins)} if self.torus else {"box": self._box(x, y)}
            work = self._work(x, y, grid)
            seconds, results = _in_turns(work, turn)
            cold.add(seconds, _costs(results))
            again, _ = self._draw(rng)
            hops = rng.random(len(x)) < 0.1
            after = np.where(hops[:, None], again, x)
            start = time.perf_counter()
            second = ot.histogram_w2(
                after, y, bins=self.bins, warm_start=results["ours"], threads=1, **grid
            )
            spent = {"ours": time.perf_counter() - start}
            if "POT" in seconds:
                spent["POT"] = seconds["POT"]
            warm.add(spent, {"ours": second.w2_squared})
        yield cold.row(name, "cold")
        yield warm.row(name, "warm, a tenth hops")

    def _draw(self, rng: np.random.Generator) -> tuple[Cloud, Cloud]:
        if not self.torus:
            return near(rng, self.particles, 3)
        spread = 0.25 * self.bins * rng.normal(size=(self.particles, 2))
        return rng.random((self.particles, 2)) * self.bins, np.mod(spread, self.bins)

    def _box(self, x: Cloud, y: Cloud) -> Cloud:
        """The box of both clouds; cells are no cubes there."""
        both = np.concatenate([x, y])
        low, high = both.min(axis=0), both.max(axis=0)
        # A little wider, so that rounding leaves no point outside.
        return np.stack([low, high], axis=1) + 1e-9 * np.outer(high - low, [-1.0, 1.0])

    def _work(self, x: Cloud, y: Cloud, grid: dict[str, Any]) -> dict[str, Callable[[], Any]]:
        bins, has = self.bins, rivals.installed()
        box = grid.get("box", np.array([[0.0, bins]] * x.shape[1]))
        width = (box[:, 1] - box[:, 0]) / bins
        a, b = (
            np.histogramdd(points, bins=bins, range=list(map(tuple, box)))[0] for points in (x, y)
        )
        solve = partial(ot.histogram_w2, x, y, bins=bins, **grid)
        work: dict[str, Callable[[], Any]] = {
            "ours": partial(solve, threads=1),
            "ours, 2 threads": partial(solve, threads=2),
        }
        if "POT" in has:
            (p, q) = (np.argwhere(side > 0).astype(float) for side in (a, b))
            gap = np.abs(p[:, None] - q[None])
            gap = np.minimum(gap, bins - gap) if self.torus else gap
            costs = ((gap * width) ** 2).sum(axis=-1)
            masses_a, masses_b = (side[side > 0] / self.particles for side in (a, b))
            work["POT"] = partial(rivals.pot, masses_a, masses_b, costs)
        if "pylmcf" in has:
            flow = rivals.PylmcfGrid(a, b, width, periodic=self.torus)
            work["pylmcf"] = lambda: flow.solve() / self.particles
        return work


@dataclass(frozen=True)
class _Batch:
    """Many problems at once."""

    count: int
    n: int

    def __call__(
        self, name: str, rng: np.random.Generator, repeats: int
    ) -> Iterator[dict[str, Any]]:
        found = _Found()
        for turn in range(repeats):
            xs, ys = zip(*(near(rng, self.n, 3) for _ in range(self.count)), strict=True)
            work: dict[str, Callable[[], Any]] = {
                "ours": partial(ot.emd_batch, xs, ys, threads=1),
                "ours, 2 threads": partial(ot.emd_batch, xs, ys, threads=2),
            }
            seconds, results = _in_turns(work, turn)
            found.add(seconds, _costs(results))
        yield found.row(name, "cold")


@dataclass(frozen=True)
class _Memory:
    """Memory in a fresh process."""

    n: int
    rival: bool

    def __call__(
        self, name: str, rng: np.random.Generator, repeats: int
    ) -> Iterator[dict[str, Any]]:
        del repeats
        seed = int(rng.integers(2**31))
        ours = in_a_fresh_process("ours", self.n, seed)
        row = {"problem": name, "start": "cold", "ms": 1e3 * ours.pop("seconds"), **ours}
        if self.rival and "POT" in rivals.installed():
            pot = in_a_fresh_process("POT", self.n, seed)
            row |= {"pot_peak_mb": pot["peak_mb"], "pot_more_mb": pot["more_mb"]}
        yield row


class _Found:
    """Seconds and costs of some rounds."""

    def __init__(self) -> None:
        self._times: Times = {}
        self._difference = 0.0

    def add(self, seconds: dict[str, float], costs: dict[str, float]) -> None:
        """Take the figures of a round."""
        for key, value in seconds.items():
            self._times.setdefault(key, []).append(value)
        ours = costs["ours"]
        for name, cost in costs.items():
            # Those of pylmcf are rounded before it solves.
            if name == "pylmcf":
                continue
            self._difference = max(self._difference, abs(cost - ours) / max(ours, 1e-300))

    def row(self, problem: str, start: str) -> dict[str, Any]:
        """Medians of the times, and of the ratios of each round."""
        ours = self._times["ours"]
        row: dict[str, Any] = {
            "problem": problem,
            "start": start,
            "rounds": len(ours),
            "ms": 1e3 * median(ours),
        }
        for key, times in self._times.items():
            if key == "ours":
                continue
            ratios = [other / own for other, own in zip(times, ours, strict=True)]
            if key == "ours, 2 threads":
                row["speed_of_2_threads"] = 1.0 / median(ratios)
            else:
                row[f"times_{key.lower().replace(' ', '_')}"] = median(ratios)
        if "POT" in self._times:
            row["pot_ms"] = 1e3 * median(self._times["POT"])
        row["cost_difference"] = self._difference
        return row


def _in_turns(
    work: dict[str, Callable[[], Any]], turn: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Seconds and results; each round begins with another one."""
    if (os.cpu_count() or 1) < 2:
        work.pop("ours, 2 threads", None)
    names = list(work)
    shift = turn % len(names)
    seconds, results = {}, {}
    for name in names[shift:] + names[:shift]:
        start = time.perf_counter()
        results[name] = work[name]()
        seconds[name] = time.perf_counter() - start
    return seconds, results


def _costs(results: dict[str, Any]) -> dict[str, float]:
    """Costs of whatever solvers returned."""
    costs = {}
    for name, result in results.items():
        match result:
            case ot.Plan():
                costs[name] = result.cost
            case ot.GridW2():
                costs[name] = result.w2_squared
            case list():
                costs[name] = sum(plan.cost for plan in result)
            case tuple():
                costs[name] = result[0]
            case _:
                costs[name] = result
    return costs
