"""Step 1: the training clouds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.errors import ConfigError
from twostep_rs.runs.clouds import read_cloud, write_cloud
from twostep_rs.threads import num_threads

if TYPE_CHECKING:
    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.directory import RunDirectory
    from twostep_rs.runs.progress import Progress
    from twostep_rs.systems import Cloud, System


def simulate(run: RunDirectory, experiment: Experiment, progress: Progress) -> None:
    """Simulate the clouds that are not there yet, all from one source.

    Raises:
        ConfigError: there are no parameters.
        FileFormatError: a cloud that is there is damaged or of another run.
    """
    config = run.config
    parameters = config.simulation.parameters
    if not parameters:
        raise ConfigError("simulation.parameters: expected at least one parameter, got none")
    system = experiment.system(config.simulation.physics)
    seed = cloud_seed(config.seed, Purpose.TRAINING)
    start = time.perf_counter()
    with num_threads(config.threads), progress.task("simulate") as advance:
        for done, parameter in enumerate(parameters):
            advance(done, len(parameters))
            if run.cloud(parameter).exists():
                _read(run, system, parameter)
                continue
            cloud = system.simulate(parameter, config.simulation.particles, seed)
            write_cloud(run.cloud(parameter), cloud, parameter)
        advance(len(parameters), len(parameters))
    run.finish("simulate", time.perf_counter() - start)


def read_clouds(run: RunDirectory, system: System) -> dict[float, Cloud]:
    """The training clouds of a run, by parameter.

    Raises:
        FileFormatError: a cloud is missing or damaged.
    """
    return {
        parameter: _read(run, system, parameter) for parameter in run.config.simulation.parameters
    }


def _read(run: RunDirectory, system: System, parameter: float) -> Cloud:
    return read_cloud(run.cloud(parameter), parameter, run.config.simulation.particles, system.dim)
