"""Seconds in couplings of a training loop of OT-CFM, beside torchcfm's sampler."""

from __future__ import annotations

import math
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from twostep_rs import ot
from twostep_rs.bench.record import record
from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    Sample = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

_WARM_UP = 2
_WIDTH = 64


def measure(*, batches: Sequence[int], steps: int, dim: int) -> dict[str, Any]:
    """Train two networks in turns, step by step on the same batches, and time every part.

    Args:
        batches: sizes of the batches.
        steps: of each training.
        dim: coordinates of a point.

    Returns:
        The record, with a row for every batch size and sampler.

    Raises:
        ModuleNotFoundError: torchcfm is not installed.
    """
    from torchcfm.optimal_transport import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
        OTPlanSampler,
    )

    threads = get_num_threads()
    samplers: dict[str, Sample] = {
        "twostep_rs": ot.OTPlanSampler().sample_plan,
        "torchcfm, exact": OTPlanSampler("exact", num_threads=threads).sample_plan,
    }
    rows = [row for size in batches for row in _rows(samplers, size, steps, dim)]
    return record(rows, ["torch", "torchcfm", "pot"])


def _rows(samplers: dict[str, Sample], size: int, steps: int, dim: int) -> Iterator[dict[str, Any]]:
    loops = {name: _Loop(sample, dim) for name, sample in samplers.items()}
    random = torch.Generator().manual_seed(0)
    for _ in range(_WARM_UP + steps):
        x0 = torch.randn(size, dim, generator=random)
        x1 = _ring(torch.randn(size, dim, generator=random), random)
        for loop in loops.values():
            loop.step(x0, x1)
    slowest = median(loops["torchcfm, exact"].couplings[_WARM_UP:])
    for name, loop in loops.items():
        couplings, wholes = loop.couplings[_WARM_UP:], loop.wholes[_WARM_UP:]
        yield {
            "case": "OT-CFM step",
            "method": name,
            "batch": size,
            "dim": dim,
            "threads": get_num_threads(),
            "steps": steps,
            "coupling_milliseconds": 1e3 * median(couplings),
            "spread_milliseconds": 1e3 * (max(couplings) - min(couplings)),
            "step_milliseconds": 1e3 * median(wholes),
            "share_of_couplings": sum(couplings) / sum(wholes),
            "times_less": slowest / median(couplings),
        }


class _Loop:
    """A training of OT-CFM as torchcfm's examples have it."""

    def __init__(self, sample: Sample, dim: int) -> None:
        torch.manual_seed(0)
        layers = [nn.Linear(dim + 1, _WIDTH), nn.SELU()]
        layers += [nn.Linear(_WIDTH, _WIDTH), nn.SELU(), nn.Linear(_WIDTH, dim)]
        self._net = nn.Sequential(*layers)
        self._adam = torch.optim.Adam(self._net.parameters(), lr=1e-3)
        self._sample = sample
        self._random = torch.Generator().manual_seed(0)
        self.couplings: list[float] = []
        self.wholes: list[float] = []

    def step(self, x0: Tensor, x1: Tensor) -> None:
        """Couple a batch and step."""
        started = time.perf_counter()
        x0, x1 = self._sample(x0, x1)
        self.couplings.append(time.perf_counter() - started)
        t = torch.rand(len(x0), 1, generator=self._random)
        velocity = self._net(torch.cat([torch.lerp(x0, x1, t), t], dim=1))
        self._adam.zero_grad()
        (velocity - (x1 - x0)).square().mean().backward()
        self._adam.step()
        self.wholes.append(time.perf_counter() - started)


def _ring(normal: Tensor, random: torch.Generator) -> Tensor:
    """Eight narrow Gaussians on a circle of radius 4 in the first two coordinates."""
    angle = 0.25 * math.pi * torch.randint(8, (len(normal),), generator=random)
    centre = torch.zeros_like(normal)
    centre[:, 0] = 4.0 * angle.cos()
    if normal.shape[1] > 1:
        centre[:, 1] = 4.0 * angle.sin()
    return centre + 0.3 * normal
