"""What a method costs: parameters, evaluations, seconds of training and of sampling, memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.page import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from twostep_rs.reproduce.job import RunJob
    from twostep_rs.reproduce.store import Store
    from twostep_rs.training.model import TwoStepModel

_PARTICLES = 15_000
# Enough to count evaluations, and to warm up.
_COUNTED = 1_000
# A sample is timed so often, or until so many seconds have passed: long ones scatter little.
_REPEATS = 3
_ENOUGH = 2.0
_DIVERGED = ["diverged", *[""] * 5]


@dataclass(frozen=True)
class Cost:
    """What one run took, and what a sample takes.

    Attributes:
        parameters: of both networks.
        evaluations: of networks, for a particle; those of stage II count.
        training: seconds of both stages.
        sampling: seconds for 15 000 particles.
        memory_mb: largest resident memory of the run.
        gpu_memory_mb: largest memory of its tensors on a GPU.
    """

    parameters: int
    evaluations: int
    training: float
    sampling: float
    memory_mb: float
    gpu_memory_mb: float


def sampling(model: TwoStepModel, parameter: float) -> dict[str, Any]:
    """Count and time what it takes to carry particles by a trained model.

    Args:
        model: the model.
        parameter: at which.
    """
    networks = [net for net in (model.generator, model.corrector) if net is not None]

    count = _Count(networks)
    model.sample(parameter, n=_COUNTED)
    evaluations = count.per_particle(_COUNTED)
    seconds: list[float] = []
    while len(seconds) < _REPEATS and sum(seconds) < _ENOUGH:
        start = time.perf_counter()
        model.sample(parameter, n=_PARTICLES)
        seconds.append(time.perf_counter() - start)
    return {
        "parameters": sum(p.numel() for net in networks for p in net.parameters()),
        "evaluations": evaluations,
        "seconds": median(seconds),
        "particles": _PARTICLES,
    }


def cost(store: Store, run: RunJob, sampled: Mapping[str, Any]) -> Cost:
    """What a run that is done has cost.

    Args:
        store: where it is.
        run: which.
        sampled: what :func:`sampling` found of it.
    """
    done = RunDirectory.open(store.path(run)).status().done
    spent = store.cost(run)
    return Cost(
        parameters=sampled["parameters"],
        evaluations=sampled["evaluations"],
        training=done["stage_1"] + done["stage_2"],
        sampling=sampled["seconds"],
        memory_mb=spent.peak_memory_mb,
        gpu_memory_mb=spent.peak_gpu_memory_mb,
    )


def costs_table(title: str, methods: Sequence[str], costs: Sequence[Cost | None]) -> Table:
    """What several methods have cost, a line for each; None where training has diverged."""
    heading = ("parameters", "evaluations", "training, s", "sampling, ms", "memory, MB")
    lines = [
        [method, *(_DIVERGED if found is None else _cells(found))]
        for method, found in zip(methods, costs, strict=True)
    ]
    return Table(
        title,
        ("method", *heading, "on the GPU, MB"),
        lines,
        f"Of the first seed, all networks; sampling of {_PARTICLES} particles. Steps are the same "
        "for all, seconds are not; runs that share a machine slow each other down.",
    )


def _cells(found: Cost) -> list[str]:
    return [
        str(found.parameters),
        str(found.evaluations),
        f"{found.training:.1f}",
        f"{1e3 * found.sampling:.1f}",
        f"{found.memory_mb:.0f}",
        f"{found.gpu_memory_mb:.0f}",
    ]


class _Count:
    """Counts rows of positions that go into networks."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self._rows: list[int] = []
        # Not the parameter: maps of several jumps embed it once.
        self._hooks = [
            module.register_forward_hook(self._add)
            for net in networks
            for name, module in net.named_modules()
            if name.rpartition(".")[2] == "positions"
        ]

    def per_particle(self, particles: int) -> int:
        """Evaluations for each of so many particles; stops counting."""
        for hook in self._hooks:
            hook.remove()
        return round(sum(self._rows) / particles)

    def _add(self, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        del module, arguments
        self._rows.append(len(output))  # several threads at a time
