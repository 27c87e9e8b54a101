"""Scores of references without a network, from the training clouds of a run."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from twostep_rs import experiments
from twostep_rs.reproduce.job import Computation
from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.evaluation import Row, evaluate
from twostep_rs.runs.steps.simulate import read_clouds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twostep_rs.reproduce.job import Place, RunJob
    from twostep_rs.reproduce.store import Store

NAMES = {1: "nearest cloud", 2: "interpolated clouds", 3: "entropic map"}
"""By the number that stands for a stage in the rows."""

# Of every cloud, for the entropic map on two CPU cores.
_FEW = 2_000


def untrained_job(run: RunJob) -> Computation:
    """The job that evaluates them on the clouds, references and floors of a run."""
    return Computation(f"{run.name}-untrained", measure, {"run": run.name}, needs=(run,))


def untrained_rows(store: Store, run: RunJob) -> tuple[Row, ...]:
    """Rows of the evaluation, with the numbers of :data:`NAMES` as stages."""
    return tuple(Row(**row) for row in store.document(untrained_job(run))["rows"])


def measure(place: Place, run: str) -> Mapping[str, Any]:
    """Evaluate them as the run is evaluated.

    Args:
        place: of the job.
        run: name of the run.
    """
    from twostep_rs.baselines import EntropicMap, InterpolatedCloud, NearestCloud

    directory = RunDirectory.open(place.store.directory / "jobs" / run)
    config = directory.config
    experiment = experiments.get(config.experiment)
    system = experiment.system(config.simulation.physics)
    clouds = read_clouds(directory, system)
    found = evaluate(
        {
            1: NearestCloud(clouds),
            2: InterpolatedCloud(clouds, system.domain.period),
            3: EntropicMap(
                clouds,
                particles=_FEW if config.preset == "quick" else config.simulation.particles,
                device=config.device,
            ),
        },
        system,
        config.evaluation,
        training_parameters=config.simulation.parameters,
        seed=config.seed,
        method="untrained",
    )
    return {"rows": [dataclasses.asdict(row) for row in found.rows]}
