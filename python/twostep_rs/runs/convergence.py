"""Does a learned start pay? Growth rates of Feynman-Kac particles from cold and warm starts."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.systems.kpp import PERIOD
from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from twostep_rs.config import ConvergenceConfig
    from twostep_rs.systems import KPP

    Points = NDArray[np.float64]

COLD = "cold"

# A running estimate has arrived when its mean error stays below this part of the speed.
ARRIVAL = 0.005

# Of the bias of the time step, which is small and smooth.
_BIAS_MODES = 12

# More runs per parameter than any study makes; keeps the seeds of parameters apart.
_RUNS_PER_PARAMETER = 2**14


class Start(Protocol):
    """Where the particles of a run begin."""

    def __call__(self, kappa: float, n: int, seed: int, /) -> Points:
        """Draw ``n`` particles, shape (n, dim)."""
        ...


@dataclass(frozen=True)
class Estimate:
    """The running estimate of the speed after some generations, over all seeds.

    Attributes:
        generations: T, how many it averages.
        mean: mean over the seeds.
        deviation: standard deviation over the seeds.
        error: mean absolute difference to the reference.
        error_standard_error: of that mean.
        bias: mean difference to the reference.
    """

    generations: int
    mean: float
    deviation: float
    error: float
    error_standard_error: float
    bias: float


@dataclass(frozen=True)
class Convergence:
    """The runs from one start at one diffusivity.

    Attributes:
        kappa: diffusivity.
        start: ``cold``, or the stage that made the initial particles.
        training_range: whether kappa lies between the parameters of training.
        reference: speed of infinitely many particles with the time step of the runs.
        relaxation: relaxation time in periods.
        seeds: number of runs.
        estimates: at T = 1, 2, 4, ...
        arrival: generations from which the mean error of the running estimate stays below 0.5 %
            of the reference; None where it does not in this many.
    """

    kappa: float
    start: str
    training_range: bool
    reference: float
    relaxation: float
    seeds: int
    estimates: tuple[Estimate, ...]
    arrival: int | None

    @property
    def first(self) -> Estimate:
        """The estimate of the first generation alone."""
        return self.estimates[0]


def study(
    system: KPP,
    starts: Mapping[str, Start],
    config: ConvergenceConfig,
    *,
    training_parameters: Sequence[float],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    known: Sequence[Convergence] = (),
) -> Iterator[Convergence]:
    """Run particles from every start, with several seeds, and compare with the reference.

    Runs of one seed share their random numbers whatever they start from. The reference is
    that of continuous time, but in two dimensions with Euler-Maruyama steps that of their scheme.

    Args:
        system: the particles.
        starts: initial particles by name; ``cold``, the uniform law, is added.
        config: what to run.
        training_parameters: parameters of training, for the mark of each result.
        seed: seed of the study.
        progress: called as ``progress(done, total)`` in runs.
        known: results of this study that are there already, and are given back as they are.

    Yields:
        One result per diffusivity and start, in this order, as soon as it is there; the same for
        any number of threads.
    """
    every = {COLD: _uniform(system), **starts}
    there = {(result.kappa, result.start): result for result in known}
    cases = [
        _Case(kappa, index, name) for index, kappa in enumerate(config.parameters) for name in every
    ]
    total, done = len(cases) * config.seeds, 0
    low = min(training_parameters, default=math.inf)
    high = max(training_parameters, default=-math.inf)
    pool = ThreadPoolExecutor(get_num_threads())
    try:
        truths = dict(
            zip(
                config.parameters,
                pool.map(lambda kappa: truth(system, kappa), config.parameters),
                strict=True,
            )
        )
        # All runs are begun at once, so that no thread waits at the end of a case.
        runs = {
            case: _begin(pool, system, config, case, every[case.start], seed)
            for case in cases
            if (case.kappa, case.start) not in there
        }
        for case in cases:
            if case not in runs:
                done += config.seeds
                yield there[case.kappa, case.start]
                continue
            growths = []
            for run in runs.pop(case):
                growths.append(run.result())
                done += 1
                if progress is not None:
                    progress(done, total)
            yield _summary(
                system,
                case.kappa,
                case.start,
                np.array(growths),
                truths[case.kappa],
                training_range=low <= case.kappa <= high,
            )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class _Case:
    """The runs of all seeds from one start at one diffusivity, which has a number."""

    kappa: float
    index: int
    start: str


def _begin(
    pool: ThreadPoolExecutor,
    system: KPP,
    config: ConvergenceConfig,
    case: _Case,
    start: Start,
    seed: int,
) -> list[Future[Points]]:
    """Begin the runs of a case."""
    begun = []
    for k in range(config.seeds):
        number = cloud_seed(seed, Purpose.GROWTH, case.index * _RUNS_PER_PARAMETER + k)
        initial = start(case.kappa, config.particles, number)
        begun.append(pool.submit(_growth, system, config, case.kappa, initial, number))
    return begun


def _uniform(system: KPP) -> Start:
    def draw(kappa: float, n: int, seed: int) -> Points:
        del kappa
        return np.random.default_rng(seed).random((n, system.dim)) * PERIOD

    return draw


def truth(system: KPP, kappa: float) -> tuple[float, float]:
    """Speed of infinitely many particles, and the relaxation time."""
    exact = system.reference(kappa)
    # Heun's bias is not seen, and that of Euler's scheme in three dimensions takes too long.
    if system.dim == 3 or system.integrator != "euler":
        return exact.c(), exact.relaxation
    # The bias needs no more than a few modes, whose own error cancels.
    scheme = system.reference(kappa, dt=system.dt, modes=_BIAS_MODES)
    bias = scheme.c() - system.reference(kappa, modes=_BIAS_MODES).c()
    return exact.c() + bias, exact.relaxation


def _growth(
    system: KPP, config: ConvergenceConfig, kappa: float, initial: Points, seed: int
) -> Points:
    """Growth of every period, (generations,)."""
    found = system.run(
        kappa,
        generations=config.generations,
        seed=seed,
        initial=initial,
        resampling=config.resampling,
        threads=1,
    )
    return found.growth


def _summary(
    system: KPP,
    kappa: float,
    start: str,
    growth: Points,
    known: tuple[float, float],
    *,
    training_range: bool,
) -> Convergence:
    """Estimates from the growth of every seed and period, (seeds, generations)."""
    reference, relaxation = known
    count, generations = growth.shape
    running = np.cumsum(growth, axis=1) / np.arange(1, generations + 1)
    speeds = (running + system.r) / system.lam
    errors = abs(speeds - reference)
    away = np.flatnonzero(errors.mean(axis=0) > ARRIVAL * abs(reference))
    arrival = 1 if len(away) == 0 else int(away[-1]) + 2
    dyadic = [2**k for k in range(generations.bit_length())]
    return Convergence(
        kappa=kappa,
        start=start,
        training_range=training_range,
        reference=reference,
        relaxation=relaxation,
        seeds=count,
        estimates=tuple(
            Estimate(
                generations=t,
                mean=float(speeds[:, t - 1].mean()),
                deviation=float(speeds[:, t - 1].std(ddof=1)),
                error=float(errors[:, t - 1].mean()),
                error_standard_error=float(errors[:, t - 1].std(ddof=1) / math.sqrt(count)),
                bias=float(speeds[:, t - 1].mean() - reference),
            )
            for t in dyadic
        ),
        arrival=arrival if arrival <= generations else None,
    )
