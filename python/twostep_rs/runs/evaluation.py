"""The evaluation: distance of each stage to fresh references, beside the sampling floor."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from twostep_rs import ot
from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.errors import ConfigError
from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.systems import System

    Points = NDArray[np.float64]
    Pair = tuple[Points, Points]
    Box = Literal["reference", "joint"]

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
        method: name of the method.
        stage: stage of the method.
        parameter: parameter of the system.
        training_range: whether the parameter lies between those of training.
        seed: seed of the run.
        metric: ``histogram`` or ``exact``.
        box: box rule of the histogram; None for ``exact`` and on a torus.
        w2_squared: mean of W2 squared over the references.
        standard_error: of that mean.
        floor: mean of W2 squared over pairs of independent references.
        floor_standard_error: of that mean.
        n: particles per cloud.
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
class _Metric:
    name: str
    box: Box | None


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
) -> Evaluation:
    """Measure every stage against fresh references.

    At each parameter ``2 floor_pairs`` (or ``references``, if more) independent clouds are
    simulated. The floor is the mean distance over disjoint pairs of them. Each stage carries a
    fresh source, one for every reference, and its figure is the mean over the references. Sources
    and references are drawn with seeds that training never uses.

    Args:
        stages: the stages to measure.
        system: what they emulate.
        config: what to measure.
        training_parameters: parameters of training, for the mark in each row.
        seed: seed of the run.
        method: name of the method in each row.
        threads: number of threads; the package's default where it is None.
        progress: called as ``progress(done, total)`` in units of simulations and distances.

    Returns:
        The rows and clouds; the same for any number of threads.

    Raises:
        ConfigError: there are no parameters.
        InputError: a stage returns points of a wrong shape, NaN or infinity.
        KeyboardInterrupt: on Ctrl-C.
    """
    if not config.parameters:
        raise ConfigError("evaluation.parameters: expected at least one parameter, got none")
    metrics = _metrics(config, on_torus=system.domain.period is not None)
    distances = config.floor_pairs + config.references * len(stages)
    per_parameter = _clouds(config) + distances * len(metrics)
    tally = _Tally(per_parameter * len(config.parameters), progress)
    low, high = (
        min(training_parameters, default=math.inf),
        max(training_parameters, default=-math.inf),
    )

    drawn = [
        _draw(stages, system, config, parameter, index, seed, tally)
        for index, parameter in enumerate(config.parameters)
    ]
    solver = _Solver(config.bins, system.domain.period, threads, tally)
    # The longest first, so that no thread is left alone with one of them at the end.
    order = sorted(metrics, key=lambda metric: metric.name != "exact")
    found = solver([(m, pair) for m in order for clouds in drawn for pair in clouds.pairs(config)])
    scores = {
        (metric, index): _scores(list(itertools.islice(found, distances)), config)
        for metric in order
        for index in range(len(drawn))
    }
    rows = [
        Row(
            method=method,
            stage=stage,
            parameter=parameter,
            training_range=low <= parameter <= high,
            seed=seed,
            metric=metric.name,
            box=metric.box,
            w2_squared=score.value,
            standard_error=score.error,
            floor=scores[metric, index][0].value,
            floor_standard_error=scores[metric, index][0].error,
            n=config.particles,
        )
        for index, parameter in enumerate(config.parameters)
        for metric in metrics
        for stage, score in zip(stages, scores[metric, index][1:], strict=True)
    ]
    shown = {
        parameter: {0: clouds.references[0]} | {k: c[0] for k, c in clouds.candidates.items()}
        for parameter, clouds in zip(config.parameters, drawn, strict=True)
    }
    return Evaluation(tuple(rows), shown)


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


@dataclass(frozen=True)
class _Drawn:
    """Independent references at one parameter, and clouds of every stage from fresh sources."""

    references: Sequence[Points]
    candidates: Mapping[int, Sequence[Points]]

    def pairs(self, config: EvaluationConfig) -> list[Pair]:
        """Disjoint pairs for the floor, then (candidate, reference) for every stage in turn."""
        disjoint = zip(self.references[0::2], self.references[1::2], strict=False)
        pairs = list(disjoint)[: config.floor_pairs]
        for clouds in self.candidates.values():
            pairs += zip(clouds, self.references, strict=False)
        return pairs


def _clouds(config: EvaluationConfig) -> int:
    """Independent references per parameter."""
    return max(2 * config.floor_pairs, config.references)


def _draw(
    stages: Mapping[int, Sampler],
    system: System,
    config: EvaluationConfig,
    parameter: float,
    index: int,
    seed: int,
    tally: _Tally,
) -> _Drawn:
    first = index * _CLOUDS_PER_PARAMETER
    references = []
    for k in range(first, first + _clouds(config)):
        seed_of_cloud = cloud_seed(seed, Purpose.REFERENCE, k)
        references.append(system.simulate(parameter, config.particles, seed_of_cloud).target)
        tally()
    sources = [
        system.prior(config.particles, cloud_seed(seed, Purpose.SOURCE, k))
        for k in range(first, first + config.references)
    ]
    candidates = {
        stage: [np.asarray(carry(source, parameter), dtype=np.float64) for source in sources]
        for stage, carry in stages.items()
    }
    return _Drawn(references, candidates)


def _scores(distances: Sequence[float], config: EvaluationConfig) -> list[_Mean]:
    """The floor, then the figure of every stage, from distances in the order of the pairs."""
    floor, rest = distances[: config.floor_pairs], distances[config.floor_pairs :]
    stages = range(0, len(rest), config.references)
    return [_Mean.of(floor), *(_Mean.of(rest[k : k + config.references]) for k in stages)]


def _metrics(config: EvaluationConfig, *, on_torus: bool) -> list[_Metric]:
    boxes: tuple[Box | None, ...] = (None,) if on_torus else config.boxes
    return [
        _Metric(name, box)
        for name in config.metrics
        for box in (boxes if name == "histogram" else (None,))
    ]


@dataclass(frozen=True)
class _Solver:
    """W2 squared of pairs (candidate, reference), one problem to a thread."""

    bins: int
    period: tuple[float, ...] | None
    threads: int | None
    tally: _Tally

    def __call__(self, problems: Sequence[tuple[_Metric, Pair]]) -> Iterator[float]:
        pool = ThreadPoolExecutor(get_num_threads() if self.threads is None else self.threads)
        try:
            for value in pool.map(lambda problem: self._distance(*problem), problems):
                self.tally()
                yield value
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _distance(self, metric: _Metric, pair: Pair) -> float:
        if metric.name == "exact":
            return ot.emd(*pair, period=self.period, threads=1).cost
        box = "joint" if metric.box is None else metric.box
        found = ot.histogram_w2(*pair, bins=self.bins, box=box, period=self.period, threads=1)
        return found.w2_squared
