"""How near every method comes to a flow map that is known: ``flow_map_gaussians.py FILE ...``.

Between two normal laws of independent particles the flow of straight paths is affine. Networks
learn it in both directions from a cloud of pairs, by every method of flow maps. FILE gets, for
each, relative errors in L2 in units of how far the particles move: of the map, of its inverse after
it and of two jumps beside one, over times of the square, and of 1, 2 and 4 jumps from source to
target. Methods that FILE has already are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from twostep_rs.config import Config, StageOneConfig
from twostep_rs.methods import registry
from twostep_rs.models.flow_map import chain
from twostep_rs.runs.environment import environment
from twostep_rs.runs.files import write_json
from twostep_rs.systems import Cloud
from twostep_rs.training.data import TrainingData

if TYPE_CHECKING:
    from twostep_rs.models.flow_map import FlowMap

MEANS = torch.tensor([[0.3, -0.2], [1.0, 0.5]])
DEVIATIONS = torch.tensor([[1.0, 0.8], [0.7, 1.2]])

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "LMD": ("lmd", {"backward": True}),
    "Eulerian": ("eulerian", {"backward": True}),
    "consistency": ("eulerian", {"backward": True, "share": 0.05}),
    "FMM": ("fmm", {}),
    "PFMM": ("pfmm", {"backward": True}),
    "LSD": ("lsd", {"backward": True}),
    "PSD": ("psd", {"backward": True}),
    "ESD": ("esd", {"backward": True}),
    "MeanFlow": ("esd", {"backward": True, "stop": "derivative"}),
}


class Budget(NamedTuple):
    """What a training may cost."""

    particles: int
    width: int
    steps: int
    batch: int
    rate: float
    seed: int


def law(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviations of the paths at times (n, 1), both (n, 2)."""
    mean = (1.0 - t) * MEANS[0] + t * MEANS[1]
    return mean, torch.hypot((1.0 - t) * DEVIATIONS[0], t * DEVIATIONS[1])


def truth(x: torch.Tensor, s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The flow map, (n, 2)."""
    (m, a), (k, b) = law(s), law(t)
    return k + b / a * (x - m)


def clouds(n: int, seed: int) -> TrainingData:
    """Independent pairs."""
    normal = np.random.default_rng(seed).standard_normal((2, n, 2))
    source, target = MEANS.numpy()[:, None] + DEVIATIONS.numpy()[:, None] * normal
    return TrainingData.from_clouds({1.0: Cloud(source, target, paired=False)})


def train(name: str, budget: Budget, device: str) -> dict[str, Any]:
    """Train by one method and measure."""
    method, changes = METHODS[name]
    base = StageOneConfig(
        coupling="independent",
        head="plain",
        jitter=0.0,
        waves=0,
        width=budget.width,
        depth=4,
        steps=budget.steps,
        batch=budget.batch,
        learning_rate=budget.rate,
    )
    config = dataclasses.replace(Config(stage_1=base).for_method(method).stage_1, **changes)
    started = time.perf_counter()
    net: Any = registry.get(method).implementation.train(
        clouds(budget.particles, budget.seed), config, seed=budget.seed, device=device, threads=1
    )
    seconds = time.perf_counter() - started
    return {"method": name, **measure(net.cpu()), "seconds": seconds}


@torch.no_grad()
def measure(net: FlowMap, n: int = 20_000) -> dict[str, Any]:
    """Relative errors in L2."""
    random = torch.Generator().manual_seed(1)
    s, u, t = torch.rand(3, n, 1, generator=random)
    mean, deviation = law(s)
    x = mean + deviation * torch.randn(n, 2, generator=random)
    told = net.condition(torch.ones(n, 1))

    def jump(x: torch.Tensor, s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return net.jump(x, s, t, told)

    image = truth(x, s, t)
    moved = (image - x).norm()
    found = jump(x, s, t)
    zero = torch.zeros(n, 1)
    source = MEANS[0] + DEVIATIONS[0] * torch.randn(n, 2, generator=random)
    target = truth(source, zero, zero + 1.0)
    whole = (target - source).norm()
    return {
        "map": ((found - image).norm() / moved).item(),
        "inverse": ((jump(found, t, s) - x).norm() / moved).item(),
        "composition": ((jump(jump(x, s, u), u, t) - found).norm() / moved).item(),
        "jumps": {
            str(k): (
                (chain(net, source, [j / k for j in range(k + 1)], told) - target).norm() / whole
            ).item()
            for k in (1, 2, 4)
        },
    }


def main() -> None:
    """Do the methods that are asked for, side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=2)
    for name, value in Budget(1_000_000, 128, 20_000, 4_096, 2e-3, 0)._asdict().items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = parser.parse_args()
    budget = Budget(*(getattr(options, name) for name in Budget._fields))
    rows: list[dict[str, Any]] = []
    if options.file.exists():
        rows = json.loads(options.file.read_text(encoding="utf-8"))["rows"]
    left = [name for name in options.methods if name not in {row["method"] for row in rows}]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, spawn) as pool:
        work = [pool.submit(train, name, budget, options.device) for name in left]
        for done in as_completed(work):
            rows = sorted(
                [*rows, done.result()], key=lambda row: list(METHODS).index(row["method"])
            )
            print(done.result(), flush=True)
            document = {"budget": budget._asdict(), "environment": environment(), "rows": rows}
            write_json(options.file, document)


if __name__ == "__main__":
    main()
