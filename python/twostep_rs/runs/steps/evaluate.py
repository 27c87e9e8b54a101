"""Step 4: the evaluation of the model that was written."""

from __future__ import annotations

import contextlib
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from twostep_rs.runs import evaluation
from twostep_rs.runs.clouds import write_gallery
from twostep_rs.runs.evaluation_file import write_evaluation
from twostep_rs.runs.steps.resources import require_device
from twostep_rs.threads import num_threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

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
    yardstick: Future[evaluation.Yardstick] | None = None,
) -> None:
    """Measure all stages of the weights, as :func:`twostep_rs.load` gives them.

    Args:
        run: whose weights.
        experiment: of the run.
        progress: where to report.
        yardstick: of :func:`floor_ahead`, where that was begun.

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
        found = evaluation.evaluate(
            _samplers(model),
            _references(experiment, run),
            config.evaluation,
            particles=_particles(experiment, run),
            training_parameters=config.simulation.parameters,
            seed=config.seed,
            method="two-step" if config.method == "meanflow" else config.method,
            progress=advance,
            yardstick=None if yardstick is None else yardstick.result(),
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


def _samplers(model: TwoStepModel) -> dict[int, evaluation.Sampler]:
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


@contextlib.contextmanager
def floor_ahead(
    run: RunDirectory, experiment: Experiment
) -> Iterator[Future[evaluation.Yardstick]]:
    """Draw references and measure floors in the background, while a GPU trains.

    What is left of it when the block is left by an error is not begun any more.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="twostep-floor") as pool:
        try:
            yield pool.submit(
                evaluation.measure_floor,
                _references(experiment, run),
                run.config.evaluation,
                seed=run.config.seed,
                threads=run.config.threads,
                stop=stop.is_set,
                particles=_particles(experiment, run),
            )
        finally:
            stop.set()


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
