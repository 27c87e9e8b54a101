"""Step 5: growth rates from cold and learned starts, for experiments that have them."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Literal

from twostep_rs.errors import ConfigError
from twostep_rs.runs import convergence
from twostep_rs.runs.convergence_file import read_begun, write_convergence
from twostep_rs.runs.fingerprint import fingerprint, of_file
from twostep_rs.runs.steps.resources import require_device
from twostep_rs.systems import KPP
from twostep_rs.threads import num_threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.convergence import Start
    from twostep_rs.runs.directory import RunDirectory
    from twostep_rs.runs.progress import Progress
    from twostep_rs.training.model import TwoStepModel


def converge(run: RunDirectory, experiment: Experiment, progress: Progress) -> None:
    """Run particles from the weights that were written, and from the uniform law.

    Raises:
        ConfigError: growth rates are asked of a system that has none.
        DeviceError: the device is not there.
        FileFormatError: the weights are missing or damaged.
    """
    run.status()  # refuses another configuration before anything is overwritten
    config = run.config
    start = time.perf_counter()
    if not config.convergence.parameters:
        run.finish("converge", 0.0)
        return
    system = experiment.system(config.simulation.physics)
    if not isinstance(system, KPP):
        raise ConfigError(
            f"convergence.parameters: expected none for {experiment.name}, which has no growth "
            f"rate, got {list(config.convergence.parameters)}"
        )
    require_device(config.device)
    from twostep_rs.training.model import load

    with num_threads(config.threads), progress.task("converge") as advance:
        model = load(run.path, system=system, device=config.device)
        made_of = _made_of(run)
        known = read_begun(run.convergence, made_of)
        results = []
        for result in convergence.study(
            system,
            _starts(model, system),
            config.convergence,
            training_parameters=config.simulation.parameters,
            seed=config.seed,
            progress=advance,
            known=known,
        ):
            results.append(result)
            # Results of an earlier session stay until they are passed.
            write_convergence(run.convergence, [*results, *known[len(results) :]], made_of)
    run.finish("converge", time.perf_counter() - start)


def _made_of(run: RunDirectory) -> str:
    """What determines the results: those of other weights or of another study are no use."""
    config = run.config
    return fingerprint(
        config.experiment,
        config.simulation.physics,
        config.simulation.parameters,
        config.seed,
        dataclasses.asdict(config.convergence),
        of_file(run.weights),
        config.device,
    )


def _starts(model: TwoStepModel, system: KPP) -> dict[str, Start]:
    starts = {"stage I": _start(model, system, 1)}
    return starts if model.corrector is None else starts | {"stage II": _start(model, system, 2)}


def _start(model: TwoStepModel, system: KPP, stage: Literal[1, 2]) -> Start:
    def draw(kappa: float, n: int, seed: int) -> NDArray[np.float64]:
        points: NDArray[np.float64] = model.transport(
            system.prior(n, seed), kappa, stage=stage, seed=seed
        )
        return points

    return draw
