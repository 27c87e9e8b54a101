"""Scores of references without a network, from the training clouds of a seed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from twostep_rs import experiments
from twostep_rs.reproduce import yardsticks
from twostep_rs.reproduce.job import Computation
from twostep_rs.reproduce.scores import curve
from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.evaluation import Row
from twostep_rs.runs.steps.simulate import read_clouds
from twostep_rs.runs.table import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.reproduce.job import Place, RunJob
    from twostep_rs.reproduce.scores import Curve
    from twostep_rs.reproduce.store import Store
    from twostep_rs.runs.evaluation import Sampler

NAMES = {1: "nearest cloud", 2: "interpolated clouds", 3: "entropic map"}
"""By the number that stands for a stage in the rows; on a torus there is no entropic map."""

_ENTROPIC = 4_000


def entropic_particles(preset: Preset) -> int:
    """Particles of every cloud that the entropic map is made of; its cost grows as their square."""
    return _ENTROPIC // 4 if preset == "quick" else _ENTROPIC


def untrained_job(run: RunJob) -> Computation:
    """The job that evaluates them on the clouds of a run, as runs of its seed are."""
    shared = yardsticks.yardsticks(run.config)
    return Computation(
        f"{run.name}-untrained",
        measure,
        {"run": run.name, "references": [job.name for job in shared]},
        needs=(run, *shared),
    )


def untrained_rows(store: Store, run: RunJob) -> tuple[Row, ...]:
    """Rows of the evaluation, with the numbers of :data:`NAMES` as stages."""
    return tuple(Row(**row) for row in store.document(untrained_job(run))["rows"])


def kind_of(store: Store, run: RunJob) -> Kind:
    """What was measured, of them and of the methods beside them alike."""
    row = untrained_rows(store, run)[0]
    return Kind(row.metric, row.box)


def untrained_curves(store: Store, runs: Sequence[RunJob]) -> dict[str, Curve]:
    """Scores over the seeds of some runs, by name."""
    rows, kind = [untrained_rows(store, run) for run in runs], kind_of(store, runs[0])
    known = {row.stage for row in rows[0]}
    return {name: curve(rows, kind, stage) for stage, name in NAMES.items() if stage in known}


def measure(place: Place, run: str, references: Sequence[str]) -> Mapping[str, Any]:
    """Evaluate them as runs are evaluated.

    Args:
        place: of the job.
        run: name of the run that has the clouds.
        references: names of the jobs that have references and floors.
    """
    from twostep_rs.baselines import EntropicMap, InterpolatedCloud, NearestCloud

    directory = RunDirectory.open(place.needed[run])
    config = directory.config
    experiment = experiments.get(config.experiment)
    system = experiment.system(config.simulation.physics)
    clouds = read_clouds(directory, system)
    samplers: dict[int, Sampler] = {
        1: NearestCloud(clouds),
        2: InterpolatedCloud(clouds, system.domain.period),
    }
    if system.domain.period is None:
        particles = entropic_particles(config.preset)
        samplers[3] = EntropicMap(clouds, particles=particles, device=config.device)
    found = yardsticks.measured(
        samplers, config, [place.needed[name] for name in references], method="untrained"
    )
    return {"rows": [dataclasses.asdict(row) for row in found.rows]}
