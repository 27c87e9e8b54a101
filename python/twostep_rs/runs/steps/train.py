"""Steps 2 and 3: both stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from twostep_rs.methods import registry
from twostep_rs.runs.metrics import MetricsLog, read_metrics
from twostep_rs.runs.steps.resources import require_device
from twostep_rs.runs.steps.simulate import read_clouds
from twostep_rs.threads import num_threads

if TYPE_CHECKING:
    from twostep_rs.experiments import Experiment
    from twostep_rs.models.generator import Generator
    from twostep_rs.runs.directory import RunDirectory
    from twostep_rs.runs.progress import Progress
    from twostep_rs.systems import System
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.model import TwoStepModel


def follow(run: RunDirectory, experiment: Experiment, stage: Literal[1, 2]) -> None:
    """Train a stage beside the rank that leads, which writes the files.

    Raises:
        DeviceError: the device is not there.
        FileFormatError: a cloud or a checkpoint is missing or damaged.
    """
    with num_threads(run.config.threads):
        if stage == 1:
            _stage_1(run, experiment)
        else:
            _stage_2(run, experiment)


def train_stage_1(run: RunDirectory, experiment: Experiment, progress: Progress) -> None:
    """Train stage I on the clouds; its last checkpoint holds the result.

    Raises:
        DeviceError: the device is not there.
        FileFormatError: a cloud or the checkpoint is missing or damaged.
    """
    log = MetricsLog(run.metrics, stage=1)
    with num_threads(run.config.threads), progress.task("train stage I") as advance:
        _stage_1(run, experiment, progress=advance, log=log)
    run.finish("stage_1", _seconds(run, 1)["seconds"])


def train_stage_2(run: RunDirectory, experiment: Experiment, progress: Progress) -> None:
    """Train stage II on the outputs of stage I, where there is one, and write all weights.

    Raises:
        DeviceError: the device is not there.
        FileFormatError: a cloud or a checkpoint is missing or damaged.
    """
    log = MetricsLog(run.metrics, stage=2)
    with num_threads(run.config.threads), progress.task("train stage II") as advance:
        _stage_2(run, experiment, progress=advance, log=log).save(run.path)
    spent = _seconds(run, 2)
    run.finish("stage_2", spent["seconds"], couplings=spent.get("seconds_couplings", 0.0))


def _stage_1(run: RunDirectory, experiment: Experiment, **reports: Any) -> Generator:
    """Stage I, trained to its end."""
    require_device(run.config.device)
    from twostep_rs.training.checkpoint import CheckpointFile

    config = run.config
    system = experiment.system(config.simulation.physics)
    generator = registry.get(config.method).implementation.train(
        _data(run, system),
        config.stage_1,
        seed=config.seed,
        prior=system.prior,
        device=config.device,
        checkpoint=CheckpointFile(run.checkpoint(1)),
        threads=config.threads,
        compiled=config.compile,
        **reports,
    )
    return generator.with_evaluations(config.evaluations)


def _stage_2(run: RunDirectory, experiment: Experiment, **reports: Any) -> TwoStepModel:
    """All stages, from the stage I that is there."""
    first = _stage_1(run, experiment)
    from twostep_rs.training import stage_2
    from twostep_rs.training.checkpoint import CheckpointFile
    from twostep_rs.training.model import TwoStepModel

    config = run.config
    system = experiment.system(config.simulation.physics)
    if config.stages == 1:
        return TwoStepModel(first, None, system, config)
    corrector = stage_2.train(
        first,
        _data(run, system),
        config.stage_2,
        seed=config.seed,
        device=config.device,
        prior=system.prior,
        checkpoint=CheckpointFile(run.checkpoint(2)),
        threads=config.threads,
        compiled=config.compile,
        **reports,
    )
    return TwoStepModel(first, corrector, system, config)


def _data(run: RunDirectory, system: System) -> TrainingData:
    from twostep_rs.training.data import TrainingData

    return TrainingData.from_clouds(
        read_clouds(run, system), system.domain.period, run.config.simulation.torus
    )


def _seconds(run: RunDirectory, stage: int) -> dict[str, Any]:
    """The last logged row of a stage, which counts the seconds of all its sessions."""
    rows = [row for row in read_metrics(run.metrics) if row["stage"] == stage]
    return rows[-1] if rows else {"seconds": 0.0}
