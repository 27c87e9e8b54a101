"""Step 4: the evaluation of the model that was written."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from twostep_rs.runs import evaluation
from twostep_rs.runs.clouds import write_gallery
from twostep_rs.runs.evaluation_file import write_evaluation
from twostep_rs.runs.steps.resources import require_device
from twostep_rs.threads import num_threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.directory import RunDirectory
    from twostep_rs.runs.progress import Progress

_TIMED = ("simulate", "stage_1", "stage_2", "couplings")


def evaluate(
    run: RunDirectory,
    experiment: Experiment,
    progress: Progress,
    yardstick: Future[evaluation.Yardstick] | None = None,
) -> None:
    """Measure both stages of the weights, as :func:`twostep_rs.load` gives them.

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
    physics = config.simulation.physics
    system = experiment.system(physics)
    references = system if experiment.references is None else experiment.references(physics)
    start = time.perf_counter()
    with num_threads(config.threads), progress.task("evaluate") as advance:
        model = load(run.path, system=system, device=config.device)
        found = evaluation.evaluate(
            {stage: functools.partial(model.transport, stage=stage) for stage in (1, 2)},
            references,
            config.evaluation,
            training_parameters=config.simulation.parameters,
            seed=config.seed,
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
                experiment.system(run.config.simulation.physics),
                run.config.evaluation,
                seed=run.config.seed,
                threads=run.config.threads,
                stop=stop.is_set,
            )
        finally:
            stop.set()
