"""Exact couplings of a batch beside entropic ones: seconds, and how far their images lie apart.

A batch has one problem for each training parameter of the laminar flow, between two independent
clouds of one law, as the second stage couples them. Exact plans are solved on the CPU; Sinkhorn
runs on the device, all problems at once, to the residual at which the second stage stops: with
costs held in memory, as it trains, and with costs found anew by a fused kernel where there is a
GPU. Runs alternate; medians of cold solves. ``apart`` is the root mean square distance from an
image to that of the exact plan, ``contraction`` the variance across the flow over the targets'.

    python benches/python/entropic_couplings.py [--device cuda] [--smoke] [--repeats 5]
        [--seed 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

import twostep_rs as ts
from shared.record import record
from twostep_rs.experiments.ks3d_laminar import TRAINING
from twostep_rs.ot.log_sums import log_sums, pull
from twostep_rs.ot.sinkhorn import annealing
from twostep_rs.systems import KellerSegel
from twostep_rs.threads import get_num_threads
from twostep_rs.training.entropic import barycentres

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

EPSILONS = (0.05, 0.01, 0.005, 0.001)
TOLERANCE, BUDGET, CHECK_EVERY = 1e-3, 1_000, 10


class Images(NamedTuple):
    """Where the sources are sent, and how that was found."""

    points: Tensor
    residual: float = 0.0
    iterations: int = 0


def exact(x: Tensor, y: Tensor, threads: int) -> Images:
    targets = y.double().cpu().numpy()
    plans = ts.ot.emd_batch(x.double().cpu().numpy(), targets, threads=threads)
    found = [points[p.permutation] for points, p in zip(targets, plans, strict=True)]
    return Images(torch.stack([torch.as_tensor(points) for points in found]).to(x))


def held(x: Tensor, y: Tensor, epsilon: float) -> Images:
    found = barycentres(x, y, epsilon, tolerance=TOLERANCE, iterations=BUDGET)
    return Images(found.points, found.residual, found.iterations)


def anew(x: Tensor, y: Tensor, epsilon: float) -> Images:
    """The same iteration without a matrix of costs."""
    (k, n, _), m = x.shape, y.shape[1]
    rate = x.new_ones(k)
    u, v = x.new_zeros(k, n), x.new_zeros(k, m)
    middle = 0.5 * (x.amax(dim=1) + x.amin(dim=1))
    largest = float((y - middle[:, None]).square().sum(dim=2).max()) * 4.0
    for step in annealing(largest, epsilon)[:-1]:
        ratio = epsilon / step
        v = (math.log(n) - log_sums(y, x, ratio * u, rate / step)) / ratio
        u = (math.log(m) - log_sums(x, y, ratio * v, rate / step)) / ratio
    rate = rate / epsilon
    done, residual = 0, math.inf
    while done < BUDGET and residual > TOLERANCE:
        for _ in range(CHECK_EVERY):
            u = math.log(m) - log_sums(x, y, v, rate)
            before, v = v, math.log(n) - log_sums(y, x, u, rate)
        done += CHECK_EVERY
        residual = float(torch.expm1(before - v).abs().mean(dim=1).max())
    return Images(x + pull(x, y, v, rate).displacement, residual, done)


def solvers(
    device: str, epsilons: tuple[float, ...]
) -> dict[str, Callable[[Tensor, Tensor], Images]]:
    """Everyone, by name."""
    every = sorted({1, 2, get_num_threads()})
    found: dict[str, Callable[[Tensor, Tensor], Images]] = {
        f"exact, threads {count}": functools.partial(exact, threads=count) for count in every
    }
    for epsilon in epsilons:
        found[f"Sinkhorn, {epsilon:g}, held"] = functools.partial(held, epsilon=epsilon)
        if device != "cpu":
            found[f"Sinkhorn, {epsilon:g}, fused"] = functools.partial(anew, epsilon=epsilon)
    return found


def clouds(batch: int, seed: int, device: str) -> tuple[Tensor, Tensor]:
    """Two independent clouds for every parameter, (k, n, d)."""
    system = KellerSegel()
    draws = [
        [
            torch.as_tensor(
                system.simulate(sigma, batch, 2 * (seed * len(TRAINING) + k) + side).target
            )
            for k, sigma in enumerate(TRAINING)
        ]
        for side in (0, 1)
    ]
    x, y = (torch.stack(side).to(device, torch.float32) for side in draws)
    return x, y


def across(points: Tensor) -> float:
    """Variance across the flow."""
    return float(points[:, :, 1:].var(dim=1).mean())


def measure(options: argparse.Namespace, batch: int) -> list[dict[str, Any]]:
    """A row for every solver."""
    every = solvers(options.device, EPSILONS[:1] if options.smoke else EPSILONS)
    times: dict[str, list[float]] = {name: [] for name in every}
    rows: dict[str, dict[str, Any]] = {}
    for repeat in range(options.repeats + 1):
        x, y = clouds(batch, options.seed + repeat, options.device)
        best: Tensor | None = None
        for name, solve in every.items():
            wait(options.device)
            start = time.perf_counter()
            found = solve(x, y)
            wait(options.device)
            taken = time.perf_counter() - start
            best = found.points if best is None else best
            if repeat == 0:  # to warm up
                continue
            times[name].append(taken)
            rows[name] = {
                "solver": name,
                "batch": batch,
                "problems": len(TRAINING),
                "apart": round(float((found.points - best).square().sum(dim=2).mean().sqrt()), 5),
                "contraction": round(across(found.points) / across(y), 5),
                "residual": found.residual,
                "iterations": found.iterations,
            }
    return [row | {"seconds": round(median(times[name]), 5)} for name, row in rows.items()]


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def main() -> None:
    """Run the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the table to this file")
    options = parser.parse_args()
    load, *_ = os.getloadavg()
    if options.smoke:
        options.repeats = 1
    rows = measure(options, 100 if options.smoke else 1_500)
    for row in rows:
        print(json.dumps(row), flush=True)
    if options.json:
        document = record(options, load, rows, ["torch", "numpy"])
        if options.device != "cpu":
            document["hardware"]["gpu"] = torch.cuda.get_device_name(options.device)
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
