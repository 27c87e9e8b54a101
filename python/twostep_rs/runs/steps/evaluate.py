"""Step 4: the evaluation of the model that was written."""

from __future__ import annotations

import dataclasses
import time
import zlib
from typing import TYPE_CHECKING, Literal

from twostep_rs.runs import evaluation
from twostep_rs.runs.aside import aside
from twostep_rs.runs.clouds import write_gallery
from twostep_rs.runs.distance_log import DistanceLog
from twostep_rs.runs.evaluation_file import write_evaluation
from twostep_rs.runs.fingerprint import fingerprint, of_file
from twostep_rs.runs.steps.resources import require_device
from twostep_rs.threads import get_num_threads, num_threads

if TYPE_CHECKING:
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.directory import RunDirectory
    from twostep_rs.runs.progress import Progress
    from twostep_rs.systems import System
    from twostep_rs.training.model import TwoStepModel

_TIMED = ("simulate", "stage_1", "stage_2", "couplings")


def evaluate(
    run: RunDirectory,
    experiment: Experiment,
    progress: Progress,
    yardstick: Future[evaluation.Yardstick | None] | None = None,
) -> None:
    """Measure all stages of the weights, as :func:`twostep_rs.load` gives them.

    Args:
        run: whose weights.
        experiment: of the run.
        progress: where to report.
        yardstick: of :func:`floor_ahead`, where that was begun; measured here where it gives none.

    Raises:
        DeviceError: the device is not there.
        FileFormatError: the weights are missing or damaged.
    """
    run.status()  # refuses another configuration before anything is overwritten
    require_device(run.config.device)
    from twostep_rs.training.model import load

    config = run.config
    system = experiment.system(config.simulation.physics)
    start = time.perf_counter()
    with num_threads(config.threads), progress.task("evaluate") as advance:
        model = load(run.path, system=system, device=config.device)
        log = _log(run, of_weights=True)
        found = evaluation.evaluate(
            samplers(model),
            _references(experiment, run),
            config.evaluation,
            particles=_particles(experiment, run),
            training_parameters=config.simulation.parameters,
            seed=config.seed,
            method="two-step" if config.method == "meanflow" else config.method,
            progress=advance,
            yardstick=None if yardstick is None else yardstick.result(),
            log=log,
        )
    seconds = time.perf_counter() - start
    write_gallery(run.evaluation_clouds, found.clouds)
    done = run.status().done
    write_evaluation(
        run.evaluation,
        found.rows,
        {step: done.get(step, 0.0) for step in _TIMED} | {"evaluate": seconds},
    )
    run.finish("evaluate", seconds)
    log.remove()


def samplers(model: TwoStepModel) -> dict[int, evaluation.Sampler]:
    """What an evaluation measures of a model, by stage."""

    def sampler(stage: Literal[1, 2]) -> evaluation.Sampler:
        def carry(source: NDArray[np.float64], parameter: float) -> NDArray[np.float64]:
            # Where paths are random, every source has paths of its own.
            seed = zlib.crc32(source.tobytes())
            carried: NDArray[np.float64] = model.transport(
                source, parameter, stage=stage, seed=seed
            )
            return carried

        return carry

    stages: tuple[Literal[1, 2], ...] = (1,) if model.corrector is None else (1, 2)
    return {stage: sampler(stage) for stage in stages}


def floor_ahead(
    run: RunDirectory, experiment: Experiment
) -> AbstractContextManager[Future[evaluation.Yardstick | None]]:
    """Draw references and measure floors in another process, while a GPU trains.

    The process ends with the block.
    """
    return aside(
        _floor,
        _references(experiment, run),
        run.config.evaluation,
        run.config.seed,
        run.config.threads or get_num_threads(),
        _particles(experiment, run),
        _log(run),
    )


def _floor(
    references: System,
    config: EvaluationConfig,
    seed: int,
    threads: int,
    particles: System | None,
    log: DistanceLog,
) -> evaluation.Yardstick:
    with num_threads(threads):
        return evaluation.measure_floor(references, config, seed=seed, particles=particles, log=log)


def _log(run: RunDirectory, *, of_weights: bool = False) -> DistanceLog:
    """The log of the distances, and what determines them."""
    config = run.config
    floor = fingerprint(
        config.experiment,
        config.simulation.physics,
        config.seed,
        dataclasses.asdict(config.evaluation),
    )
    if not of_weights:
        return DistanceLog(run.distances, floor)
    # A GPU carries particles to places that differ in the last bits.
    scores = fingerprint(floor, of_file(run.weights), config.device)
    return DistanceLog(run.distances, floor, scores)


def _references(experiment: Experiment, run: RunDirectory) -> System:
    """What the references of an evaluation are drawn from."""
    physics = run.config.simulation.physics
    draw = experiment.system if experiment.references is None else experiment.references
    return draw(physics)


def _particles(experiment: Experiment, run: RunDirectory) -> System | None:
    """The simulator, where its clouds are compared too."""
    if experiment.particles is None:
        return None
    return experiment.particles(run.config.simulation.physics)
