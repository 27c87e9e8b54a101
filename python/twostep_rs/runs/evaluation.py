"""The evaluation: distance of each stage to fresh references, beside the sampling floor."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.errors import ConfigError
from twostep_rs.runs.distances import distance, metrics_of, seen
from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.runs.distances import Metric, Pair, Points
    from twostep_rs.systems import Cloud, System

    # For every parameter the pairs of a comparison.
    Groups = Sequence[Sequence[Pair]]

# More clouds per parameter than any evaluation draws; keeps the seeds of parameters apart.
_CLOUDS_PER_PARAMETER = 2**14


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
class Yardstick:
    """References of an evaluation and their distances, which no training changes.

    Attributes:
        references: independent clouds at every parameter, in their order.
        sources: where their particles began, where a metric asks for it.
        floors: distances of disjoint pairs of them, by metric, then by parameter.
        particles: those of pairs of clouds of the simulator, where they differ from these.
    """

    references: Sequence[Sequence[Points]]
    sources: Sequence[Sequence[Points]]
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

    Returns:
        The rows and clouds; the same for any number of threads.

    Raises:
        ConfigError: there are no parameters, or a metric does not suit the system.
        InputError: a stage returns points of a wrong shape, NaN or infinity.
        KeyboardInterrupt: on Ctrl-C.
    """
    if yardstick is None:
        count = _floor_work(config, system, particles) + _work(config, system, stages=len(stages))
        tally = _Tally(count, progress)
        yardstick = _measure_floor(system, config, seed, threads, tally, particles)
    else:
        tally = _Tally(_work(config, system, stages=len(stages)), progress)
    low, high = (
        min(training_parameters, default=math.inf),
        max(training_parameters, default=-math.inf),
    )

    metrics = metrics_of(config, system)
    drawn = [
        _draw(stages, system, config, parameter, index, seed)
        for index, parameter in enumerate(config.parameters)
    ]
    independent = [
        [pair for clouds in by_stage.values() for pair in zip(clouds, references, strict=False)]
        for by_stage, references in zip(drawn, yardstick.references, strict=True)
    ]
    paired = _paired(stages, config, yardstick) if any(m.paired for m in metrics) else []
    found = _Solver(system, config, threads, tally)(metrics, independent, paired)
    scores = {
        (metric, index): {
            stage: _Mean.of(values[k * config.references :][: config.references])
            for k, stage in enumerate(stages)
        }
        for metric in metrics
        for index, values in enumerate(found[metric])
    }
    for metric, groups in yardstick.particles.items():
        for index, values in enumerate(groups):
            scores[metric, index][0] = _Mean.of(values)
    floors = {
        (metric, index): _Mean.of(values)
        for metric in metrics
        for index, values in enumerate(yardstick.floors[metric])
    }
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
            floor=floors[metric, index].value,
            floor_standard_error=floors[metric, index].error,
            n=metric.particles(config),
        )
        for index, parameter in enumerate(config.parameters)
        for metric in metrics
        for stage, score in scores[metric, index].items()
    ]
    shown = {
        parameter: {0: references[0]} | {stage: clouds[0] for stage, clouds in by_stage.items()}
        for parameter, references, by_stage in zip(
            config.parameters, yardstick.references, drawn, strict=True
        )
    }
    return Evaluation(tuple(rows), shown)


def measure_floor(
    system: System,
    config: EvaluationConfig,
    *,
    seed: int = 0,
    threads: int | None = None,
    particles: System | None = None,
) -> Yardstick:
    """What of :func:`evaluate` needs no model; a GPU can train meanwhile.

    Args:
        system: what is emulated.
        config: what to measure.
        seed: seed of the run.
        threads: number of threads; the package's default where it is None.
        particles: as for :func:`evaluate`.

    Raises:
        ConfigError: there are no parameters.
    """
    tally = _Tally(_floor_work(config, system, particles), None)
    return _measure_floor(system, config, seed, threads, tally, particles)


def _measure_floor(
    system: System,
    config: EvaluationConfig,
    seed: int,
    threads: int | None,
    tally: _Tally,
    particles: System | None = None,
) -> Yardstick:
    if not config.parameters:
        raise ConfigError("evaluation.parameters: expected at least one parameter, got none")
    metrics = metrics_of(config, system)
    paired = any(metric.paired for metric in metrics)
    references, sources, twins = [], [], []
    for index, parameter in enumerate(config.parameters):
        draw = functools.partial(_reference, system, config, parameter, index, seed, tally)
        clouds = [draw(k) for k in range(_clouds(config))]
        references.append([cloud.target for cloud in clouds])
        if paired:
            _require_pairs(clouds[0])
            sources.append([cloud.source for cloud in clouds[: config.references]])
            again = [draw(len(clouds) + k, clouds[k].source) for k in range(config.floor_pairs)]
            twins.append([(x.target, y.target) for x, y in zip(clouds, again, strict=False)])
    pairs = [
        list(zip(clouds[0::2], clouds[1::2], strict=False))[: config.floor_pairs]
        for clouds in references
    ]
    solve = _Solver(system, config, threads, tally)
    floors = solve(metrics, pairs, twins)
    if particles is None:
        return Yardstick(references, sources, floors, {})
    between = _measure_floor(particles, _fewer_pairs(config), seed, threads, tally)
    return Yardstick(references, sources, floors, between.floors)


def _fewer_pairs(config: EvaluationConfig) -> EvaluationConfig:
    """What is measured between clouds of the simulator, which cost more than references."""
    return dataclasses.replace(config, floor_pairs=config.references)


def _reference(
    system: System,
    config: EvaluationConfig,
    parameter: float,
    index: int,
    seed: int,
    tally: _Tally,
    number: int,
    source: Points | None = None,
) -> Cloud:
    """Reference ``number`` at a parameter, from particles of its own or from ``source``."""
    seed = cloud_seed(seed, Purpose.REFERENCE, index * _CLOUDS_PER_PARAMETER + number)
    cloud = system.simulate(parameter, config.particles, seed, source)
    tally()
    return cloud


def _require_pairs(cloud: Cloud) -> None:
    if not cloud.paired:
        raise ConfigError(
            "evaluation.metrics: expected no 'subsample_paired' where source particles have no "
            "targets of their own"
        )


class _Tally:
    """Counts what is done for the progress."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self, count: int = 1) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


@dataclass(frozen=True)
class _Mean:
    value: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Mean:
        return cls(float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values))))


def _clouds(config: EvaluationConfig) -> int:
    """Independent references per parameter."""
    return max(2 * config.floor_pairs, config.references)


def _work(config: EvaluationConfig, system: System, *, floor: bool = False, stages: int = 0) -> int:
    """Simulations and distances, of the floor or of some stages."""
    metrics = metrics_of(config, system)
    clouds = _clouds(config) + config.floor_pairs * any(metric.paired for metric in metrics)
    distances = config.floor_pairs * floor + config.references * stages
    return (clouds * floor + distances * len(metrics)) * len(config.parameters)


def _floor_work(config: EvaluationConfig, system: System, particles: System | None) -> int:
    """Simulations and distances of everything that needs no model."""
    work = _work(config, system, floor=True)
    if particles is None:
        return work
    return work + _work(_fewer_pairs(config), particles, floor=True)


def _draw(
    stages: Mapping[int, Sampler],
    system: System,
    config: EvaluationConfig,
    parameter: float,
    index: int,
    seed: int,
) -> dict[int, list[Points]]:
    """Clouds of every stage, from fresh sources that the stages share."""
    first = index * _CLOUDS_PER_PARAMETER
    sources = [
        system.prior(config.particles, cloud_seed(seed, Purpose.SOURCE, k))
        for k in range(first, first + config.references)
    ]
    return {
        stage: [np.asarray(carry(source, parameter), dtype=np.float64) for source in sources]
        for stage, carry in stages.items()
    }


def _paired(
    stages: Mapping[int, Sampler], config: EvaluationConfig, yardstick: Yardstick
) -> Groups:
    """Every stage's clouds from the sources of the references, with these."""
    return [
        [
            (np.asarray(carry(source, parameter), dtype=np.float64), reference)
            for carry in stages.values()
            for source, reference in zip(sources, references, strict=False)
        ]
        for parameter, sources, references in zip(
            config.parameters, yardstick.sources, yardstick.references, strict=True
        )
    ]


@dataclass(frozen=True)
class _Solver:
    """W2 squared of pairs (candidate, reference), one problem to a thread."""

    system: System
    config: EvaluationConfig
    threads: int | None
    tally: _Tally

    def __call__(
        self, metrics: Sequence[Metric], independent: Groups, paired: Groups
    ) -> dict[Metric, list[list[float]]]:
        """The distances of the pairs of every parameter, by every metric."""
        # The longest first, so that no thread is left alone with one of them at the end.
        order = sorted(metrics, key=lambda metric: metric.kind != "exact")
        groups = {metric: paired if metric.paired else independent for metric in order}
        found = self._solve(
            [
                (metric, pair)
                for metric, pairs in groups.items()
                for parameter, group in zip(self.config.parameters, pairs, strict=True)
                for pair in seen(metric, group, parameter, self.system, self.config)
            ]
        )
        return {
            metric: [list(itertools.islice(found, len(group))) for group in pairs]
            for metric, pairs in groups.items()
        }

    def _solve(self, problems: Sequence[tuple[Metric, Pair]]) -> Iterator[float]:
        pool = ThreadPoolExecutor(get_num_threads() if self.threads is None else self.threads)
        try:
            for value in pool.map(lambda problem: self._distance(*problem), problems):
                self.tally()
                yield value
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _distance(self, metric: Metric, pair: Pair) -> float:
        return distance(metric, pair, self.config.bins, self.system.domain.period)
