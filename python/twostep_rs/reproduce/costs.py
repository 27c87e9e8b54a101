"""What a method costs: parameters, evaluations, seconds of training and of sampling, memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from twostep_rs.reproduce.job import Computation
from twostep_rs.runs.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from twostep_rs.reproduce.job import Place, RunJob
    from twostep_rs.reproduce.store import Store

_PARTICLES = 15_000
_REPEATS = 5


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


def cost_job(runs: Sequence[RunJob]) -> Computation:
    """The job that counts and times the sampling of several runs, one after the other."""
    names = [run.name for run in runs]
    return Computation(f"{names[0]}-costs", sampling, {"runs": names}, needs=tuple(runs))


def costs_of(store: Store, runs: Sequence[RunJob]) -> list[Cost]:
    """What runs that are done have cost."""
    found = store.document(cost_job(runs))
    return [_cost(store, run, found[run.name]) for run in runs]


def sampling(place: Place, runs: Sequence[str]) -> Mapping[str, Any]:
    """Count and time what it takes to carry particles by trained models.

    Args:
        place: of the job.
        runs: names of the runs.
    """
    return {run: _sampling(place.store.directory / "jobs" / run) for run in runs}


def _cost(store: Store, run: RunJob, found: Mapping[str, Any]) -> Cost:
    done = RunDirectory.open(store.path(run)).status().done
    spent = store.cost(run)
    return Cost(
        parameters=found["parameters"],
        evaluations=found["evaluations"],
        training=done["stage_1"] + done["stage_2"],
        sampling=found["seconds"],
        memory_mb=spent.peak_memory_mb,
        gpu_memory_mb=spent.peak_gpu_memory_mb,
    )


def _sampling(path: Path) -> Mapping[str, Any]:
    from twostep_rs import experiments
    from twostep_rs.training.model import load

    config = RunDirectory.open(path).config
    system = experiments.get(config.experiment).system(config.simulation.physics)
    model = load(path, system=system, device=config.device)
    networks = [net for net in (model.generator, model.corrector) if net is not None]
    parameter = config.simulation.parameters[-1]

    def sample() -> None:
        model.sample(parameter, n=_PARTICLES)

    count = _Count(networks)
    sample()
    evaluations = count.per_particle(_PARTICLES)
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        sample()
        seconds.append(time.perf_counter() - start)
    return {
        "parameters": sum(p.numel() for net in networks for p in net.parameters()),
        "evaluations": evaluations,
        "seconds": median(seconds),
        "particles": _PARTICLES,
    }


class _Count:
    """Counts rows that go through the input layers of networks."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        from twostep_rs.models.features import ParameterFeatures

        self._rows: list[int] = []
        self._hooks = [
            module.register_forward_hook(self._add)
            for net in networks
            for module in net.modules()
            if isinstance(module, ParameterFeatures)
        ]

    def per_particle(self, particles: int) -> int:
        """Evaluations for each of so many particles; stops counting."""
        for hook in self._hooks:
            hook.remove()
        return round(sum(self._rows) / particles)

    def _add(self, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        del module, arguments
        self._rows.append(len(output))  # several threads at a time
