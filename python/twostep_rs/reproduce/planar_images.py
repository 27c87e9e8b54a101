"""What runs of the planar problems make of fresh source particles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs import experiments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twostep_rs.reproduce.job import RunJob
    from twostep_rs.reproduce.store import Store

#: Particles that masses of modes are found from.
SAMPLES = 100_000
#: Beyond the seeds of runs.
SEED = 2**40


def fresh_images(
    store: Store, run: RunJob, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Source particles, (n, 2), and where the stages of a run take them, (n, 2).

    Args:
        store: holds the run.
        run: of a planar problem.
        n: number of particles; the same for every run.
    """
    from twostep_rs.training.model import load

    system = experiments.get(run.config.experiment).system(run.config.simulation.physics)
    source = system.prior(n, SEED)
    model = load(store.path(run))
    return source, model.transport(source, run.config.evaluation.parameters[0])
