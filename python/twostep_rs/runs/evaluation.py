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
    from collections.abc import Callable, Mapping, Sequence

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
        """Standard error of :attr:`ratio`, by linear propagation of both errors."""
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

    rows: list[Row] = []
    shown: dict[float, dict[int, Points]] = {}
    for index, parameter in enumerate(config.parameters):
        references, candidates = _draw(stages, system, config, parameter, index, seed, tally)
        for metric in metrics:
            measure = _Measure(metric, config.bins, system.domain.period, threads, tally)
            floor, *scores = _measure(references, candidates, config, measure)
            rows += [
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
                    floor=floor.value,
                    floor_standard_error=floor.error,
                    n=config.particles,
                )
                for stage, score in zip(stages, scores, strict=True)
            ]
        shown[parameter] = {0: references[0]} | {k: c[0] for k, c in candidates.items()}
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
) -> tuple[list[Points], dict[int, list[Points]]]:
    """References at one parameter, and the clouds of every stage from fresh sources."""
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
    return references, candidates


def _measure(
    references: Sequence[Points],
    candidates: Mapping[int, Sequence[Points]],
    config: EvaluationConfig,
    measure: _Measure,
) -> list[_Mean]:
    """The floor, then the figure of every stage."""
    disjoint = zip(references[0::2], references[1::2], strict=False)
    groups = [list(disjoint)[: config.floor_pairs]]
    groups += [list(zip(clouds, references, strict=False)) for clouds in candidates.values()]
    found = measure([pair for group in groups for pair in group])
    ends = itertools.accumulate(map(len, groups))
    return [
        _Mean.of(found[end - len(group) : end]) for group, end in zip(groups, ends, strict=True)
    ]


def _metrics(config: EvaluationConfig, *, on_torus: bool) -> list[_Metric]:
    boxes: tuple[Box | None, ...] = (None,) if on_torus else config.boxes
    return [
        _Metric(name, box)
        for name in config.metrics
        for box in (boxes if name == "histogram" else (None,))
    ]


@dataclass(frozen=True)
class _Measure:
    """W2 squared of pairs (candidate, reference); problems are spread over threads."""

    metric: _Metric
    bins: int
    period: tuple[float, ...] | None
    threads: int | None
    tally: _Tally

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        threads = get_num_threads() if self.threads is None else self.threads
        return (
            self._exact(pairs, threads)
            if self.metric.name == "exact"
            else self._histogram(pairs, threads)
        )

    def _exact(self, pairs: Sequence[Pair], threads: int) -> list[float]:
        found: list[float] = []
        for begin in range(0, len(pairs), threads):
            xs, ys = zip(*pairs[begin : begin + threads], strict=True)
            plans = ot.emd_batch(xs, ys, period=self.period, threads=threads)
            found += [plan.cost for plan in plans]
            self.tally(len(plans))
        return found

    def _histogram(self, pairs: Sequence[Pair], threads: int) -> list[float]:
        found: list[float] = []
        pool = ThreadPoolExecutor(threads)
        try:
            for value in pool.map(self._distance, pairs):
                found.append(value)
                self.tally()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return found

    def _distance(self, pair: Pair) -> float:
        box = "joint" if self.metric.box is None else self.metric.box
        found = ot.histogram_w2(*pair, bins=self.bins, box=box, period=self.period, threads=1)
        return found.w2_squared
