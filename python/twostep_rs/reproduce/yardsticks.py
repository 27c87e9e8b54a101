"""References and sampling floors that many runs are measured by, drawn once.

There is a job for every parameter of an evaluation. References are divided among seeds, so that
runs of different seeds share none, and those of one seed are compared on the same.
"""

from __future__ import annotations

import dataclasses
import zlib
from typing import TYPE_CHECKING, Any

from twostep_rs import experiments
from twostep_rs.config import EvaluationConfig
from twostep_rs.errors import ConfigError
from twostep_rs.reproduce.job import Computation
from twostep_rs.runs.clouds import read_arrays, write_arrays
from twostep_rs.runs.distance_log import DistanceLog
from twostep_rs.runs.distances import metrics_of
from twostep_rs.runs.evaluation import Yardstick, evaluate, measure_floor
from twostep_rs.runs.files import read_json
from twostep_rs.runs.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from twostep_rs.config import Config
    from twostep_rs.reproduce.job import Place, RunJob
    from twostep_rs.runs.evaluation import Evaluation, Sampler
    from twostep_rs.systems import System

# Seeds with references of their own; of more, some share theirs.
GROUPS = 5

# Parameters inside the range of training that a thinned evaluation has at least: both ends of it
# and one between.
_INSIDE = 3

_REFERENCES = "references.npz"


def yardsticks(config: Config) -> list[Computation]:
    """The jobs of an evaluation, one for every parameter.

    Args:
        config: of a run; its references are those of any run of this experiment, physics and
            evaluation, whatever its method and seed.

    Raises:
        ConfigError: a metric takes the source particles of references, which are not kept.
    """
    if "subsample_paired" in config.evaluation.metrics:
        raise ConfigError(
            "evaluation.metrics: expected none that compares particles of one source, "
            "got 'subsample_paired'"
        )
    return [_job(config, parameter) for parameter in config.evaluation.parameters]


def group(seed: int) -> int:
    """Which part of the references a seed is measured by."""
    return seed % GROUPS


def read(paths: Sequence[Path], config: Config, part: int) -> Yardstick:
    """One part of the references, and the floor of all.

    Args:
        paths: directories of the jobs, in their order.
        config: of the run that is measured.
        part: which.

    Raises:
        FileFormatError: a file is missing or damaged.
    """
    count = config.evaluation.references
    rows = slice(part * count, (part + 1) * count)
    metrics = metrics_of(config.evaluation, system_of(config))
    floors = [read_json(path / "document.json")["floors"] for path in paths]
    return Yardstick(
        references=[list(read_arrays(path / _REFERENCES)["references"][rows]) for path in paths],
        sources=[],
        floors={metric: [floor[k] for floor in floors] for k, metric in enumerate(metrics)},
        particles={},
    )


def measured(
    stages: Mapping[int, Sampler], config: Config, paths: Sequence[Path], *, method: str
) -> Evaluation:
    """Measure stages by the references of a seed.

    Args:
        stages: what to measure, by number.
        config: of the run that they are of.
        paths: directories of the jobs that have references and floors, in their order.
        method: name in every row.

    Raises:
        FileFormatError: a file is missing or damaged.
        InputError: a stage returns points of a wrong shape, NaN or infinity.
    """
    return evaluate(
        stages,
        system_of(config),
        config.evaluation,
        training_parameters=config.simulation.parameters,
        seed=config.seed,
        method=method,
        yardstick=read(paths, config, group(config.seed)),
    )


def thinned(run: RunJob) -> RunJob:
    """The run, and the one that has its clouds, measured at about half of their parameters.

    For systems whose references take longer than the trainings that they measure. All parameters
    outside the range of training stay; of those inside, the smallest, the largest, and some evenly
    between, whatever is trained.
    """
    config = run.config
    evaluation = dataclasses.replace(
        config.evaluation,
        parameters=_half(config.evaluation.parameters, config.simulation.parameters),
    )
    return dataclasses.replace(
        run,
        config=dataclasses.replace(config, evaluation=evaluation),
        clouds_of=None if run.clouds_of is None else thinned(run.clouds_of),
    )


def _half(parameters: Sequence[float], training: Sequence[float]) -> tuple[float, ...]:
    inside = sorted(p for p in parameters if min(training) <= p <= max(training))
    outside = len(parameters) - len(inside)
    count = min(len(inside), max(_INSIDE, -(-len(parameters) // 2) - outside))
    last = len(inside) - 1
    kept = {inside[round(k * last / max(1, count - 1))] for k in range(count)}
    return tuple(p for p in parameters if p in kept or p not in inside)


def system_of(config: Config) -> System:
    """What the references of an evaluation are drawn from."""
    experiment = experiments.get(config.experiment)
    draw = experiment.references or experiment.system
    return draw(config.simulation.physics)


def measure(
    place: Place, experiment: str, physics: Any, evaluation: Mapping[str, Any]
) -> dict[str, Any]:
    """Draw the references at one parameter and measure the floor between them.

    Args:
        place: of the job.
        experiment: name of the problem.
        physics: its constants and time step.
        evaluation: what is measured, at that parameter alone.
    """
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in evaluation.items()
    }
    known = experiments.get(experiment)
    system = (known.references or known.system)(physics)
    config = EvaluationConfig(**values)
    # Far from the seeds of runs, and another for every parameter.
    seed = zlib.crc32(repr(config.parameters).encode())
    log = DistanceLog(
        place.directory / "distances.jsonl", fingerprint(experiment, physics, evaluation)
    )
    found = measure_floor(system, config, seed=seed, log=log)
    write_arrays(place.directory / _REFERENCES, {"references": found.references[0]})
    log.remove()
    return {"floors": [values[0] for values in found.floors.values()]}


def _job(config: Config, parameter: float) -> Computation:
    found = config.evaluation
    enough = dataclasses.replace(
        found,
        parameters=(parameter,),
        references=max(GROUPS * found.references, 2 * found.floor_pairs),
    )
    settings = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in dataclasses.asdict(enough).items()
    }
    physics = config.simulation.physics
    return Computation(
        f"{config.experiment}/{config.preset}-{physics}-references-{parameter:g}",
        measure,
        {"experiment": config.experiment, "physics": physics, "evaluation": settings},
    )
