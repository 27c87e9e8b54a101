"""The evaluation: distance of each stage to fresh references, beside the sampling floor."""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.errors import ConfigError
from twostep_rs.runs.distances import metrics_of
from twostep_rs.runs.references import CLOUDS_PER_PARAMETER, References, begin_floor
from twostep_rs.runs.solver import Solver, key_of
from twostep_rs.runs.tally import Tally, floor_work, scores_work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.runs.distance_log import DistanceLog
    from twostep_rs.runs.distances import Metric, Pair, Points
    from twostep_rs.systems import System


class Sampler(Protocol):
    """One stage of a model: carries source particles, shape (n, d), to the law at a parameter."""

    def __call__(self, source: Points, parameter: float, /) -> Points:
        """Map the particles."""
        ...


@dataclass(frozen=True)
class Row:
    """One figure: the distance of one stage at one parameter by one metric.

    Attributes:
        method: name of the method, or ``particles``.
        stage: stage of the method; 0 for ``particles``, which are clouds of the simulator against
            each other, where they are not independent draws as the references are.
        parameter: parameter of the system.
        training_range: whether the parameter lies between those of training.
        seed: seed of the run.
        metric: ``histogram``, ``exact``, ``masses``, ``subsample_independent`` or
            ``subsample_paired``; those of a plane name its axes after it.
        box: box rule of a histogram in free space, else None.
        w2_squared: mean of W2 squared over the references.
        standard_error: of that mean.
        floor: mean of W2 squared over pairs of independent references.
        floor_standard_error: of that mean.
        n: particles of each cloud that is compared.
    """

    method: str
    stage: int
    parameter: float
    training_range: bool
    seed: int
    metric: str
    box: str | None
    w2_squared: float
    standard_error: float
    floor: float
    floor_standard_error: float
    n: int

    @property
    def ratio(self) -> float:
        """Distance over floor."""
        return self.w2_squared / self.floor

    @property
    def ratio_standard_error(self) -> float:
        """Standard error of :attr:`ratio`, by linear propagation of both errors.

        Some references of the score are also in pairs of the floor. A reference that lies far
        from the law raises both, so that the true error is a little smaller than this one.
        """
        errors = self.standard_error / self.w2_squared, self.floor_standard_error / self.floor
        return self.ratio * math.hypot(*errors)


@dataclass(frozen=True)
class Evaluation:
    """The rows, and clouds to look at.

    Attributes:
        rows: one per stage, parameter, metric and box.
        clouds: for every parameter the first reference (key 0) and the first cloud of each stage.
    """

    rows: tuple[Row, ...]
    clouds: Mapping[float, Mapping[int, Points]]


@dataclass(frozen=True)
class Yardstick(References):
    """References of an evaluation and their distances, which no training changes.

    Attributes:
        floors: distances of disjoint pairs of them, by metric, then by parameter.
        particles: those of pairs of clouds of the simulator, where they differ from these.
    """

    floors: Mapping[Metric, Sequence[Sequence[float]]]
    particles: Mapping[Metric, Sequence[Sequence[float]]]


def evaluate(
    stages: Mapping[int, Sampler],
    system: System,
    config: EvaluationConfig,
    *,
    training_parameters: Sequence[float],
    seed: int = 0,
    method: str = "two-step",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    particles: System | None = None,
    yardstick: Yardstick | None = None,
    log: DistanceLog | None = None,
) -> Evaluation:
    """Measure every stage against fresh references.

    At each parameter ``2 floor_pairs`` (or ``references``, if more) independent clouds are
    simulated. The floor is the mean distance over disjoint pairs of them. Each stage carries a
    fresh source, one for every reference, and its figure is the mean over the references. Sources
    and references are drawn with seeds that training never uses.

    ``subsample_paired`` is another comparison: each stage carries the source particles of the
    references, and the floor is between two simulations from the same of them.

    Args:
        stages: the stages to measure.
        system: what they emulate.
        config: what to measure.
        training_parameters: parameters of training, for the mark in each row.
        seed: seed of the run.
        method: name of the method in each row.
        threads: number of threads; the package's default where it is None.
        progress: called as ``progress(done, total)`` in units of simulations and distances.
        particles: the simulator, where its clouds are no independent draws of the law that
            ``system`` draws from: as many pairs of them as there are references are compared.
        yardstick: references and floors of this system, configuration and seed, where
            :func:`measure_floor` has found them already.
        log: keeps every distance that is found; those that it has already are not found again.

    Returns:
        The rows and clouds; the same for any number of threads.

    Raises:
        ConfigError: there are no parameters, or a metric does not suit the system.
        InputError: a stage returns points of a wrong shape, NaN or infinity.
        KeyboardInterrupt: on Ctrl-C.
    """
    metrics = metrics_of(config, system)
    work = scores_work(config, system, len(stages))
    if yardstick is None:
        work += _yardstick_work(system, config, particles)
    with Solver(config, system, threads, Tally(work, progress), log) as solver:
        begun = yardstick or _begin_yardstick(system, config, seed, solver, particles)
        shown = _begin_scores(stages, system, config, seed, solver, begun)
        solver.finish()
    if yardstick is None:
        yardstick = _yardstick(config, metrics, begun, solver, particles)
    low, high = (
        min(training_parameters, default=math.inf),
        max(training_parameters, default=-math.inf),
    )
    rows = [
        Row(
            method=method if stage else "particles",
            stage=stage,
            parameter=parameter,
            training_range=low <= parameter <= high,
            seed=seed,
            metric=metric.name,
            box=metric.box,
            w2_squared=score.value,
            standard_error=score.error,
            floor=floor.value,
            floor_standard_error=floor.error,
            n=metric.particles(config),
        )
        for index, parameter in enumerate(config.parameters)
        for metric in metrics
        for floor in [_Mean.of(yardstick.floors[metric][index])]
        for stage, score in _scores(stages, config, metric, index, yardstick, solver).items()
    ]
    return Evaluation(tuple(rows), shown)


def measure_floor(
    system: System,
    config: EvaluationConfig,
    *,
    seed: int = 0,
    threads: int | None = None,
    particles: System | None = None,
    log: DistanceLog | None = None,
) -> Yardstick:
    """What of :func:`evaluate` needs no model; a GPU can train meanwhile.

    Args:
        system: what is emulated.
        config: what to measure.
        seed: seed of the run.
        threads: number of threads; the package's default where it is None.
        particles: as for :func:`evaluate`.
        log: as for :func:`evaluate`.

    Raises:
        ConfigError: there are no parameters.
    """
    tally = Tally(_yardstick_work(system, config, particles), None)
    with Solver(config, system, threads, tally, log) as solver:
        references = _begin_yardstick(system, config, seed, solver, particles)
        solver.finish()
    return _yardstick(config, metrics_of(config, system), references, solver, particles)


def _yardstick_work(system: System, config: EvaluationConfig, particles: System | None) -> int:
    work = floor_work(config, system)
    return work if particles is None else work + floor_work(_fewer_pairs(config), particles)


def _begin_yardstick(
    system: System,
    config: EvaluationConfig,
    seed: int,
    solver: Solver,
    particles: System | None,
) -> References:
    if not config.parameters:
        raise ConfigError("evaluation.parameters: expected at least one parameter, got none")
    metrics = metrics_of(config, system)
    references = begin_floor(system, config, metrics, seed, solver)
    if particles is not None:
        begin_floor(particles, _fewer_pairs(config), metrics, seed, solver, role="particles")
    return references


def _fewer_pairs(config: EvaluationConfig) -> EvaluationConfig:
    """What is measured between clouds of the simulator, which cost more than references."""
    return dataclasses.replace(config, floor_pairs=config.references)


def _yardstick(
    config: EvaluationConfig,
    metrics: Sequence[Metric],
    references: References,
    solver: Solver,
    particles: System | None,
) -> Yardstick:
    """What the solver has found, once it has finished."""

    def found(role: str, pairs: int) -> dict[Metric, list[list[float]]]:
        return {
            metric: [
                [solver.found[key_of(metric, parameter, role, pair)] for pair in range(pairs)]
                for parameter in config.parameters
            ]
            for metric in metrics
        }

    return Yardstick(
        references.references,
        references.sources,
        floors=found("floor", config.floor_pairs),
        particles={} if particles is None else found("particles", config.references),
    )


def _begin_scores(
    stages: Mapping[int, Sampler],
    system: System,
    config: EvaluationConfig,
    seed: int,
    solver: Solver,
    references: References,
) -> dict[float, dict[int, Points]]:
    """Have the distances of every stage found; clouds to look at, by parameter.

    Each comparison has a fresh source, which the stages share. Where rows are paired it begins at
    the source of the reference.
    """
    shown = {}
    metrics = metrics_of(config, system)
    for index, parameter in enumerate(config.parameters):
        targets = references.references[index]
        shown[parameter] = {0: targets[0]}
        source = functools.cache(functools.partial(_source, system, config, seed, index))
        for stage, carry in stages.items():
            fresh = functools.cache(functools.partial(_carried, carry, parameter, source))
            shown[parameter][stage] = fresh(0)
            for metric in metrics:
                cloud = fresh
                if metric.paired:
                    first = references.sources[index].__getitem__
                    cloud = functools.cache(functools.partial(_carried, carry, parameter, first))
                for pair in range(config.references):
                    key = key_of(metric, parameter, "score", pair, stage)
                    solver.add(key, metric, functools.partial(_against, cloud, targets, pair))
    return shown


def _source(system: System, config: EvaluationConfig, seed: int, index: int, pair: int) -> Points:
    number = index * CLOUDS_PER_PARAMETER + pair
    return system.prior(config.particles, cloud_seed(seed, Purpose.SOURCE, number))


def _carried(
    carry: Sampler, parameter: float, source: Callable[[int], Points], pair: int
) -> Points:
    return np.asarray(carry(source(pair), parameter), dtype=np.float64)


def _against(cloud: Callable[[int], Points], targets: Sequence[Points], pair: int) -> Pair:
    return cloud(pair), targets[pair]


@dataclass(frozen=True)
class _Mean:
    value: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Mean:
        return cls(float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values))))


def _scores(
    stages: Mapping[int, Sampler],
    config: EvaluationConfig,
    metric: Metric,
    index: int,
    yardstick: Yardstick,
    solver: Solver,
) -> dict[int, _Mean]:
    """Scores at a parameter by a metric, of every stage and of the simulator."""
    parameter = config.parameters[index]
    found = {
        stage: [
            solver.found[key_of(metric, parameter, "score", pair, stage)]
            for pair in range(config.references)
        ]
        for stage in stages
    }
    if metric in yardstick.particles:
        found[0] = list(yardstick.particles[metric][index])
    return {stage: _Mean.of(values) for stage, values in found.items()}
